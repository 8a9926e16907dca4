/* out_map.c: ONNX export of elementwise operators and softmax. Operators that opset 17 lacks are
 * decomposed. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "export/onnx_out.h"
#include "ops/arithmetic/combine.h"

static const char *word(const Node *node) { return onnx_way(node->op)->word; }

const char *export_same(OnnxOut *o, const Node *node) {
  (void)node;
  return out_input(o, 0);
}

const char *export_map(OnnxOut *o, const Node *node) { return out_one(o, word(node), out_input(o, 0)); }

/* ---- activations ---- */
static const char *out_clipped(OnnxOut *o, const char *x, double least, double most) {
  const char *const in[] = {x, out_number(o, "min", least), out_number(o, "max", most)};
  return out_node(o, "Clip", 3, in);
}

const char *export_relu6(OnnxOut *o, const Node *node) {
  (void)node;
  return out_clipped(o, out_input(o, 0), 0, 6);
}

const char *export_clip(OnnxOut *o, const Node *node) {
  return out_clipped(o, out_input(o, 0), arg_number(node, "min"), arg_number(node, "max"));
}

const char *export_leaky_relu(OnnxOut *o, const Node *node) {
  const char *y = out_one(o, "LeakyRelu", out_input(o, 0));
  out_float(o, "alpha", arg_number(node, "slope"));
  return y;
}

const char *export_prelu(OnnxOut *o, const Node *node) {
  (void)node;
  return out_two(o, "PRelu", out_input(o, 0), out_channels(o, 0));
}

const char *export_elu(OnnxOut *o, const Node *node) {
  const char *y = out_one(o, "Elu", out_input(o, 0));
  out_float(o, "alpha", arg_number(node, "alpha"));
  return y;
}

const char *export_hard_sigmoid(OnnxOut *o, const Node *node) {
  (void)node;
  const char *y = out_one(o, "HardSigmoid", out_input(o, 0));
  out_float(o, "alpha", 1.0 / 6);
  out_float(o, "beta", 0.5);
  return y;
}

const char *export_silu(OnnxOut *o, const Node *node) {
  (void)node;
  return out_two(o, "Mul", out_input(o, 0), out_one(o, "Sigmoid", out_input(o, 0)));
}

/* x * (1 + erf(x / sqrt(2))) * 0.5, in the order of PyTorch's ONNX exporter. With approximate=tanh, the erf
 * is replaced by tanh(sqrt(2/pi) * (x + 0.044715*x^3)). */
const char *export_gelu(OnnxOut *o, const Node *node) {
  const char *x = out_input(o, 0), *inner;
  if (arg_is(node, "approximate", "tanh")) {
    const char *cube = out_two(o, "Mul", out_two(o, "Mul", x, x), x);
    inner = out_two(o, "Add", x, out_two(o, "Mul", cube, out_number(o, "cubic", 0.044715)));
    inner = out_one(o, "Tanh", out_two(o, "Mul", inner, out_number(o, "inner", sqrt(2 / acos(-1)))));
  } else inner = out_one(o, "Erf", out_two(o, "Div", x, out_number(o, "root", sqrt(2))));
  const char *both = out_two(o, "Mul", x, out_two(o, "Add", inner, out_number(o, "one", 1)));
  return out_two(o, "Mul", both, out_number(o, "half", 0.5));
}

const char *export_softmax(OnnxOut *o, const Node *node) {
  const Shape shape = node->shape;
  const bool all = arg_is(node, "axis", "positions") && shape.rank == 3;
  const char *x = out_input(o, 0);
  if (all) x = out_reshape(o, x, 3, (const int64_t[]){0, shape.dim[2], -1});
  int64_t axis[2];
  const char *y = (out_axes(node, axis), out_one(o, word(node), x));
  out_int(o, "axis", axis[0]);
  return all ? out_shaped(o, y, shape) : y;
}

const char *export_square(OnnxOut *o, const Node *node) {
  (void)node;
  return out_two(o, "Mul", out_input(o, 0), out_input(o, 0));
}

const char *export_power(OnnxOut *o, const Node *node) {
  const double n = arg_number(node, "n");
  const char *x = out_input(o, 0);
  if (fabs(n) == 0.5) x = out_one(o, "Sqrt", x);
  if (n == 0.5) return x;
  if (n == -0.5 || n == -1) return out_one(o, "Reciprocal", x);
  return out_two(o, "Pow", x, out_number(o, "exponent", n));
}

/* x - n * floor(x / n): the result of ONNX's floating-point Mod would have the sign of x. */
const char *export_modulo(OnnxOut *o, const Node *node) {
  const char *x = out_input(o, 0), *n = out_number(o, "divisor", arg_number(node, "n"));
  const char *whole = out_one(o, "Floor", out_two(o, "Div", x, n));
  return out_two(o, "Sub", x, out_two(o, "Mul", whole, n));
}

/* ---- operands ---- */
/* Operand k, reshaped to as many dimensions as the result, so that ONNX broadcasts it as the language
 * does. */
static const char *out_operand(OnnxOut *o, const Node *node, const OutRows *rows, int k) {
  const int in = combine_input(node, k);
  if (in < 0) return out_number(o, "number", combine_number(node, k));
  const Shape whole = node->shape, part = node->in[in]->shape;
  if (part.rank == whole.rank && !rows->n) return out_input(o, in);
  const Extent e = shape_extent(part);
  int64_t size[4];
  const int rank = out_dims(whole.rank == 3   ? shape_image(e.h, e.w, e.c)
                            : whole.rank == 2 ? shape_sequence(e.w, e.c)
                                              : shape_vector(e.c),
                            0, size);
  if (!rows->n) return out_reshape(o, out_input(o, in), rank, size);
  return out_beside(o, rows, node->in[in], out_input(o, in), rank - 1, size + 1);
}

/* Adds all values with one Sum node, because an int8 model rounds the sum of all values only once. */
static const char *sum(OnnxOut *o, const Node *node, const OutRows *rows) {
  const char *in[MOST_INPUTS];
  for (int k = 0; k < node->nin; k++) in[k] = out_operand(o, node, rows, k);
  return out_node(o, "Sum", node->nin, in);
}

const char *export_combine(OnnxOut *o, const Node *node) {
  const OutRows rows = out_row_axes(o, node);
  const bool together =
      node->op->traits.int8 == INT8_SUM && node->nin > 2 && combine_count(node) == node->nin;
  const char *y = together ? sum(o, node, &rows) : out_operand(o, node, &rows, 0);
  for (int k = 1; k < combine_count(node) && !together; k++)
    y = out_two(o, word(node), y, out_operand(o, node, &rows, k));
  return rows.n ? out_whole_rows(o, y, node->shape) : y;
}

const char *export_over_channels(OnnxOut *o, const Node *node) {
  return out_reduced(o, word(node), out_input(o, 0), 1, (const int64_t[]){1});
}

const char *export_affine(OnnxOut *o, const Node *node) {
  return out_two(o, word(node), out_input(o, 0), out_channels(o, 0));
}
