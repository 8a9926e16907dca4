/* forms_norm.c: Pattern matching of norms and softmaxes that exporters decompose. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "import/onnx/forms.h"

/* ---- reductions along one axis, broadcast to their operand ---- */
enum { MOST_SHAPES = 8 };
typedef struct Along {
  int x;                           /* the reduced tensor */
  int64_t axis;                    /* INT64_MIN: unknown so far */
  double part;                     /* 1 / size, if means are computed as sums times 1 / size; otherwise 0 */
  double spread;                   /* variance / sum of squares, such as 1 / (size - 1); 0: 1 / size */
  int nshapes, shape[MOST_SHAPES]; /* shape tensors of Expand and Reshape nodes; reduced_along checks them */
  int64_t exact[MOST_SHAPES];      /* for each shape tensor: 0 if Expand reads it, 1 if Reshape reads it */
  bool failed;
} Along;

static void set_axis(Along *a, int64_t axis) {
  if (a->axis == INT64_MIN) a->axis = axis;
  if (axis == INT64_MIN || a->axis != axis) a->failed = true;
}

static void add_shape(Along *a, int tensor, bool exact) {
  for (int i = 0; i < a->nshapes; i++)
    if (a->shape[i] == tensor && a->exact[i] == exact) return;
  if (a->nshapes == MOST_SHAPES) {
    a->failed = true;
    return;
  }
  a->exact[a->nshapes] = exact;
  a->shape[a->nshapes++] = tensor;
}

/* The result of a reduction, before the reshapes that restore the axis and broadcast the result. *back:
 * whether the axis was restored. */
static int before_shapes(const ModelImport *im, int tensor, Along *a, bool *back) {
  for (;;) {
    const OnnxNode *expand = op_before(im, tensor, "Expand"), *reshape = op_before(im, tensor, "Reshape");
    const OnnxNode *added = op_before(im, tensor, "Unsqueeze"), *same = op_before(im, tensor, "Identity");
    const OnnxNode *node = expand ? expand : reshape ? reshape : added ? added : same;
    if (!node || (!added && !same && node->nin < 2)) return tensor;
    if (expand || reshape) add_shape(a, node->in[1], reshape != NULL);
    if (added) set_axis(a, only_axis(im, node));
    *back = *back || reshape || added;
    tensor = node->in[0];
  }
}

/* The operand of a reduction with the operator `op`; 0: the tensor is not such a reduction. *kept: whether
 * the axis is kept. */
static int reduced_by(const ModelImport *im, int tensor, const char *op, Along *a, bool *kept) {
  const OnnxNode *node = op_before(im, tensor, op);
  if (!node) return 0;
  set_axis(a, only_axis(im, node));
  *kept = onnx_int(node, "keepdims", 1) != 0;
  return node->in[0];
}

/* The operand of a mean, or of a sum times 1 / size; 0: the tensor has another form. *kept: whether the axis
 * is kept. */
static int mean_along(const ModelImport *im, int tensor, Along *a, bool *kept) {
  const OnnxNode *product = either_before(im, tensor, "Mul", "Div");
  double part = 0;
  const int sum = beside_number(im, product, &part);
  if (!op_before(im, sum, "ReduceSum")) return reduced_by(im, tensor, "ReduceMean", a, kept);
  if (is_op(product, "Div")) part = 1 / part;
  const double size = round(1 / part);
  if (!(size >= 1 && size < INT32_MAX && fabs(part * size - 1) < 1e-5)) return 0;
  if (a->part != 0 && fabs(a->part * size - 1) >= 1e-5) return 0;
  a->part = part;
  return reduced_by(im, sum, "ReduceSum", a, kept);
}

/* Turns the node into `op` with these inputs, followed by the shape tensors, which are checked when sizes are
 * known. */
static void turn_along(ModelImport *im, OnnxNode *node, const char *op, int n, const int *in,
                       const Along *a) {
  int all[MOST_SHAPES + 4];
  memcpy(all, in, sizeof *in * (size_t)n);
  memcpy(all + n, a->shape, sizeof *in * (size_t)a->nshapes);
  turn_into(im, node, op, n + a->nshapes, all);
  onnx_set_int(im->arena, node, "axis", a->axis);
  onnx_set_int(im->arena, node, "cnnc_single", 1);
  if (a->nshapes) onnx_set_ints(im->arena, node, "cnnc_exact", a->nshapes, a->exact);
  if (a->part != 0) onnx_set_float(im->arena, node, "cnnc_part", a->part);
  if (a->spread != 0) onnx_set_float(im->arena, node, "cnnc_spread", a->spread);
}

/* ---- layer norm ---- */
static OnnxNode *only_norm_reader(ModelImport *im, int tensor, const char *op) {
  if (im->readers[tensor] != 1 || im->wanted[tensor]) return NULL;
  OnnxNode *node = node_reading(im, tensor);
  return is_op(node, op) ? node : NULL;
}

static int constant_other(const ModelImport *im, const OnnxNode *node, int tensor) {
  if (!node || node->nin != 2) return 0;
  const int other = node->in[node->in[0] == tensor];
  return other && im->item[other].constant ? other : 0;
}

/* x if a node is x * x; otherwise 0. */
static int root_of_square(const ModelImport *im, const OnnxNode *node) {
  if (!node || node->nin != 2) return 0;
  const bool square = is_op(node, "Mul") ? node->in[1] == node->in[0]
                                         : is_op(node, "Pow") && single_number(im, node->in[1]) == 2;
  return square ? node->in[0] : 0;
}

/* Whether the node is x * x, where x is the result of the difference `of`, or of an equal difference. */
static bool is_square(const ModelImport *im, const OnnxNode *node, int x, const OnnxNode *of) {
  const int root = root_of_square(im, node);
  const OnnxNode *again = op_before(im, root, "Sub");
  const bool twice = again && again->nin == 2 && again->in[0] == of->in[0] && again->in[1] == of->in[1];
  return root && (root == x || twice);
}

static void become_norm(ModelImport *im, OnnxNode *node, const Along *a, int w, int b, double epsilon) {
  const int in[] = {a->x, w, b};
  const char *number = node->title ? strrchr(node->title, ' ') : NULL; /* "2" of the title "MEAN 2" */
  if (number) node->name = arena_printf(im->arena, "/layernorm_%s/layernorm", number + 1);
  turn_along(im, node, "LayerNormalization", 3, in, a);
  onnx_set_float(im->arena, node, "epsilon", epsilon);
}

/* The operand x of an inverse root: 1 / sqrt(x), or x to the power of -1/2. *factor: a constant by which the
 * inverse root is multiplied. 0: the tensor is not an inverse root. */
static int inverse_root(const ModelImport *im, int tensor, int *factor) {
  const OnnxNode *product = op_before(im, tensor, "Mul");
  for (int k = 0; product && product->nin == 2 && k < 2; k++)
    if (product->in[k] && im->item[product->in[k]].constant) {
      *factor = product->in[k];
      tensor = product->in[!k];
      break;
    }
  double power = 0;
  const OnnxNode *inverse = op_before(im, tensor, "Reciprocal"), *quotient = op_before(im, tensor, "Div");
  const bool of_one = quotient && quotient->nin == 2 && single_number(im, quotient->in[0]) == 1;
  const OnnxNode *root = inverse  ? op_before(im, inverse->in[0], "Sqrt")
                         : of_one ? op_before(im, quotient->in[1], "Sqrt")
                                  : NULL;
  const int x = root ? 0 : beside_number(im, op_before(im, tensor, "Pow"), &power);
  return root ? root->in[0] : power == -0.5 ? x : 0;
}

/* For x / sqrt(*sum), or a product of x and an inverse root of *sum: the tensor x. 0: the node has another
 * form. */
static int normalized(const ModelImport *im, const OnnxNode *node, int *sum, int *factor) {
  const OnnxNode *root = is_op(node, "Div") && node->nin == 2 ? op_before(im, node->in[1], "Sqrt") : NULL;
  *sum = root ? root->in[0] : 0;
  if (root) return node->in[0];
  for (int k = 0; k < 2 && is_op(node, "Mul") && node->nin == 2; k++) {
    *factor = 0;
    *sum = inverse_root(im, node->in[!k], factor);
    if (*sum) return node->in[k];
  }
  return 0;
}

/* If the variance is max(x, 0): the tensor x, because x is never negative. Otherwise the tensor itself. */
static int before_zero_bound(const ModelImport *im, int tensor) {
  const OnnxNode *bound = either_before(im, tensor, "Max", "Relu");
  for (int k = 0; is_op(bound, "Max") && bound->nin == 2 && k < 2; k++)
    if (single_number(im, bound->in[k]) == 0) return bound->in[!k];
  return is_op(bound, "Relu") ? bound->in[0] : tensor;
}

/* Whether a tensor is mean(x * x) - mean(x)^2, as in JAX. */
static bool is_variance_of(const ModelImport *im, int tensor, Along *a, bool *kept) {
  const OnnxNode *difference = op_before(im, tensor, "Sub");
  if (!difference || difference->nin != 2) return false;
  bool square_kept = false, back = false;
  const int squares = mean_along(im, difference->in[0], a, &square_kept);
  const int mean = root_of_square(im, either_before(im, difference->in[1], "Mul", "Pow"));
  if (!mean || root_of_square(im, either_before(im, squares, "Mul", "Pow")) != a->x) return false;
  const bool same = mean_along(im, before_shapes(im, mean, a, &back), a, kept) == a->x;
  return same && (*kept || back) == square_kept;
}

/* The axis to which a Transpose moves an axis of its input; INT64_MIN: unknown. */
static int64_t axis_after_transpose(const OnnxNode *transpose, int64_t axis) {
  const WireInts *perm = onnx_ints(transpose, "perm");
  for (int d = 0; perm && d < perm->n; d++)
    if (perm->data[d] == (axis < 0 ? axis + perm->n : axis)) return axis < 0 ? d - perm->n : d;
  return INT64_MIN;
}

static bool same_axis(int64_t a, int64_t b, const OnnxNode *transpose) {
  const WireInts *perm = transpose ? onnx_ints(transpose, "perm") : NULL;
  return a == b || (perm && (a < 0 ? a + perm->n : a) == (b < 0 ? b + perm->n : b));
}

/* Whether a tensor is the variance of x: computed from the difference x - mean, or from x itself. */
static bool is_variance(const ModelImport *im, int tensor, int numerator, const OnnxNode *difference,
                        const OnnxNode *moved, Along *a) {
  bool kept = false, back = false;
  Along of = {.x = a->x, .axis = moved ? INT64_MIN : a->axis};
  const int bound = before_zero_bound(im, before_shapes(im, tensor, moved ? &of : a, &back));
  if (!moved && is_variance_of(im, bound, a, &kept)) return kept || back;
  const int squares = mean_along(im, bound, &of, &kept);
  if (!is_square(im, either_before(im, squares, "Pow", "Mul"), numerator, difference)) return false;
  if (moved) return kept && !of.failed && of.part == 0 && same_axis(of.axis, a->axis, moved);
  a->spread = of.part;
  return (kept || back) && !of.failed && of.axis == a->axis;
}

/* How often the variance reads x - mean: twice if a Mul squares the difference, otherwise once. */
static int reads_of(const ModelImport *im, int variance) {
  const OnnxNode *mean = op_before(im, variance, "ReduceMean");
  return mean && op_before(im, mean->in[0], "Mul") ? 2 : 1;
}

/* Matches (x - mean) / sqrt(mean((x - mean)^2) + epsilon) and, if they follow, * weight + bias. The model may
 * multiply 1 / sqrt(...) by the weight first. Some optimizers move a Transpose of x after the difference;
 * this function moves the Transpose back. */
static void form_norm(ModelImport *im, OnnxNode *node) {
  double epsilon = 0;
  int of = 0, factor = 0;
  bool kept = false, back = false;
  const int numerator = normalized(im, node, &of, &factor);
  OnnxNode *moved = op_before(im, numerator, "Transpose");
  const OnnxNode *difference = op_before(im, moved ? moved->in[0] : numerator, "Sub");
  const int variance = difference ? beside_number(im, op_before(im, of, "Add"), &epsilon) : 0;
  if (!variance || difference->nin != 2) return;
  Along a = {.x = difference->in[0], .axis = INT64_MIN};
  if (mean_along(im, before_shapes(im, difference->in[1], &a, &back), &a, &kept) != a.x) return;
  if (!kept && !back) return;
  if (moved && !a.failed) a.axis = axis_after_transpose(moved, a.axis);
  if (a.failed || a.axis == INT64_MIN || !is_variance(im, variance, numerator, difference, moved, &a)) return;
  if (a.failed || (moved && (a.nshapes || factor))) return;
  if (moved && (im->readers[moved->out[0]] != 1 + reads_of(im, variance) || im->wanted[moved->out[0]]))
    return;
  if (moved) moved->in[0] = a.x;
  if (moved) a.x = moved->out[0];
  OnnxNode *scaled = factor ? node : only_norm_reader(im, node->out[0], "Mul");
  const int weight = factor ? factor : constant_other(im, scaled, node->out[0]);
  OnnxNode *shifted = weight ? only_norm_reader(im, scaled->out[0], "Add") : NULL;
  const int bias = shifted ? constant_other(im, shifted, scaled->out[0]) : 0;
  if (bias) become_norm(im, shifted, &a, weight, bias, epsilon);
  become_norm(im, node, &a, factor, 0, epsilon);
}

/* Matches x / sqrt(mean(x * x) + epsilon) and, if it follows, * weight. */
static void form_rms(ModelImport *im, OnnxNode *node) {
  double epsilon = 0;
  int of = 0, factor = 0;
  bool kept = false, back = false;
  const int x = normalized(im, node, &of, &factor),
            mean = x ? beside_number(im, op_before(im, of, "Add"), &epsilon) : 0;
  Along a = {.x = x, .axis = INT64_MIN};
  if (!mean || !(epsilon > 0)) return;
  const int squares = mean_along(im, before_shapes(im, mean, &a, &back), &a, &kept);
  if (root_of_square(im, either_before(im, squares, "Mul", "Pow")) != x || (!kept && !back)) return;
  if (a.failed || a.axis == INT64_MIN) return;
  OnnxNode *scaled = factor ? node : only_norm_reader(im, node->out[0], "Mul");
  const int weight = factor ? factor : constant_other(im, scaled, node->out[0]), in[] = {x, weight};
  OnnxNode *last = weight ? scaled : node;
  turn_along(im, last, "RMSNormalization", 2, in, &a);
  onnx_set_float(im->arena, last, "epsilon", epsilon);
}

/* ---- Keras's norms ---- */
/* Parts of x * f + (shift - mean * f) with f = factor / sqrt(mean((x - mean)^2) + epsilon). */
typedef struct Moments {
  int x, mean, factor, shift; /* the last two are 0 if missing */
  int sum;                    /* the sum of variance and epsilon */
} Moments;

/* Whether a tensor is shift - mean * f, where the constant `shift` may be missing. */
static bool is_shift(const ModelImport *im, Moments *m, int tensor, int f) {
  const OnnxNode *sum = op_before(im, tensor, "Add");
  for (int k = 0; sum && sum->nin == 2 && k < 2; k++)
    if (sum->in[k] && im->item[sum->in[k]].constant) {
      m->shift = sum->in[k];
      tensor = sum->in[!k];
      break;
    }
  const OnnxNode *difference = op_before(im, tensor, "Sub"), *product = op_before(im, tensor, "Mul");
  if (difference && difference->nin == 2 && difference->in[0] && im->item[difference->in[0]].constant) {
    if (m->shift) return false;
    m->shift = difference->in[0];
    product = op_before(im, difference->in[1], "Mul");
  }
  for (int k = 0; product && product->nin == 2 && k < 2; k++) {
    const OnnxNode *minus = difference ? NULL : op_before(im, product->in[k], "Neg");
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
  for (int k = 0; k < 2 && is_op(node, "Add") && node->nin == 2 && !m.sum; k++) {
    const OnnxNode *product = op_before(im, node->in[k], "Mul");
    for (int j = 0; product && product->nin == 2 && j < 2 && !m.sum; j++) {
      m = (Moments){.x = product->in[j]};
      m.sum = inverse_root(im, product->in[!j], &m.factor);
      if (m.sum && !is_shift(im, &m, node->in[!k], product->in[!j])) m.sum = 0;
    }
  }
  if (!m.sum || !m.x || !m.mean) return;
  double epsilon = 0;
  const int sum = beside_number(im, op_before(im, m.sum, "Add"), &epsilon);
  const OnnxNode *variance = sum ? op_before(im, sum, "ReduceMean") : NULL,
                 *mean = op_before(im, m.mean, "ReduceMean");
  if (!variance || !mean || mean->in[0] != m.x || !same_axes(im, mean, variance)) return;
  const OnnxNode *square = either_before(im, variance->in[0], "Pow", "Mul");
  const OnnxNode *difference = square ? op_before(im, square->in[0], "Sub") : NULL;
  if (!difference || difference->nin != 2 || difference->in[0] != m.x || difference->in[1] != m.mean ||
      !is_square(im, square, difference->out[0], difference))
    return;
  const int64_t axis = only_axis(im, mean);
  if (axis != INT64_MIN) {
    const Along along = {.x = m.x, .axis = axis};
    become_norm(im, node, &along, m.factor, m.shift, epsilon);
    return;
  }
  const int in[] = {m.x, m.factor, m.shift, mean->nin > 1 ? mean->in[1] : 0};
  const WireInts *axes = onnx_ints(mean, "axes");
  turn_into(im, node, "Moments", 4, in);
  if (axes) onnx_set_ints(im->arena, node, "axes", axes->n, axes->data);
  onnx_set_float(im->arena, node, "epsilon", epsilon);
}

/* ---- softmax ---- */
/* If the tensor is x - max(x) along an axis: the tensor x; otherwise 0. The model may compute the
 * maximum as Max(max(x), -infinity). */
static int below_largest(const ModelImport *im, int tensor, Along *a) {
  const OnnxNode *difference = op_before(im, tensor, "Sub");
  bool kept = false, back = false;
  if (!difference || difference->nin != 2) return 0;
  a->x = difference->in[0];
  int largest = before_shapes(im, difference->in[1], a, &back);
  const OnnxNode *bound = op_before(im, largest, "Max");
  for (int k = 0; bound && bound->nin == 2 && k < 2; k++)
    if (single_number(im, bound->in[k]) <= -LARGEST_BOUND) {
      largest = before_shapes(im, bound->in[!k], a, &back);
      break;
    }
  return reduced_by(im, largest, "ReduceMax", a, &kept) == a->x && (kept || back) ? a->x : 0;
}

/* Matches exp(d) / sum(exp(d)), or d - log(sum(exp(d))), where d is x - max(x). */
static void form_softmax(ModelImport *im, OnnxNode *node) {
  const bool plain = is_op(node, "Div");
  if ((!plain && !is_op(node, "Sub")) || node->nin != 2) return;
  Along a = {.axis = INT64_MIN};
  bool kept = false, back = false;
  int sum = before_shapes(im, node->in[1], &a, &back);
  const OnnxNode *log = plain ? NULL : op_before(im, sum, "Log");
  if (!plain && !log) return;
  if (log) sum = before_shapes(im, log->in[0], &a, &back);
  const OnnxNode *exp = op_before(im, reduced_by(im, sum, "ReduceSum", &a, &kept), "Exp");
  if (!exp || (!kept && !back) || node->in[0] != (plain ? exp->out[0] : exp->in[0])) return;
  if (!below_largest(im, exp->in[0], &a) || a.failed) return;
  turn_along(im, node, plain ? "Softmax" : "LogSoftmax", 1, &a.x, &a);
}

/* ---- lrn with sums computed by a convolution with a band of equal weights ---- */
/* Sets *before and *after: how many channels before and after a channel are part of its sum. False: the
 * weights are not a band. */
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

/* Matches x / (convolution of x * x + bias)^beta, the exported form of lrn with an even window. */
static void form_lrn(ModelImport *im, OnnxNode *node) {
  if (!is_op(node, "Div") || node->nin != 2) return;
  double bias = 0;
  const OnnxNode *power = op_before(im, node->in[1], "Pow");
  const double beta = power && power->nin == 2 ? single_number(im, power->in[1]) : (double)NAN;
  const int sum = isnan(beta) ? 0 : beside_number(im, op_before(im, power->in[0], "Add"), &bias);
  const OnnxNode *conv = op_before(im, sum, "Conv");
  const OnnxNode *square = conv && conv->nin == 2 ? op_before(im, conv->in[0], "Mul") : NULL;
  const Tensor *w = square && conv->in[1] ? im->item[conv->in[1]].constant : NULL;
  const int x = node->in[0];
  int64_t before, after;
  if (!w || square->nin != 2 || square->in[0] != x || square->in[1] != x || conv->attribute.n) return;
  if (!is_band(w, &before, &after)) return;
  turn_into_one(im, node, "LRN", x);
  onnx_set_int(im->arena, node, "size", before + after + 1);
  onnx_set_int(im->arena, node, "cnnc_before", before > after);
  onnx_set_float(im->arena, node, "alpha", tensor_number(w, 0) * (double)(before + after + 1));
  onnx_set_float(im->arena, node, "beta", beta);
  onnx_set_float(im->arena, node, "bias", bias);
}

/* ---- L2 normalization ---- */
/* Matches x / max(|x|, epsilon), where |x| is the L2 norm along one axis. PyTorch broadcasts the divisor to
 * the size of x. */
static void form_length(ModelImport *im, OnnxNode *node) {
  if (!is_op(node, "Div") || node->nin != 2) return;
  const OnnxNode *repeated = op_before(im, node->in[1], "Expand");
  const OnnxNode *least = either_before(im, repeated ? repeated->in[0] : node->in[1], "Max", "Clip");
  double epsilon = least && least->nin > 1 ? single_number(im, least->in[1]) : (double)NAN;
  if (is_op(least, "Clip") && least->nin > 2 && least->in[2]) return;
  const OnnxNode *length = least ? op_before(im, least->in[0], "ReduceL2") : NULL;
  const int64_t axis = length ? only_axis(im, length) : INT64_MIN;
  if (isnan(epsilon) || axis == INT64_MIN || length->in[0] != node->in[0]) return;
  if (!onnx_int(length, "keepdims", 1)) return;
  turn_into_one(im, node, "LpNormalization", node->in[0]);
  onnx_set_int(im->arena, node, "axis", axis);
  onnx_set_float(im->arena, node, "cnnc_epsilon", epsilon);
}

void form_norms(ModelImport *im, OnnxNode *node) {
  form_norm(im, node);
  form_rms(im, node);
  form_moments(im, node);
  form_softmax(im, node);
  form_length(im, node);
  form_lrn(im, node);
}
