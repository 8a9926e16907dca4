/* fold_elements.c: Constant folding of elementwise operators. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "import/onnx/fold.h"

/* ---- elementwise ---- */
typedef double Unary(double);
typedef double Binary(double, double);
static double f_neg(double x) { return -x; }
static double f_inverse(double x) { return 1 / x; }
static double f_not(double x) { return x == 0; }
static double f_same(double x) { return x; }
static double f_sign(double x) { return (x > 0) - (x < 0); }
static double f_relu(double x) { return x > 0 ? x : 0; }
static double f_softplus(double x) { return x > 30 ? x : log1p(exp(x)); }
static double f_is_nan(double x) { return isnan(x); }
static double f_is_infinite(double x) { return isinf(x); }
static double f_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double f_add(double a, double b) { return a + b; }
static double f_sub(double a, double b) { return a - b; }
static double f_mul(double a, double b) { return a * b; }
static double f_div(double a, double b) { return a / b; }
static double f_mod(double a, double b) { return b == 0 ? 0 : a - b * floor(a / b); }
static double f_min(double a, double b) { return a < b ? a : b; }
static double f_max(double a, double b) { return a > b ? a : b; }
static double f_equal(double a, double b) { return a == b; }
static double f_less(double a, double b) { return a < b; }
static double f_greater(double a, double b) { return a > b; }
static double f_less_or_equal(double a, double b) { return a <= b; }
static double f_greater_or_equal(double a, double b) { return a >= b; }
static double f_xor(double a, double b) { return (a != 0) != (b != 0); }
static double f_and(double a, double b) { return a != 0 && b != 0; }
static double f_or(double a, double b) { return a != 0 || b != 0; }

typedef struct Elementwise {
  const char *op;
  Unary *unary;
  Binary *binary;
  bool truth; /* the result is boolean */
} Elementwise;
static const Elementwise elementwise[] = {
    {"Neg", f_neg, NULL, false},
    {"Reciprocal", f_inverse, NULL, false},
    {"Not", f_not, NULL, true},
    {"Identity", f_same, NULL, false},
    {"Floor", floor, NULL, false},
    {"Ceil", ceil, NULL, false},
    {"Round", rint, NULL, false},
    {"Abs", fabs, NULL, false},
    {"Sign", f_sign, NULL, false},
    {"Sqrt", sqrt, NULL, false},
    {"Exp", exp, NULL, false},
    {"Log", log, NULL, false},
    {"Sin", sin, NULL, false},
    {"Cos", cos, NULL, false},
    {"Tan", tan, NULL, false},
    {"Asin", asin, NULL, false},
    {"Acos", acos, NULL, false},
    {"Atan", atan, NULL, false},
    {"Sinh", sinh, NULL, false},
    {"Cosh", cosh, NULL, false},
    {"Tanh", tanh, NULL, false},
    {"Erf", erf, NULL, false},
    {"Sigmoid", f_sigmoid, NULL, false},
    {"Relu", f_relu, NULL, false},
    {"Softplus", f_softplus, NULL, false},
    {"IsNaN", f_is_nan, NULL, true},
    {"IsInf", f_is_infinite, NULL, true},
    {"Add", NULL, f_add, false},
    {"Sum", NULL, f_add, false},
    {"Sub", NULL, f_sub, false},
    {"Mul", NULL, f_mul, false},
    {"Div", NULL, f_div, false},
    {"Mod", NULL, f_mod, false},
    {"Pow", NULL, pow, false},
    {"Min", NULL, f_min, false},
    {"Max", NULL, f_max, false},
    {"Equal", NULL, f_equal, true},
    {"Less", NULL, f_less, true},
    {"LessOrEqual", NULL, f_less_or_equal, true},
    {"Greater", NULL, f_greater, true},
    {"GreaterOrEqual", NULL, f_greater_or_equal, true},
    {"And", NULL, f_and, true},
    {"Or", NULL, f_or, true},
    {"Xor", NULL, f_xor, true},
};

int64_t repeated_at(const Tensor *t, int rank, const int64_t *dim, int64_t i) {
  int64_t at = 0, stride = 1;
  for (int d = rank - 1; d >= 0; d--) {
    const int own = d - (rank - t->rank);
    if (own >= 0) {
      if (t->dim[own] != 1) at += i % dim[d] * stride;
      stride *= t->dim[own];
    }
    i /= dim[d];
  }
  return at;
}

bool common_shape(ModelImport *im, const Tensor *a, const Tensor *b, int *rank, int64_t *dim) {
  *rank = a->rank > b->rank ? a->rank : b->rank;
  for (int d = 0; d < *rank; d++) {
    const int ad = d - (*rank - a->rank), bd = d - (*rank - b->rank);
    const int64_t an = ad < 0 ? 1 : a->dim[ad], bn = bd < 0 ? 1 : b->dim[bd];
    if (an != bn && an != 1 && bn != 1) return no(im, "constants whose shapes do not match"), false;
    dim[d] = an == 1 ? bn : an;
  }
  return true;
}

static const Tensor *fold_binary(ModelImport *im, const Elementwise *row, const Tensor *a, const Tensor *b) {
  int rank;
  int64_t dim[MOST_DIMS];
  if (!b) return no(im, "an input is missing");
  if (!common_shape(im, a, b, &rank, dim)) return NULL;
  Tensor *to = constant_new(im, row->truth ? TENSOR_BOOL : a->type, rank, dim);
  for (int64_t i = 0; to && i < to->n; i++) {
    const double y = tensor_number(b, repeated_at(b, rank, dim, i));
    const bool by_zero = tensor_whole(a->type) && y == 0 && row->binary == f_div;
    tensor_put(to, i, by_zero ? 0 : row->binary(tensor_number(a, repeated_at(a, rank, dim, i)), y));
  }
  return to;
}

static const Tensor *fold_unary(ModelImport *im, const Elementwise *row, const Tensor *x) {
  if (row->unary == f_same) return x;
  Tensor *to = constant_new(im, row->truth ? TENSOR_BOOL : x->type, x->rank, x->dim);
  for (int64_t i = 0; to && i < to->n; i++) tensor_put(to, i, row->unary(tensor_number(x, i)));
  return to;
}

const Tensor *fold_elements(ModelImport *im, const OnnxNode *node, bool *found) {
  size_t at = 0;
  const size_t n = sizeof elementwise / sizeof *elementwise;
  while (at < n && strcmp(elementwise[at].op, node->op) != 0) at++;
  *found = at < n;
  if (!*found) return NULL;
  Elementwise row = elementwise[at];
  if (row.binary == f_mod && onnx_int(node, "fmod", 0)) row.binary = fmod;
  const Tensor *x = constant_of(im, node, 0);
  if (row.unary) return fold_unary(im, &row, x);
  for (int i = 1; x && i < node->nin; i++) x = fold_binary(im, &row, x, constant_of(im, node, i));
  return x;
}

const Tensor *fold_where(ModelImport *im, const OnnxNode *node) {
  const Tensor *t[3] = {constant_of(im, node, 0), constant_of(im, node, 1), constant_of(im, node, 2)};
  int rank;
  int64_t dim[MOST_DIMS];
  if (!t[1] || !t[2] || !common_shape(im, t[0], t[1], &rank, dim)) return NULL;
  Tensor shape = {.rank = rank};
  memcpy(shape.dim, dim, sizeof dim);
  if (!common_shape(im, &shape, t[2], &rank, dim)) return NULL;
  Tensor *to = constant_new(im, t[1]->type, rank, dim);
  for (int64_t i = 0; to && i < to->n; i++) {
    const Tensor *from = tensor_number(t[0], repeated_at(t[0], rank, dim, i)) != 0 ? t[1] : t[2];
    tensor_put(to, i, tensor_number(from, repeated_at(from, rank, dim, i)));
  }
  return to;
}

const Tensor *fold_clip(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0), *low = constant_of(im, node, 1),
               *high = constant_of(im, node, 2);
  const double least = low && low->n ? tensor_number(low, 0) : onnx_float(node, "min", -(double)INFINITY);
  const double most = high && high->n ? tensor_number(high, 0) : onnx_float(node, "max", (double)INFINITY);
  Tensor *to = constant_new(im, x->type, x->rank, x->dim);
  for (int64_t i = 0; to && i < to->n; i++) tensor_put(to, i, f_min(f_max(tensor_number(x, i), least), most));
  return to;
}
