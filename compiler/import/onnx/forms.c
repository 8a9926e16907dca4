/* forms.c: activations and norms that exporters take apart, put together again before nodes are imported. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "import/import.h"

const OnnxOperator onnx_operators[] = {
#define OP(name, function, word) {#name, function, word},
#define ML(name, function, word) {"ai.onnx.ml::" #name, function, word},
#define MS(name, function, word) {"com.microsoft::" #name, function, word},
#include "import/onnx/onnx_ops.def"
#undef OP
#undef ML
#undef MS
    {NULL, NULL, NULL},
};

const OnnxOperator *onnx_operator(const char *name) {
  for (const OnnxOperator *row = onnx_operators; row->name; row++)
    if (strcmp(row->name, name) == 0) return row;
  return NULL;
}

/* ---- looking at the graph ---- */
static bool is(const OnnxNode *node, const char *op) { return node && strcmp(node->op, op) == 0; }

static OnnxNode *made_by(const ModelImport *im, int tensor, const char *op) {
  OnnxNode *node = tensor && im->maker[tensor] >= 0 ? &im->onnx->node[im->maker[tensor]] : NULL;
  return is(node, op) ? node : NULL;
}

static OnnxNode *made_by_either(const ModelImport *im, int tensor, const char *one, const char *other) {
  OnnxNode *node = made_by(im, tensor, one);
  return node ? node : made_by(im, tensor, other);
}

static double number_at(const ModelImport *im, int tensor) { /* NaN: it is no number */
  const Tensor *t = tensor ? im->item[tensor].constant : NULL;
  return t && t->n == 1 ? tensor_number(t, 0) : (double)NAN;
}

static bool is_near(double value, double wanted) { return fabs(value - wanted) <= 1e-3 * fabs(wanted); }

/* The value of a node of a value and a number; 0: it is none. */
static int with_number(const ModelImport *im, const OnnxNode *node, double *number) {
  if (!node || node->nin != 2) return 0;
  const bool either = is(node, "Add") || is(node, "Mul");
  for (int k = 0; k < (either ? 2 : 1); k++) {
    *number = number_at(im, node->in[!k]);
    if (!isnan(*number) && node->in[k]) return node->in[k];
  }
  return 0;
}

static void become(ModelImport *im, OnnxNode *node, const char *op, int n, const int *in) {
  node->op = op;
  node->nin = n;
  node->in = NEW_ARRAY(im->arena, int, n + 1);
  memcpy(node->in, in, sizeof *in * (size_t)n);
  node->attribute = (WireList){0};
}

static void become_one(ModelImport *im, OnnxNode *node, const char *op, int in) {
  become(im, node, op, 1, &in);
}

/* ---- activations ---- */
/* x of clip(x + 3, 0, 6), or 0. */
static int six_of(const ModelImport *im, int tensor) {
  const OnnxNode *clip = made_by(im, tensor, "Clip");
  if (!clip) return 0;
  const double low = clip->nin > 1 ? number_at(im, clip->in[1]) : onnx_float(clip, "min", (double)NAN);
  const double high = clip->nin > 2 ? number_at(im, clip->in[2]) : onnx_float(clip, "max", (double)NAN);
  double three = 0;
  const int x = low == 0 && high == 6 ? with_number(im, made_by(im, clip->in[0], "Add"), &three) : 0;
  return three == 3 ? x : 0;
}

/* What is divided by 6, or 0. */
static int sixth_of(const ModelImport *im, const OnnxNode *node) {
  double number = 0;
  if (!is(node, "Div") && !is(node, "Mul")) return 0;
  const int x = with_number(im, node, &number);
  return x && is_near(number, is(node, "Div") ? 6 : 1.0 / 6) ? x : 0;
}

static void form_gate(ModelImport *im, OnnxNode *node) {
  for (int k = 0; k < 2 && is(node, "Mul") && node->nin == 2; k++) {
    const int x = node->in[k], y = node->in[!k];
    const OnnxNode *sigmoid = made_by(im, y, "Sigmoid"), *hard = made_by(im, y, "HardSigmoid");
    const bool sixth = hard && is_near(onnx_float(hard, "alpha", 0.2), 1.0 / 6);
    const int divided = sixth_of(im, made_by_either(im, y, "Div", "Mul"));
    if (sigmoid && sigmoid->in[0] == x) become_one(im, node, "Silu", x);
    else if (sixth && hard->in[0] == x) become_one(im, node, "HardSwish", x);
    else if (divided && six_of(im, divided) == x && x) become_one(im, node, "HardSwish", x);
  }
}

static void form_sixth(ModelImport *im, OnnxNode *node) {
  const int of = sixth_of(im, node), bare = six_of(im, of);
  const OnnxNode *product = made_by(im, of, "Mul");
  for (int k = 0; product && k < 2 && product->nin == 2; k++)
    if (product->in[k] && six_of(im, product->in[!k]) == product->in[k]) {
      become_one(im, node, "HardSwish", product->in[k]);
      return;
    }
  if (!bare) return;
  become_one(im, node, "HardSigmoid", bare);
  onnx_set_float(im->arena, node, "alpha", 1.0 / 6);
  onnx_set_float(im->arena, node, "beta", 0.5);
}

/* Relu(x) + (-a) * Relu(-x), as Keras has a prelu. Where -a is computed of a, that is the slope. */
static void form_prelu(ModelImport *im, OnnxNode *node) {
  for (int k = 0; k < 2 && is(node, "Add") && node->nin == 2; k++) {
    const OnnxNode *upper = made_by(im, node->in[k], "Relu"), *product = made_by(im, node->in[!k], "Mul");
    for (int j = 0; upper && product && product->nin == 2 && j < 2; j++) {
      const OnnxNode *lower = made_by(im, product->in[j], "Relu");
      const OnnxNode *turned = lower ? made_by(im, lower->in[0], "Neg") : NULL;
      const OnnxNode *minus = made_by(im, product->in[!j], "Neg");
      const int factor = minus ? minus->in[0] : product->in[!j];
      if (!turned || turned->in[0] != upper->in[0] || !factor || !im->item[factor].constant) continue;
      const int in[] = {upper->in[0], factor};
      become(im, node, "PRelu", 2, in);
      onnx_set_int(im->arena, node, "cnnc_negative", !minus);
      return;
    }
  }
}

/* x of erf(x / sqrt 2) + 1, or 0. */
static int erf_of(const ModelImport *im, int tensor) {
  double number = 0;
  const int sum = with_number(im, made_by(im, tensor, "Add"), &number);
  const OnnxNode *erf = sum && number == 1 ? made_by(im, sum, "Erf") : NULL;
  const OnnxNode *scaled = erf ? made_by_either(im, erf->in[0], "Div", "Mul") : NULL;
  const int x = with_number(im, scaled, &number);
  return x && is_near(number, is(scaled, "Div") ? sqrt(2) : sqrt(0.5)) ? x : 0;
}

static int half_of(const ModelImport *im, int tensor) {
  double number = 0;
  const int x = with_number(im, made_by(im, tensor, "Mul"), &number);
  return number == 0.5 ? x : 0;
}

static void form_gelu(ModelImport *im, OnnxNode *node) {
  double number = 0;
  if (!is(node, "Mul") || node->nin != 2) return;
  const int halved = with_number(im, node, &number);
  const OnnxNode *product = halved && number == 0.5 ? made_by(im, halved, "Mul") : NULL;
  for (int k = 0; product && k < 2 && product->nin == 2; k++)
    if (product->in[k] && erf_of(im, product->in[!k]) == product->in[k]) {
      become_one(im, node, "Gelu", product->in[k]);
      return;
    }
  for (int k = 0; k < 2 && !halved; k++) {
    const int x = node->in[k], y = node->in[!k], erf = erf_of(im, y), half = half_of(im, y);
    if (erf && half_of(im, x) == erf) become_one(im, node, "Gelu", erf);
    else if (half && erf_of(im, half) == x && x) become_one(im, node, "Gelu", x);
    else continue;
    return;
  }
}

/* ---- means of means ---- */
/* The one axis of a ReduceMean; INT64_MIN: there are several. */
static int64_t mean_axis(const ModelImport *im, const OnnxNode *mean) {
  const WireInts *list = onnx_ints(mean, "axes");
  const Tensor *t = mean->nin > 1 && mean->in[1] ? im->item[mean->in[1]].constant : NULL;
  if (t) return t->n == 1 ? tensor_integer(t, 0) : INT64_MIN;
  return list && list->n == 1 ? list->data[0] : INT64_MIN;
}

/* A mean over one axis of a mean over another: over both. Axes that are counted from the end are known where
 * no dimension is dropped in between. */
static void form_mean(ModelImport *im, OnnxNode *node) {
  OnnxNode *inner = is(node, "ReduceMean") ? made_by(im, node->in[0], "ReduceMean") : NULL;
  if (!inner || im->readers[node->in[0]] != 1 || im->wanted[node->in[0]]) return;
  int64_t axes[] = {mean_axis(im, inner), mean_axis(im, node)};
  const bool keeps = onnx_int(inner, "keepdims", 1), keep = onnx_int(node, "keepdims", 1);
  if (axes[0] == INT64_MIN || axes[1] == INT64_MIN || keeps != keep) return;
  if (keeps ? axes[0] == axes[1] || (axes[0] < 0) != (axes[1] < 0) : axes[0] < 0 || axes[1] < 0) return;
  if (!keeps) axes[1] += axes[1] >= axes[0];
  become_one(im, node, "ReduceMean", inner->in[0]);
  onnx_set_ints(im->arena, node, "axes", 2, axes);
  onnx_set_int(im->arena, node, "keepdims", keep);
}

/* ---- layer norm ---- */
static OnnxNode *only_reader(ModelImport *im, int tensor, const char *op) {
  if (im->readers[tensor] != 1 || im->wanted[tensor]) return NULL;
  OnnxNode *node = &im->onnx->node[im->reader[tensor]];
  return is(node, op) ? node : NULL;
}

static int constant_other(const ModelImport *im, const OnnxNode *node, int tensor) {
  if (!node || node->nin != 2) return 0;
  const int other = node->in[node->in[0] == tensor];
  return other && im->item[other].constant ? other : 0;
}

/* x * x, where x is the result of `of` or another difference of the same. */
static bool is_square(const ModelImport *im, const OnnxNode *node, int x, const OnnxNode *of) {
  if (!node || node->nin != 2) return false;
  const OnnxNode *again = made_by(im, node->in[0], "Sub");
  const bool twice = again && again->nin == 2 && again->in[0] == of->in[0] && again->in[1] == of->in[1];
  return (node->in[0] == x || twice) &&
         (is(node, "Mul") ? node->in[1] == node->in[0] : number_at(im, node->in[1]) == 2);
}

static void become_norm(ModelImport *im, OnnxNode *node, int x, int w, int b, int64_t axis, double epsilon) {
  const int in[] = {x, w, b};
  const char *number = node->title ? strrchr(node->title, ' ') : NULL; /* layers are called after operators */
  if (number) node->name = arena_printf(im->arena, "/layernorm_%s/layernorm", number + 1);
  become(im, node, "LayerNormalization", 3, in);
  onnx_set_int(im->arena, node, "axis", axis);
  onnx_set_int(im->arena, node, "cnnc_single", 1);
  onnx_set_float(im->arena, node, "epsilon", epsilon);
}

/* What 1 / sqrt is computed of: a quotient of 1, or a power of -1/2. 0: it is no such value. */
static int inverse_root(const ModelImport *im, int tensor) {
  double power = 0;
  const OnnxNode *inverse = made_by(im, tensor, "Reciprocal");
  const OnnxNode *root = inverse ? made_by(im, inverse->in[0], "Sqrt") : NULL;
  const int x = root ? 0 : with_number(im, made_by(im, tensor, "Pow"), &power);
  return root ? root->in[0] : power == -0.5 ? x : 0;
}

/* What is divided by a root or multiplied by its inverse; *sum: what the root is of. 0: it is no such node.
 */
static int normalized(const ModelImport *im, const OnnxNode *node, int *sum) {
  const OnnxNode *root = is(node, "Div") && node->nin == 2 ? made_by(im, node->in[1], "Sqrt") : NULL;
  *sum = root ? root->in[0] : 0;
  if (root) return node->in[0];
  for (int k = 0; k < 2 && is(node, "Mul") && node->nin == 2; k++) {
    *sum = inverse_root(im, node->in[!k]);
    if (*sum) return node->in[k];
  }
  return 0;
}

/* How often a square reads what it is of. */
static int reads_of(const ModelImport *im, int square) { return made_by(im, square, "Mul") ? 2 : 1; }

/* The axis that a Transpose brings one of its input's to; INT64_MIN: it is not known. */
static int64_t axis_behind(const OnnxNode *transpose, int64_t axis) {
  const WireInts *perm = onnx_ints(transpose, "perm");
  for (int d = 0; perm && d < perm->n; d++)
    if (perm->data[d] == (axis < 0 ? axis + perm->n : axis)) return axis < 0 ? d - perm->n : d;
  return INT64_MIN;
}

static bool same_axis(int64_t a, int64_t b, const OnnxNode *transpose) {
  const WireInts *perm = transpose ? onnx_ints(transpose, "perm") : NULL;
  return a == b || (perm && (a < 0 ? a + perm->n : a) == (b < 0 ? b + perm->n : b));
}

/* (x - mean) / sqrt(mean((x - mean)^2) + epsilon), then * weight + bias. Optimizers move a Transpose of x
 * behind the difference, which is moved back. */
static void form_norm(ModelImport *im, OnnxNode *node) {
  double epsilon = 0;
  int of = 0;
  const int numerator = normalized(im, node, &of);
  OnnxNode *moved = made_by(im, numerator, "Transpose");
  const OnnxNode *difference = made_by(im, moved ? moved->in[0] : numerator, "Sub");
  const int sum = difference ? with_number(im, made_by(im, of, "Add"), &epsilon) : 0;
  const OnnxNode *variance = made_by(im, sum, "ReduceMean");
  const OnnxNode *mean =
      difference && difference->nin == 2 ? made_by(im, difference->in[1], "ReduceMean") : NULL;
  if (!variance || !mean || mean->in[0] != difference->in[0]) return;
  if (!is_square(im, made_by_either(im, variance->in[0], "Pow", "Mul"), numerator, difference)) return;
  int64_t axis = mean_axis(im, mean);
  if (axis != INT64_MIN && moved) axis = axis_behind(moved, axis);
  if (axis == INT64_MIN || !same_axis(mean_axis(im, variance), axis, moved)) return;
  if (!onnx_int(mean, "keepdims", 1) || !onnx_int(variance, "keepdims", 1)) return;
  if (moved && (im->readers[moved->out[0]] != 1 + reads_of(im, variance->in[0]) || im->wanted[moved->out[0]]))
    return;
  if (moved) moved->in[0] = difference->in[0];
  const int x = moved ? moved->out[0] : difference->in[0];
  OnnxNode *scaled = only_reader(im, node->out[0], "Mul");
  const int weight = constant_other(im, scaled, node->out[0]);
  OnnxNode *shifted = weight ? only_reader(im, scaled->out[0], "Add") : NULL;
  const int bias = shifted ? constant_other(im, shifted, scaled->out[0]) : 0;
  if (bias) become_norm(im, shifted, x, weight, bias, axis, epsilon);
  become_norm(im, node, x, 0, 0, axis, epsilon);
}

/* ---- norms as Keras has them ---- */
/* Of x * f + (shift - mean * f) with f = factor / sqrt(mean((x - mean)^2) + epsilon). */
typedef struct Moments {
  int x, mean, factor, shift; /* the latter two 0: there is none */
  const OnnxNode *root;
} Moments;

/* The root of 1 / root, or of that times a constant. */
static const OnnxNode *root_of(const ModelImport *im, int tensor, int *factor) {
  const OnnxNode *product = made_by(im, tensor, "Mul");
  for (int k = 0; product && product->nin == 2 && k < 2; k++)
    if (product->in[k] && im->item[product->in[k]].constant) {
      *factor = product->in[k];
      tensor = product->in[!k];
      break;
    }
  const OnnxNode *inverse = made_by(im, tensor, "Reciprocal");
  return inverse ? made_by(im, inverse->in[0], "Sqrt") : NULL;
}

/* Whether this is -mean * f, with a constant added to it. */
static bool is_shift(const ModelImport *im, Moments *m, int tensor, int f) {
  const OnnxNode *sum = made_by(im, tensor, "Add");
  for (int k = 0; sum && sum->nin == 2 && k < 2; k++)
    if (sum->in[k] && im->item[sum->in[k]].constant) {
      m->shift = sum->in[k];
      tensor = sum->in[!k];
      break;
    }
  const OnnxNode *difference = made_by(im, tensor, "Sub"), *product = made_by(im, tensor, "Mul");
  if (difference && difference->nin == 2 && difference->in[0] && im->item[difference->in[0]].constant) {
    if (m->shift) return false;
    m->shift = difference->in[0];
    product = made_by(im, difference->in[1], "Mul");
  }
  for (int k = 0; product && product->nin == 2 && k < 2; k++) {
    const OnnxNode *minus = difference ? NULL : made_by(im, product->in[k], "Neg");
    if (product->in[!k] != f || (!minus && !difference)) continue;
    m->mean = minus ? minus->in[0] : product->in[k];
    return true;
  }
  return false;
}

static bool same_axes(const ModelImport *im, const OnnxNode *a, const OnnxNode *b) {
  const WireInts *one = onnx_ints(a, "axes"), *other = onnx_ints(b, "axes");
  const Tensor *t = a->nin > 1 && a->in[1] ? im->item[a->in[1]].constant : NULL;
  const Tensor *u = b->nin > 1 && b->in[1] ? im->item[b->in[1]].constant : NULL;
  const int64_t n = t ? t->n : one ? one->n : 0;
  if (n == 0 || n != (u ? u->n : other ? other->n : 0)) return false;
  for (int i = 0; i < n; i++)
    if ((t ? tensor_integer(t, i) : one->data[i]) != (u ? tensor_integer(u, i) : other->data[i]))
      return false;
  return onnx_int(a, "keepdims", 1) && onnx_int(b, "keepdims", 1);
}

static void form_moments(ModelImport *im, OnnxNode *node) {
  Moments m = {0};
  for (int k = 0; k < 2 && is(node, "Add") && node->nin == 2 && !m.root; k++) {
    const OnnxNode *product = made_by(im, node->in[k], "Mul");
    for (int j = 0; product && product->nin == 2 && j < 2 && !m.root; j++) {
      m = (Moments){.x = product->in[j]};
      m.root = root_of(im, product->in[!j], &m.factor);
      if (m.root && !is_shift(im, &m, node->in[!k], product->in[!j])) m.root = NULL;
    }
  }
  if (!m.root || !m.x || !m.mean) return;
  double epsilon = 0;
  const int sum = with_number(im, made_by(im, m.root->in[0], "Add"), &epsilon);
  const OnnxNode *variance = sum ? made_by(im, sum, "ReduceMean") : NULL,
                 *mean = made_by(im, m.mean, "ReduceMean");
  if (!variance || !mean || mean->in[0] != m.x || !same_axes(im, mean, variance)) return;
  const OnnxNode *square = made_by_either(im, variance->in[0], "Pow", "Mul");
  const OnnxNode *difference = square ? made_by(im, square->in[0], "Sub") : NULL;
  if (!difference || difference->nin != 2 || difference->in[0] != m.x || difference->in[1] != m.mean ||
      !is_square(im, square, difference->out[0], difference))
    return;
  const int64_t axis = mean_axis(im, mean);
  if (axis != INT64_MIN) {
    become_norm(im, node, m.x, m.factor, m.shift, axis, epsilon);
    return;
  }
  const int in[] = {m.x, m.factor, m.shift, mean->nin > 1 ? mean->in[1] : 0};
  const WireInts *axes = onnx_ints(mean, "axes");
  become(im, node, "Moments", 4, in);
  if (axes) onnx_set_ints(im->arena, node, "axes", axes->n, axes->data);
  onnx_set_float(im->arena, node, "epsilon", epsilon);
}

/* ---- lrn, whose sums are a convolution with a band of equal weights ---- */
/* How many channels before and after each one a band holds; false: it is none. */
static bool is_band(const Tensor *w, int64_t *before, int64_t *after) {
  const int64_t n = w->rank == 4 ? w->dim[0] : 0;
  if (n < 1 || w->n != n * n || tensor_number(w, 0) == 0) return false;
  *before = *after = 0;
  while (*after + 1 < n && tensor_number(w, *after + 1) != 0) ++*after;
  while (*before + 1 < n && tensor_number(w, (*before + 1) * n) != 0) ++*before;
  for (int64_t c = 0; c < n; c++)
    for (int64_t k = 0; k < n; k++) {
      const bool within = k >= c - *before && k <= c + *after;
      if (tensor_number(w, c * n + k) != (within ? tensor_number(w, 0) : 0)) return false;
    }
  return *before - *after <= 1 && *after - *before <= 1;
}

/* x / (convolution of x * x + bias)^beta, as lrn is exported whose window is even. */
static void form_lrn(ModelImport *im, OnnxNode *node) {
  if (!is(node, "Div") || node->nin != 2) return;
  double bias = 0;
  const OnnxNode *power = made_by(im, node->in[1], "Pow");
  const double beta = power && power->nin == 2 ? number_at(im, power->in[1]) : (double)NAN;
  const int sum = isnan(beta) ? 0 : with_number(im, made_by(im, power->in[0], "Add"), &bias);
  const OnnxNode *conv = made_by(im, sum, "Conv");
  const OnnxNode *square = conv && conv->nin == 2 ? made_by(im, conv->in[0], "Mul") : NULL;
  const Tensor *w = square && conv->in[1] ? im->item[conv->in[1]].constant : NULL;
  const int x = node->in[0];
  int64_t before, after;
  if (!w || square->nin != 2 || square->in[0] != x || square->in[1] != x || conv->attribute.n) return;
  if (!is_band(w, &before, &after)) return;
  become_one(im, node, "LRN", x);
  onnx_set_int(im->arena, node, "size", before + after + 1);
  onnx_set_int(im->arena, node, "cnnc_before", before > after);
  onnx_set_float(im->arena, node, "alpha", tensor_number(w, 0) * (double)(before + after + 1));
  onnx_set_float(im->arena, node, "beta", beta);
  onnx_set_float(im->arena, node, "bias", bias);
}

/* ---- quotients that are 0 where the divisor is, as TensorFlow has them ---- */
static void form_quotient(ModelImport *im, OnnxNode *node) {
  if (!is(node, "Where") || node->nin != 3 || number_at(im, node->in[1]) != 0) return;
  const OnnxNode *equal = made_by(im, node->in[0], "Equal"), *quotient = made_by(im, node->in[2], "Div");
  if (!equal || !quotient || equal->nin != 2 || quotient->nin != 2) return;
  const int y = quotient->in[1], k = equal->in[0] == y;
  if (equal->in[!k] != y || number_at(im, equal->in[k]) != 0) return;
  become(im, node, "DivideNoNan", 2, quotient->in);
}

/* ---- lengths ---- */
/* x / max(|x|, epsilon), the length over one axis; PyTorch repeats it to the size of x in between. */
static void form_length(ModelImport *im, OnnxNode *node) {
  if (!is(node, "Div") || node->nin != 2) return;
  const OnnxNode *repeated = made_by(im, node->in[1], "Expand");
  const OnnxNode *least = made_by_either(im, repeated ? repeated->in[0] : node->in[1], "Max", "Clip");
  double epsilon = least && least->nin > 1 ? number_at(im, least->in[1]) : (double)NAN;
  if (is(least, "Clip") && least->nin > 2 && least->in[2]) return;
  const OnnxNode *length = least ? made_by(im, least->in[0], "ReduceL2") : NULL;
  const int64_t axis = length ? mean_axis(im, length) : INT64_MIN;
  if (isnan(epsilon) || axis == INT64_MIN || length->in[0] != node->in[0]) return;
  if (!onnx_int(length, "keepdims", 1)) return;
  become_one(im, node, "LpNormalization", node->in[0]);
  onnx_set_int(im->arena, node, "axis", axis);
  onnx_set_float(im->arena, node, "cnnc_epsilon", epsilon);
}

/* ---- a border of minus infinity, which is what maxpool pads with ---- */
static bool is_least(const ModelImport *im, const OnnxNode *pad) {
  const Tensor *value = pad->nin > 2 && pad->in[2] ? im->item[pad->in[2]].constant : NULL;
  const double number = value && value->n == 1 ? tensor_number(value, 0) : onnx_float(pad, "value", 0);
  return number < -3e38 && strcmp(onnx_text(pad, "mode", "constant"), "constant") == 0;
}

static void form_maxpool(ModelImport *im, OnnxNode *node) {
  const OnnxNode *pad = is(node, "MaxPool") ? made_by(im, node->in[0], "Pad") : NULL;
  const Tensor *t = pad && pad->nin > 1 && pad->in[1] ? im->item[pad->in[1]].constant : NULL;
  const WireInts *own = onnx_ints(node, "pads"), *listed = pad ? onnx_ints(pad, "pads") : NULL;
  const int n = t ? (int)t->n : listed ? listed->n : 0, axes = n / 2 - 2;
  int64_t sides[4], border[2 * MOST_DIMS];
  if (!pad || pad->nin > 3 || node->nout > 1 || axes < 1 || axes > 2 || n % 2 || !is_least(im, pad)) return;
  if (strcmp(onnx_text(node, "auto_pad", "NOTSET"), "NOTSET") != 0 || (own && own->n != 2 * axes)) return;
  for (int i = 0; i < n; i++) border[i] = t ? tensor_integer(t, i) : listed->data[i];
  for (int i = 0; i < n; i++)
    if (border[i] < 0 || border[i] > INT32_MAX || (i % (axes + 2) < 2 && border[i])) return;
  for (int i = 0; i < 2 * axes; i++) sides[i] = border[i < axes ? 2 + i : 4 + i] + (own ? own->data[i] : 0);
  node->in[0] = pad->in[0];
  onnx_set_ints(im->arena, node, "pads", 2 * axes, sides);
}

/* Which picture a region is of: there is one. Where it is no constant it is not asked. */
static void form_regions(const ModelImport *im, OnnxNode *node) {
  if (is(node, "RoiAlign") && node->nin > 2 && node->in[2] && !im->item[node->in[2]].constant) node->nin = 2;
}

void canonical(ModelImport *im) {
  for (int i = 0; i < im->onnx->nnodes; i++) {
    OnnxNode *node = &im->onnx->node[i];
    if (is(node, "Constant") && node->nout > 0) fold(im, node);
  }
  im->why = NULL;
  quantize_once(im);
  for (int i = 0; i < im->onnx->nnodes; i++) {
    OnnxNode *node = &im->onnx->node[i];
    if (!im->live[i] || node->nout == 0) continue;
    form_gate(im, node);
    form_sixth(im, node);
    form_gelu(im, node);
    form_prelu(im, node);
    form_mean(im, node);
    form_norm(im, node);
    form_moments(im, node);
    form_length(im, node);
    form_quotient(im, node);
    form_lrn(im, node);
    form_maxpool(im, node);
    form_regions(im, node);
  }
}
