/* forms.c: The table of ONNX operators, and pattern matching of operators that exporters decompose:
 * activations, means of means, quotients, padded maxpools and others. The pass changes the graph before nodes
 * are imported. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "import/onnx/forms.h"

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

/* ---- the graph ---- */
bool is_op(const OnnxNode *node, const char *op) { return node && strcmp(node->op, op) == 0; }

OnnxNode *op_before(const ModelImport *im, int tensor, const char *op) {
  OnnxNode *node = tensor && im->maker[tensor] >= 0 ? &im->onnx->node[im->maker[tensor]] : NULL;
  return is_op(node, op) ? node : NULL;
}

OnnxNode *either_before(const ModelImport *im, int tensor, const char *one, const char *other) {
  OnnxNode *node = op_before(im, tensor, one);
  return node ? node : op_before(im, tensor, other);
}

double single_number(const ModelImport *im, int tensor) {
  const Tensor *t = tensor ? im->item[tensor].constant : NULL;
  return t && t->n == 1 ? tensor_number(t, 0) : (double)NAN;
}

static bool is_near(double value, double wanted) { return fabs(value - wanted) <= 1e-3 * fabs(wanted); }

int beside_number(const ModelImport *im, const OnnxNode *node, double *number) {
  if (!node || node->nin != 2) return 0;
  const bool either = is_op(node, "Add") || is_op(node, "Mul");
  for (int k = 0; k < (either ? 2 : 1); k++) {
    *number = single_number(im, node->in[!k]);
    if (!isnan(*number) && node->in[k]) return node->in[k];
  }
  return 0;
}

void turn_into(ModelImport *im, OnnxNode *node, const char *op, int n, const int *in) {
  node->op = op;
  node->nin = n;
  node->in = NEW_ARRAY(im->arena, int, n + 1);
  memcpy(node->in, in, sizeof *in * (size_t)n);
  node->attribute = (WireList){0};
}

void turn_into_one(ModelImport *im, OnnxNode *node, const char *op, int in) {
  turn_into(im, node, op, 1, &in);
}

/* ---- activations ---- */
/* If the tensor is clip(x + 3, 0, 6): the tensor x; otherwise 0. */
static int six_of(const ModelImport *im, int tensor) {
  const OnnxNode *clip = op_before(im, tensor, "Clip");
  if (!clip) return 0;
  const double low = clip->nin > 1 ? single_number(im, clip->in[1]) : onnx_float(clip, "min", (double)NAN);
  const double high = clip->nin > 2 ? single_number(im, clip->in[2]) : onnx_float(clip, "max", (double)NAN);
  double three = 0;
  const int x = low == 0 && high == 6 ? beside_number(im, op_before(im, clip->in[0], "Add"), &three) : 0;
  return three == 3 ? x : 0;
}

/* The dividend if the node divides by 6; otherwise 0. */
static int sixth_of(const ModelImport *im, const OnnxNode *node) {
  double number = 0;
  if (!is_op(node, "Div") && !is_op(node, "Mul")) return 0;
  const int x = beside_number(im, node, &number);
  return x && is_near(number, is_op(node, "Div") ? 6 : 1.0 / 6) ? x : 0;
}

static void form_gate(ModelImport *im, OnnxNode *node) {
  for (int k = 0; k < 2 && is_op(node, "Mul") && node->nin == 2; k++) {
    const int x = node->in[k], y = node->in[!k];
    const OnnxNode *sigmoid = op_before(im, y, "Sigmoid"), *hard = op_before(im, y, "HardSigmoid");
    const bool sixth = hard && is_near(onnx_float(hard, "alpha", 0.2), 1.0 / 6) &&
                       is_near(onnx_float(hard, "beta", 0.5), 0.5);
    const int divided = sixth_of(im, either_before(im, y, "Div", "Mul"));
    if (sigmoid && sigmoid->in[0] == x) turn_into_one(im, node, "Silu", x);
    else if (sixth && hard->in[0] == x) turn_into_one(im, node, "HardSwish", x);
    else if (divided && six_of(im, divided) == x && x) turn_into_one(im, node, "HardSwish", x);
  }
}

static void form_sixth(ModelImport *im, OnnxNode *node) {
  const int of = sixth_of(im, node), bare = six_of(im, of);
  const OnnxNode *product = op_before(im, of, "Mul");
  for (int k = 0; product && k < 2 && product->nin == 2; k++)
    if (product->in[k] && six_of(im, product->in[!k]) == product->in[k]) {
      turn_into_one(im, node, "HardSwish", product->in[k]);
      return;
    }
  if (!bare) return;
  turn_into_one(im, node, "HardSigmoid", bare);
  onnx_set_float(im->arena, node, "alpha", 1.0 / 6);
  onnx_set_float(im->arena, node, "beta", 0.5);
}

/* Matches Relu(x) + s * Relu(-x), Keras's prelu with the slope -s. If s is Neg(a), the slope is a. */
static void form_prelu(ModelImport *im, OnnxNode *node) {
  for (int k = 0; k < 2 && is_op(node, "Add") && node->nin == 2; k++) {
    const OnnxNode *upper = op_before(im, node->in[k], "Relu"), *product = op_before(im, node->in[!k], "Mul");
    for (int j = 0; upper && product && product->nin == 2 && j < 2; j++) {
      const OnnxNode *lower = op_before(im, product->in[j], "Relu");
      const OnnxNode *turned = lower ? op_before(im, lower->in[0], "Neg") : NULL;
      const OnnxNode *minus = op_before(im, product->in[!j], "Neg");
      const int factor = minus ? minus->in[0] : product->in[!j];
      if (!turned || turned->in[0] != upper->in[0] || !factor || !im->item[factor].constant) continue;
      const int in[] = {upper->in[0], factor};
      turn_into(im, node, "PRelu", 2, in);
      onnx_set_int(im->arena, node, "cnnc_negative", !minus);
      return;
    }
  }
}

/* If the tensor is erf(x / sqrt 2) + 1: the tensor x; otherwise 0. */
static int erf_of(const ModelImport *im, int tensor) {
  double number = 0;
  const int sum = beside_number(im, op_before(im, tensor, "Add"), &number);
  const OnnxNode *erf = sum && number == 1 ? op_before(im, sum, "Erf") : NULL;
  const OnnxNode *scaled = erf ? either_before(im, erf->in[0], "Div", "Mul") : NULL;
  const int x = beside_number(im, scaled, &number);
  return x && is_near(number, is_op(scaled, "Div") ? sqrt(2) : sqrt(0.5)) ? x : 0;
}

static int half_of(const ModelImport *im, int tensor) {
  double number = 0;
  const int x = beside_number(im, op_before(im, tensor, "Mul"), &number);
  return number == 0.5 ? x : 0;
}

static void form_gelu(ModelImport *im, OnnxNode *node) {
  double number = 0;
  if (!is_op(node, "Mul") || node->nin != 2) return;
  const int halved = beside_number(im, node, &number);
  const OnnxNode *product = halved && number == 0.5 ? op_before(im, halved, "Mul") : NULL;
  for (int k = 0; product && k < 2 && product->nin == 2; k++)
    if (product->in[k] && erf_of(im, product->in[!k]) == product->in[k]) {
      turn_into_one(im, node, "Gelu", product->in[k]);
      return;
    }
  for (int k = 0; k < 2 && !halved; k++) {
    const int x = node->in[k], y = node->in[!k], erf = erf_of(im, y), half = half_of(im, y);
    if (erf && half_of(im, x) == erf) turn_into_one(im, node, "Gelu", erf);
    else if (half && erf_of(im, half) == x && x) turn_into_one(im, node, "Gelu", x);
    else continue;
    return;
  }
}

/* ---- means of means ---- */
int64_t only_axis(const ModelImport *im, const OnnxNode *mean) {
  const WireInts *list = onnx_ints(mean, "axes");
  const Tensor *t = mean->nin > 1 && mean->in[1] ? im->item[mean->in[1]].constant : NULL;
  if (t) return t->n == 1 ? tensor_integer(t, 0) : INT64_MIN;
  return list && list->n == 1 ? list->data[0] : INT64_MIN;
}

/* Replaces two successive means, each over one axis, by one mean over both axes. Axes may count from the end
 * only if both means keep their dimensions. */
static void form_mean(ModelImport *im, OnnxNode *node) {
  OnnxNode *inner = is_op(node, "ReduceMean") ? op_before(im, node->in[0], "ReduceMean") : NULL;
  if (!inner || im->readers[node->in[0]] != 1 || im->wanted[node->in[0]]) return;
  int64_t axes[] = {only_axis(im, inner), only_axis(im, node)};
  const bool keeps = onnx_int(inner, "keepdims", 1), keep = onnx_int(node, "keepdims", 1);
  if (axes[0] == INT64_MIN || axes[1] == INT64_MIN || keeps != keep) return;
  if (keeps ? axes[0] == axes[1] || (axes[0] < 0) != (axes[1] < 0) : axes[0] < 0 || axes[1] < 0) return;
  if (!keeps) axes[1] += axes[1] >= axes[0];
  turn_into_one(im, node, "ReduceMean", inner->in[0]);
  onnx_set_ints(im->arena, node, "axes", 2, axes);
  onnx_set_int(im->arena, node, "keepdims", keep);
}

/* ---- quotients that are 0 where the divisor is 0, as in TensorFlow ---- */
static void form_quotient(ModelImport *im, OnnxNode *node) {
  if (!is_op(node, "Where") || node->nin != 3 || single_number(im, node->in[1]) != 0) return;
  const OnnxNode *equal = op_before(im, node->in[0], "Equal"), *quotient = op_before(im, node->in[2], "Div");
  if (!equal || !quotient || equal->nin != 2 || quotient->nin != 2) return;
  const int y = quotient->in[1], k = equal->in[0] == y;
  if (equal->in[!k] != y || single_number(im, equal->in[k]) != 0) return;
  turn_into(im, node, "DivideNoNan", 2, quotient->in);
}

/* ---- padding with minus infinity, as for maxpool ---- */
static bool is_least(const ModelImport *im, const OnnxNode *pad) {
  const Tensor *value = pad->nin > 2 && pad->in[2] ? im->item[pad->in[2]].constant : NULL;
  const double number = value && value->n == 1 ? tensor_number(value, 0) : onnx_float(pad, "value", 0);
  return number < -3e38 && strcmp(onnx_text(pad, "mode", "constant"), "constant") == 0;
}

static void form_maxpool(ModelImport *im, OnnxNode *node) {
  const OnnxNode *pad = is_op(node, "MaxPool") ? op_before(im, node->in[0], "Pad") : NULL;
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

/* Matches x - n*floor(x/n), which is an exported modulo. */
static void form_modulo(ModelImport *im, OnnxNode *node) {
  double n = 0, divisor = 0;
  const OnnxNode *product = is_op(node, "Sub") && node->nin == 2 ? op_before(im, node->in[1], "Mul") : NULL;
  const int whole = product ? beside_number(im, product, &n) : 0;
  const OnnxNode *below = whole ? op_before(im, whole, "Floor") : NULL,
                 *quotient = below ? op_before(im, below->in[0], "Div") : NULL;
  if (!quotient || beside_number(im, quotient, &divisor) != quotient->in[0] || divisor != n) return;
  if (quotient->in[0] == node->in[0]) turn_into(im, node, "Mod", 2, quotient->in);
}

/* Matches an exported integer division that rounds down: q = x / n, or q - 1 where x is not a multiple of n
 * and the signs of x and n differ. */
static void form_floor_quotient(ModelImport *im, OnnxNode *node) {
  double one = 0, zero = 0, n = 0, divisor = 0, number = 0;
  const OnnxNode *and = is_op(node, "Where") && node->nin == 3 ? op_before(im, node->in[0], "And") : NULL,
                 *less = and ? op_before(im, node->in[1], "Sub") : NULL,
                 *quotient = and ? op_before(im, node->in[2], "Div") : NULL;
  if (!less || !quotient || beside_number(im, less, &one) != node->in[2] || one != 1) return;
  const int x = beside_number(im, quotient, &divisor);
  const Tensor *by = x && x == quotient->in[0] ? im->item[quotient->in[1]].constant : NULL;
  if (!by || !tensor_whole(by->type) || !(divisor > 0)) return;
  for (int k = 0; k < 2 && and->nin == 2; k++) {
    const OnnxNode *signs = op_before(im, and->in[k], "Xor"), *no = op_before(im, and->in[!k], "Not"),
                   *equal = no ? op_before(im, no->in[0], "Equal") : NULL,
                   *rest = equal ? op_before(im, equal->in[0], "Mod") : NULL,
                   *below = signs && signs->nin == 2 ? op_before(im, signs->in[0], "Less") : NULL;
    if (!rest || !below || beside_number(im, rest, &n) != x || rest->in[0] != x || n != divisor) continue;
    number = single_number(im, equal->in[1]);
    zero = single_number(im, below->in[1]);
    if (number != 0 || zero != 0 || below->in[0] != x || single_number(im, signs->in[1]) != 0) continue;
    turn_into(im, node, "Div", 2, quotient->in);
    onnx_set_int(im->arena, node, "cnnc_floor", 1);
    return;
  }
}

/* Drops the input with the image number of each region if the model computes these numbers. The numbers are
 * not checked: all regions are assumed to be regions of the only image. */
static void form_regions(const ModelImport *im, OnnxNode *node) {
  if (is_op(node, "RoiAlign") && node->nin > 2 && node->in[2] && !im->item[node->in[2]].constant)
    node->nin = 2;
}

void canonical(ModelImport *im) {
  for (int i = 0; i < im->onnx->nnodes; i++) {
    OnnxNode *node = &im->onnx->node[i];
    if (is_op(node, "Constant") && node->nout > 0) fold(im, node);
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
    form_norms(im, node);
    form_quotient(im, node);
    form_maxpool(im, node);
    form_regions(im, node);
    form_modulo(im, node);
    form_floor_quotient(im, node);
    form_deformable(im, node);
    form_attention(im, node);
  }
}
