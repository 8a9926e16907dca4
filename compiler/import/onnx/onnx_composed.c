/* onnx_composed.c: Decomposition of standard operators that the language does not have. */
// SPDX-License-Identifier: Apache-2.0
#include "import/onnx/onnx_composed.h"

static float number_given(const NodeBuild *b, const char *name, float otherwise) {
  const AttributeProto *a = onnx_attribute_named(&b->of->attribute, name);
  return a ? a->f : otherwise;
}

static const char *scalar(NodeBuild *b, float value) {
  const char *to = build_tensor(b);
  build_number(b, to, value);
  return to;
}

static void put_final(NodeBuild *b, const char *op, const char *x, const char *y) {
  build_node(b, op, replaced_output(b, 0), x, y, NULL);
}

/* x / (1 + |x|) */
void put_softsign(NodeBuild *b) {
  const char *x = replaced_input(b, 0), *size = build_value(b, "Abs", x, NULL);
  const char *divisor = build_value(b, "Add", size, scalar(b, 1), NULL);
  put_final(b, "Div", x, divisor);
}

/* Builds half of the sum or difference of e^x and e^-x. */
static void half_of_exponentials(NodeBuild *b, const char *op) {
  const char *x = replaced_input(b, 0), *up = build_value(b, "Exp", x, NULL),
             *down = build_value(b, "Exp", build_value(b, "Neg", x, NULL), NULL);
  const char *both = build_value(b, op, up, down, NULL);
  put_final(b, "Mul", both, scalar(b, 0.5F));
}

void put_sinh(NodeBuild *b) { half_of_exponentials(b, "Sub"); }
void put_cosh(NodeBuild *b) { half_of_exponentials(b, "Add"); }

void put_tan(NodeBuild *b) {
  const char *x = replaced_input(b, 0);
  const char *cosine = build_value(b, "Cos", x, NULL), *sine = build_value(b, "Sin", x, NULL);
  put_final(b, "Div", sine, cosine);
}

/* tan(a / 2), where x is tan(a). */
static const char *half_angle(NodeBuild *b, const char *x) {
  const char *square = build_value(b, "Mul", x, x, NULL),
             *root = build_value(b, "Sqrt", build_value(b, "Add", square, scalar(b, 1), NULL), NULL);
  return build_value(b, "Div", x, build_value(b, "Add", root, scalar(b, 1), NULL), NULL);
}

/* Halves the angle twice, so that its tangent u is at most tan(pi/8), and uses a polynomial in u^2. Its
 * relative error is below 2e-8. Larger numbers than 1e9 have the same result as 1e9. */
void put_atan(NodeBuild *b) {
  static const float part[] = {0.07984963F, -0.13851478F, 0.19974405F, -0.33332797F, 0.99999998F};
  const char *x = build_value(b, "Min", replaced_input(b, 0), scalar(b, 1e9F), NULL);
  const char *u = half_angle(b, half_angle(b, build_value(b, "Max", x, scalar(b, -1e9F), NULL)));
  const char *square = build_value(b, "Mul", u, u, NULL), *sum = scalar(b, part[0]);
  for (int i = 1; i < 5; i++) {
    const char *product = build_value(b, "Mul", square, sum, NULL);
    sum = build_value(b, "Add", product, scalar(b, part[i]), NULL);
  }
  put_final(b, "Mul", sum, build_value(b, "Mul", u, scalar(b, 4), NULL));
}

/* Multiplies x by 1e38 and clamps the product to -1..1. Does this twice, so that even the smallest numbers
 * become -1 or 1. */
void put_sign(NodeBuild *b) {
  const char *x = replaced_input(b, 0);
  for (int k = 0; k < 2; k++) {
    const char *large = build_value(b, "Mul", x, scalar(b, 1e38F), NULL);
    x = build_value(b, "Min", large, scalar(b, 1), NULL);
    if (k == 0) x = build_value(b, "Max", x, scalar(b, -1), NULL);
  }
  put_final(b, "Max", x, scalar(b, -1));
}

/* alpha * elu(x / alpha) */
void put_celu(NodeBuild *b) {
  const float alpha = number_given(b, "alpha", 1);
  const char *part = build_value(b, "Div", replaced_input(b, 0), scalar(b, alpha), NULL);
  const char *bent = build_value(b, "Elu", part, NULL);
  put_final(b, "Mul", bent, scalar(b, alpha));
}

/* Builds x where x is above `alpha`, and 0 elsewhere. */
void put_thresholded_relu(NodeBuild *b) {
  const char *x = replaced_input(b, 0);
  const char *above = build_value(b, "Greater", x, scalar(b, number_given(b, "alpha", 1)), NULL);
  build_node(b, "Where", replaced_output(b, 0), above, x, scalar(b, 0), NULL);
}

void put_mean_of_all(NodeBuild *b) {
  const char *sum = replaced_input(b, 0);
  const int n = b->of->input.n;
  for (int i = 1; i < n; i++) sum = build_value(b, "Add", sum, replaced_input(b, i), NULL);
  put_final(b, "Div", sum, scalar(b, (float)n));
}

static const char *reduced_like(NodeBuild *b, const char *op, const char *x) {
  const char *axes = replaced_input(b, 1), *to = build_tensor(b);
  NodeProto *node = build_node(b, op, to, x, NULL);
  const AttributeProto *list = onnx_attribute_named(&b->of->attribute, "axes");
  if (*axes) build_input(b, node, axes);
  if (list) build_attribute(b, node, "axes")->ints = list->ints;
  build_attribute(b, node, "keepdims")->i = 1;
  return to;
}

/* log(sum(exp(x - m))) + m, where m is the maximum, but finite: a difference of infinities would be NaN. */
void put_log_sum_exp(NodeBuild *b) {
  const float limit = 3.39e38F;
  const char *x = replaced_input(b, 0), *axes = replaced_input(b, 1);
  const char *most = build_value(b, "Min", reduced_like(b, "ReduceMax", x), scalar(b, limit), NULL);
  most = build_value(b, "Max", most, scalar(b, -limit), NULL);
  const char *parts = build_value(b, "Exp", build_value(b, "Sub", x, most, NULL), NULL);
  const char *log = build_value(b, "Log", reduced_like(b, "ReduceSum", parts), NULL);
  const AttributeProto *keeps = onnx_attribute_named(&b->of->attribute, "keepdims"),
                       *list = onnx_attribute_named(&b->of->attribute, "axes");
  if (!keeps || keeps->i) {
    put_final(b, "Add", log, most);
    return;
  }
  NodeProto *node =
      build_node(b, "Squeeze", replaced_output(b, 0), build_value(b, "Add", log, most, NULL), NULL);
  if (*axes) build_input(b, node, axes);
  if (list) build_attribute(b, node, "axes")->ints = list->ints;
}
