/* fold.c: computes constants: all that depends on nothing but sizes, which are known, and on weights. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "exchange/import.h"

/* ---- limits ---- */
/* What computing constants may take, besides 8 times the size of the file. A small file may ask for large
 * weights: that of a net with filled weights has a few kB. */
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
#define MOST_COMPUTED ((size_t)1 << 22) /* sanitizers make it slow */
#else
#define MOST_COMPUTED ((size_t)1 << 30)
#endif

static size_t room_to_compute(const ModelImport *im) {
  return 8 * im->onnx->bytes + MOST_COMPUTED - im->computed;
}

bool may_compute(ModelImport *im, size_t bytes) {
  if (bytes > room_to_compute(im)) return no(im, "constants that are too large"), false;
  im->computed += bytes;
  return true;
}

/* A constant to be filled in. NULL and the reason: its size cannot be, or is too large. */
static Tensor *make(ModelImport *im, TensorType type, int rank, const int64_t *dim) {
  int64_t n = 1;
  if (rank > MOST_DIMS) return no(im, "a constant of more than 8 dimensions");
  for (int d = 0; d < rank; d++) {
    if (dim[d] < 0 || dim[d] > INT32_MAX) return no(im, "a constant of a size that cannot be");
    n *= dim[d];
    if (n > INT32_MAX) return no(im, "a constant of more than 2^31 numbers");
  }
  const int width = tensor_width(type);
  if (width == 0) return no(im, "a constant of a type that is not read");
  if (!may_compute(im, (size_t)n * (width > 4 ? 8 : 4))) return NULL; /* a byte takes as long as a float */
  return tensor_new(im->arena, type, rank, dim);
}

/* ---- element by element ---- */
typedef double Unary(double);
typedef double Binary(double, double);
static double f_neg(double x) { return -x; }
static double f_inverse(double x) { return 1 / x; }
static double f_not(double x) { return x == 0; }
static double f_same(double x) { return x; }
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
static double f_and(double a, double b) { return a != 0 && b != 0; }
static double f_or(double a, double b) { return a != 0 || b != 0; }

typedef struct Elementwise {
  const char *op;
  Unary *unary;
  Binary *binary;
  bool truth; /* the result is */
} Elementwise;
static const Elementwise elementwise[] = {
    {"Neg", f_neg, NULL, false},        {"Reciprocal", f_inverse, NULL, false},
    {"Not", f_not, NULL, true},         {"Identity", f_same, NULL, false},
    {"Floor", floor, NULL, false},      {"Ceil", ceil, NULL, false},
    {"Round", rint, NULL, false},       {"Abs", fabs, NULL, false},
    {"Sqrt", sqrt, NULL, false},        {"Exp", exp, NULL, false},
    {"Log", log, NULL, false},          {"Sin", sin, NULL, false},
    {"Cos", cos, NULL, false},          {"Tanh", tanh, NULL, false},
    {"Erf", erf, NULL, false},          {"Sigmoid", f_sigmoid, NULL, false},
    {"Add", NULL, f_add, false},        {"Sub", NULL, f_sub, false},
    {"Mul", NULL, f_mul, false},        {"Div", NULL, f_div, false},
    {"Mod", NULL, f_mod, false},        {"Pow", NULL, pow, false},
    {"Min", NULL, f_min, false},        {"Max", NULL, f_max, false},
    {"Equal", NULL, f_equal, true},     {"Less", NULL, f_less, true},
    {"Greater", NULL, f_greater, true}, {"And", NULL, f_and, true},
    {"Or", NULL, f_or, true},           {"Sum", NULL, f_add, false},
};

/* Where element i of a shape is found in a constant that is repeated along dimensions of size 1. */
static int64_t repeated_at(const Tensor *t, int rank, const int64_t *dim, int64_t i) {
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

static bool common_shape(ModelImport *im, const Tensor *a, const Tensor *b, int *rank, int64_t *dim) {
  *rank = a->rank > b->rank ? a->rank : b->rank;
  for (int d = 0; d < *rank; d++) {
    const int ad = d - (*rank - a->rank), bd = d - (*rank - b->rank);
    const int64_t an = ad < 0 ? 1 : a->dim[ad], bn = bd < 0 ? 1 : b->dim[bd];
    if (an != bn && an != 1 && bn != 1) return no(im, "constants whose shapes do not fit"), false;
    dim[d] = an == 1 ? bn : an;
  }
  return true;
}

static const Tensor *fold_binary(ModelImport *im, const Elementwise *row, const Tensor *a, const Tensor *b) {
  int rank;
  int64_t dim[MOST_DIMS];
  if (!b) return no(im, "an input is missing");
  if (!common_shape(im, a, b, &rank, dim)) return NULL;
  Tensor *to = make(im, row->truth ? TENSOR_BOOL : a->type, rank, dim);
  for (int64_t i = 0; to && i < to->n; i++) {
    const double y = tensor_number(b, repeated_at(b, rank, dim, i));
    const bool by_zero = tensor_whole(a->type) && y == 0 && row->binary == f_div;
    tensor_put(to, i, by_zero ? 0 : row->binary(tensor_number(a, repeated_at(a, rank, dim, i)), y));
  }
  return to;
}

static const Tensor *fold_elementwise(ModelImport *im, const OnnxNode *node, const Elementwise *row) {
  const Tensor *x = constant_of(im, node, 0);
  if (row->unary == f_same) return x;
  if (row->binary) {
    for (int i = 1; x && i < node->nin; i++) x = fold_binary(im, row, x, constant_of(im, node, i));
    return x;
  }
  Tensor *to = make(im, row->truth ? TENSOR_BOOL : x->type, x->rank, x->dim);
  for (int64_t i = 0; to && i < to->n; i++) tensor_put(to, i, row->unary(tensor_number(x, i)));
  return to;
}

/* ---- moving ---- */
/* Element i of the result is element `from` + the sum of index * stride of the source. */
static const Tensor *strided(ModelImport *im, const Tensor *x, int rank, const int64_t *dim,
                             const int64_t *stride, int64_t from) {
  Tensor *to = make(im, x->type, rank, dim);
  for (int64_t i = 0; to && i < to->n; i++) {
    int64_t at = from, rest = i;
    for (int d = rank - 1; d >= 0; d--) {
      at += rest % dim[d] * stride[d];
      rest /= dim[d];
    }
    const int width = tensor_width(to->type);
    if (to->type == x->type)
      memcpy((uint8_t *)(uintptr_t)to->data + i * width, x->data + at * width, (size_t)width);
    else tensor_put(to, i, tensor_number(x, at));
  }
  if (to) to->name = x->name;
  return to;
}

static void strides_of(const Tensor *x, int64_t *stride) {
  int64_t at = 1;
  for (int d = x->rank - 1; d >= 0; d--) {
    stride[d] = at;
    at *= x->dim[d];
  }
}

static const Tensor *fold_transpose(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0);
  const WireInts *perm = onnx_ints(node, "perm");
  int64_t stride[MOST_DIMS], dim[MOST_DIMS], by[MOST_DIMS];
  if (perm && perm->n != x->rank) return no(im, "an order of %d dimensions", perm->n);
  strides_of(x, stride);
  for (int d = 0; d < x->rank; d++) {
    const int64_t at = perm ? perm->data[d] : x->rank - 1 - d;
    for (int before = 0; before < d && perm; before++)
      if (perm->data[before] == at) return no(im, "an order that is none");
    if (at < 0 || at >= x->rank) return no(im, "an order that is none");
    dim[d] = x->dim[at];
    by[d] = stride[at];
  }
  return strided(im, x, x->rank, dim, by, 0);
}

static const Tensor *fold_expand(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0), *s = constant_of(im, node, 1);
  int64_t dim[MOST_DIMS], by[MOST_DIMS], stride[MOST_DIMS];
  if (!s || s->n > MOST_DIMS) return no(im, "a shape that is missing");
  const int rank = s->n > x->rank ? (int)s->n : x->rank;
  strides_of(x, stride);
  for (int d = 0; d < rank; d++) {
    const int own = d - (rank - x->rank), asked = d - (rank - (int)s->n);
    const int64_t have = own < 0 ? 1 : x->dim[own], want = asked < 0 ? 1 : tensor_integer(s, asked);
    if (have != 1 && want != 1 && have != want) return no(im, "a shape that does not fit");
    dim[d] = have == 1 ? want : have;
    by[d] = have == 1 ? 0 : stride[own];
  }
  return strided(im, x, rank, dim, by, 0);
}

static const Tensor *fold_gather(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0), *index = constant_of(im, node, 1);
  int64_t axis = onnx_int(node, "axis", 0), dim[2 * MOST_DIMS], inner = 1;
  int rank = 0;
  if (axis < 0) axis += x->rank;
  if (!index || axis < 0 || axis >= x->rank) return no(im, "an axis that there is not");
  for (int d = 0; d < axis; d++) dim[rank++] = x->dim[d];
  for (int d = 0; d < index->rank; d++) dim[rank++] = index->dim[d];
  for (int64_t d = axis + 1; d < x->rank; d++) inner *= dim[rank++] = x->dim[d];
  Tensor *to = make(im, x->type, rank, dim);
  const int64_t n = x->dim[axis];
  for (int64_t i = 0; to && i < to->n; i++) {
    int64_t at = tensor_integer(index, i / inner % index->n);
    if (at < 0) at += n;
    if (at < 0 || at >= n) return no(im, "an index that there is not");
    tensor_put(to, i, tensor_number(x, (i / (inner * index->n) * n + at) * inner + i % inner));
  }
  return to;
}

static const Tensor *fold_concat(ModelImport *im, const OnnxNode *node) {
  const Tensor *first = constant_of(im, node, 0);
  int64_t axis = onnx_int(node, "axis", 0), dim[MOST_DIMS], outer = 1, at = 0;
  if (axis < 0) axis += first->rank;
  if (axis < 0 || axis >= first->rank) return no(im, "an axis that there is not");
  memcpy(dim, first->dim, sizeof dim);
  dim[axis] = 0;
  for (int i = 0; i < node->nin; i++) {
    const Tensor *x = constant_of(im, node, i);
    bool fits = x && x->rank == first->rank;
    for (int d = 0; fits && d < x->rank; d++) fits = d == axis || x->dim[d] == first->dim[d];
    if (!fits) return no(im, "constants whose shapes do not fit");
    dim[axis] += x->dim[axis];
  }
  for (int d = 0; d < axis; d++) outer *= dim[d];
  Tensor *to = make(im, first->type, first->rank, dim);
  for (int64_t o = 0; to && o < outer; o++)
    for (int i = 0; i < node->nin; i++) {
      const Tensor *x = constant_of(im, node, i);
      for (int64_t k = 0, n = x->n / outer; k < n; k++) tensor_put(to, at++, tensor_number(x, o * n + k));
    }
  return to;
}

static const Tensor *fold_slice(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0), *list[4];
  static const char *const name[] = {"starts", "ends", "axes", "steps"};
  int64_t dim[MOST_DIMS], by[MOST_DIMS], from = 0;
  for (int k = 0; k < 4; k++) {
    const WireInts *attribute = onnx_ints(node, name[k]);
    list[k] =
        attribute ? tensor_list(im->arena, attribute->n, attribute->data) : constant_of(im, node, k + 1);
  }
  if (!list[0] || !list[1] || list[0]->n != list[1]->n) return no(im, "bounds that are missing");
  memcpy(dim, x->dim, sizeof dim);
  strides_of(x, by);
  for (int64_t i = 0; i < list[0]->n; i++) {
    int64_t d = list[2] && i < list[2]->n ? tensor_integer(list[2], i) : i;
    const int64_t step = list[3] && i < list[3]->n ? tensor_integer(list[3], i) : 1;
    if (d < 0) d += x->rank;
    if (d < 0 || d >= x->rank || step == 0 || step < -INT32_MAX || step > INT32_MAX)
      return no(im, "bounds that cannot be");
    const int64_t n = dim[d], least = step > 0 ? 0 : -1, most = step > 0 ? n : n - 1;
    int64_t low = tensor_integer(list[0], i), high = tensor_integer(list[1], i);
    if (low < 0) low = low < -n ? least : low + n;
    if (high < 0) high = high < -n ? least : high + n;
    low = low > most ? most : low;
    high = high > most ? most : high;
    const int64_t count = step > 0 ? (high - low + step - 1) / step : (low - high - step - 1) / -step;
    dim[d] = count > 0 ? count : 0;
    from += count > 0 ? low * by[d] : 0;
    by[d] *= step;
  }
  return strided(im, x, x->rank, dim, by, from);
}

/* ---- the rest ---- */
static const Tensor *fold_shaped(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0);
  View *view = view_new(im, NULL, x->rank);
  int64_t stride = 1;
  for (int d = x->rank - 1; d >= 0; d--) { /* as one axis */
    if (x->dim[d] == 0) return no(im, "a constant without elements");
    view->size[d] = x->dim[d];
    view->along[d] = factors_one(0, stride, x->dim[d]);
    stride *= x->dim[d];
  }
  const Item item = im->item[node->in[0]];
  im->item[node->in[0]] = (Item){.view = view};
  const View *to = onnx_operator(node->op)->import(im, node);
  im->item[node->in[0]] = item;
  return to ? tensor_shaped(im->arena, x, to->rank, to->size) : NULL;
}

static const Tensor *fold_cast(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0);
  const int64_t to = onnx_int(node, "to", 0);
  if (to == (int64_t)x->type) return x;
  if (to < 1 || to > 16) return no(im, "a cast to a type that is not read");
  Tensor *t = make(im, (TensorType)to, x->rank, x->dim);
  for (int64_t i = 0; t && i < t->n; i++) {
    const double number = tensor_number(x, i);
    tensor_put(t, i, to == TENSOR_BOOL ? number != 0 : number);
  }
  return t;
}

static const Tensor *fold_filled(ModelImport *im, const OnnxNode *node) {
  const Tensor *s = constant_of(im, node, 0), *value = NULL;
  const AttributeProto *attribute = onnx_attribute(node, "value");
  const char *why = NULL;
  int64_t dim[MOST_DIMS];
  if (attribute && attribute->t) value = onnx_constant(im->arena, attribute->t, im->onnx->path, &why);
  if (s->n > MOST_DIMS || (value && value->n != 1)) return no(im, "a constant of more than 8 dimensions");
  for (int d = 0; d < s->n; d++) dim[d] = tensor_integer(s, d);
  Tensor *t = make(im, value ? value->type : TENSOR_FLOAT, (int)s->n, dim);
  const double number = value ? tensor_number(value, 0) : 0;
  for (int64_t i = 0; t && i < t->n; i++) tensor_put(t, i, number);
  return t;
}

static const Tensor *fold_range(ModelImport *im, const OnnxNode *node) {
  const Tensor *t[3];
  for (int k = 0; k < 3; k++) {
    t[k] = constant_of(im, node, k);
    if (!t[k] || t[k]->n != 1) return no(im, "a range without bounds");
  }
  const double low = tensor_number(t[0], 0), high = tensor_number(t[1], 0), step = tensor_number(t[2], 0);
  const double count = step != 0 ? ceil((high - low) / step) : 0;
  if (!(count < 1e9)) return no(im, "a constant of a size that cannot be");
  const int64_t n = count > 0 ? (int64_t)count : 0;
  Tensor *to = make(im, t[0]->type, 1, &n);
  for (int64_t i = 0; to && i < n; i++) tensor_put(to, i, low + (double)i * step);
  return to;
}

static const Tensor *fold_where(ModelImport *im, const OnnxNode *node) {
  const Tensor *t[3] = {constant_of(im, node, 0), constant_of(im, node, 1), constant_of(im, node, 2)};
  int rank;
  int64_t dim[MOST_DIMS];
  if (!t[1] || !t[2] || !common_shape(im, t[0], t[1], &rank, dim)) return NULL;
  Tensor shape = {.rank = rank};
  memcpy(shape.dim, dim, sizeof dim);
  if (!common_shape(im, &shape, t[2], &rank, dim)) return NULL;
  Tensor *to = make(im, t[1]->type, rank, dim);
  for (int64_t i = 0; to && i < to->n; i++) {
    const Tensor *from = tensor_number(t[0], repeated_at(t[0], rank, dim, i)) != 0 ? t[1] : t[2];
    tensor_put(to, i, tensor_number(from, repeated_at(from, rank, dim, i)));
  }
  return to;
}

/* ---- reductions ---- */
/* The element of the result that element i is joined into. */
static int64_t place_in(const Tensor *x, const bool *over, int64_t i) {
  int64_t at = 0, stride = 1;
  for (int d = x->rank - 1; d >= 0; d--) {
    if (!over[d]) {
      at += i % x->dim[d] * stride;
      stride *= x->dim[d];
    }
    i /= x->dim[d];
  }
  return at;
}

static const Tensor *fold_reduced(ModelImport *im, const OnnxNode *node) {
  static const struct {
    const char *op;
    Binary *join;
    bool square, mean;
  } rows[] = {{"ReduceProd", f_mul, false, false}, {"ReduceMax", f_max, false, false},
              {"ReduceMin", f_min, false, false},  {"ReduceSum", f_add, false, false},
              {"ReduceMean", f_add, false, true},  {"ReduceSumSquare", f_add, true, false}};
  const Tensor *x = constant_of(im, node, 0);
  size_t row = 0;
  while (strcmp(rows[row].op, node->op) != 0) row++;
  bool over[MOST_DIMS], keep = onnx_int(node, "keepdims", 1) != 0;
  int64_t dim[MOST_DIMS], count = 1;
  int rank = 0;
  if (x->n == 0) return no(im, "a reduction of no elements");
  if (!reduced_axes(im, node, 1, x->rank, over)) return NULL;
  for (int d = 0; d < x->rank; d++) {
    count *= over[d] ? x->dim[d] : 1;
    if (!over[d] || keep) dim[rank++] = over[d] ? 1 : x->dim[d];
  }
  Tensor *to = make(im, x->type, rank, dim);
  if (!to || !may_compute(im, (sizeof(double) + sizeof(bool)) * (size_t)to->n)) return NULL;
  if (!may_compute(im, sizeof(float) * (size_t)x->n)) return NULL; /* no memory, but time */
  double *all = NEW_ARRAY(im->arena, double, to->n);
  bool *begun = NEW_ARRAY(im->arena, bool, to->n);
  for (int64_t i = 0; i < x->n; i++) {
    const int64_t at = place_in(x, over, i);
    const double number = tensor_number(x, i), joined = rows[row].square ? number * number : number;
    all[at] = begun[at] ? rows[row].join(all[at], joined) : joined;
    begun[at] = true;
  }
  for (int64_t i = 0; i < to->n; i++) tensor_put(to, i, rows[row].mean ? all[i] / (double)count : all[i]);
  return to;
}

static const Tensor *fold_clip(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0), *low = constant_of(im, node, 1),
               *high = constant_of(im, node, 2);
  const double least = low && low->n ? tensor_number(low, 0) : onnx_float(node, "min", -(double)INFINITY);
  const double most = high && high->n ? tensor_number(high, 0) : onnx_float(node, "max", (double)INFINITY);
  Tensor *to = make(im, x->type, x->rank, x->dim);
  for (int64_t i = 0; to && i < to->n; i++) tensor_put(to, i, f_min(f_max(tensor_number(x, i), least), most));
  return to;
}

/* Mean and variance of channel c of [n, channels, ...]. */
static void moments(const Tensor *x, int64_t c, double *mean, double *variance) {
  const int64_t channels = x->dim[1], inner = x->n / x->dim[0] / channels, count = x->dim[0] * inner;
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < count; i++) sum += tensor_number(x, (i / inner * channels + c) * inner + i % inner);
  *mean = sum / (double)count;
  for (int64_t i = 0; i < count; i++) {
    const double off = tensor_number(x, (i / inner * channels + c) * inner + i % inner) - *mean;
    squares += off * off;
  }
  *variance = squares / (double)count;
}

/* How exporters write weights that are standardised: by the statistics of the numbers themselves, in training
 * mode, or by those that nodes before it have computed. */
static const Tensor *fold_batchnorm(ModelImport *im, const OnnxNode *node) {
  const bool own = onnx_int(node, "training_mode", 0);
  const Tensor *x = constant_of(im, node, 0), *given[4]; /* weight, bias, mean, variance */
  const int64_t channels = x->rank > 1 ? x->dim[1] : 0;
  for (int k = 0; k < 4; k++) {
    given[k] = constant_of(im, node, k + 1);
    if (channels < 1 || x->n == 0 || ((k < 2 || !own) && (!given[k] || given[k]->n != channels)))
      return no(im, "batch normalization of constants");
  }
  for (int k = 1; k < node->nout; k++)
    if (node->out[k] && (im->readers[node->out[k]] || im->wanted[node->out[k]]))
      return no(im, "statistics as outputs");
  Tensor *to = make(im, x->type, x->rank, x->dim);
  const int64_t inner = x->n / x->dim[0] / channels, count = x->dim[0] * inner;
  for (int64_t c = 0; to && c < channels; c++) {
    double mean, variance;
    if (own) moments(x, c, &mean, &variance);
    else {
      mean = tensor_number(given[2], c);
      variance = tensor_number(given[3], c);
    }
    const double scale = tensor_number(given[0], c) / sqrt(variance + onnx_float(node, "epsilon", 1e-5));
    const double shift = tensor_number(given[1], c) - mean * scale;
    for (int64_t i = 0; i < count; i++) {
      const int64_t at = (i / inner * channels + c) * inner + i % inner;
      tensor_put(to, at, tensor_number(x, at) * scale + shift);
    }
  }
  return to;
}

static const Tensor *floats_constant(ModelImport *im, const WireBytes *floats) {
  const int64_t n = (int64_t)(floats->n / sizeof(float));
  Tensor *t = NEW(im->arena, Tensor);
  *t = (Tensor){.type = TENSOR_FLOAT, .rank = 1, .dim = {n}, .n = n, .data = floats->at};
  return n ? t : tensor_new(im->arena, TENSOR_FLOAT, 1, &n);
}

static const Tensor *fold_constant(ModelImport *im, const OnnxNode *node) {
  const AttributeProto *a = onnx_attribute(node, "value");
  const char *why = "it has no value that is read", *path = im->onnx->path;
  Tensor *t = a && a->t ? onnx_constant(im->arena, a->t, path, &why) : NULL;
  if (t) return t->name = NULL, t;
  if ((a = onnx_attribute(node, "sparse_value")) && a->sparse_tensor) {
    t = onnx_sparse(im->arena, a->sparse_tensor, path, room_to_compute(im), &why);
    return !t ? no(im, "a sparse constant: %s", why) : may_compute(im, 8 * (size_t)t->n) ? t : NULL;
  }
  if (onnx_attribute(node, "value_string") || onnx_attribute(node, "value_strings"))
    return no(im, "a constant of text");
  if ((a = onnx_attribute(node, "value_floats"))) return floats_constant(im, &a->floats);
  if ((a = onnx_attribute(node, "value_float"))) return tensor_scalar(im->arena, TENSOR_FLOAT, (double)a->f);
  if ((a = onnx_attribute(node, "value_int"))) {
    Tensor *one = tensor_list(im->arena, 1, &a->i);
    return one->rank = 0, one;
  }
  if ((a = onnx_attribute(node, "value_ints"))) return tensor_list(im->arena, a->ints.n, a->ints.data);
  return no(im, "%s", why);
}

static const Tensor *shape_as_constant(ModelImport *im, const OnnxNode *node) {
  const Item *item = given(node, 0) ? &im->item[node->in[0]] : NULL;
  if (!item || (!item->view && !item->constant)) return NULL;
  const int rank = item->view ? item->view->rank : item->constant->rank;
  const int64_t *size = item->view ? item->view->size : item->constant->dim;
  int64_t from = onnx_int(node, "start", 0), to = onnx_int(node, "end", rank), all = 1;
  for (int d = 0; d < rank; d++) all *= size[d];
  if (strcmp(node->op, "Size") == 0) return tensor_scalar(im->arena, TENSOR_INT64, (double)all);
  from = from < 0 ? from + rank : from;
  to = to < 0 ? to + rank : to;
  from = from < 0 ? 0 : from;
  to = to > rank ? rank : to;
  return tensor_list(im->arena, to > from ? (int)(to - from) : 0, size + (from < rank ? from : 0));
}

typedef const Tensor *Folding(ModelImport *, const OnnxNode *);
static const struct {
  const char *op;
  Folding *fold;
} foldings[] = {{"Transpose", fold_transpose},
                {"Expand", fold_expand},
                {"Gather", fold_gather},
                {"Concat", fold_concat},
                {"Slice", fold_slice},
                {"Reshape", fold_shaped},
                {"Flatten", fold_shaped},
                {"Squeeze", fold_shaped},
                {"Unsqueeze", fold_shaped},
                {"Cast", fold_cast},
                {"Range", fold_range},
                {"ConstantOfShape", fold_filled},
                {"Where", fold_where},
                {"ReduceProd", fold_reduced},
                {"ReduceMax", fold_reduced},
                {"ReduceMin", fold_reduced},
                {"ReduceSum", fold_reduced},
                {"ReduceMean", fold_reduced},
                {"ReduceSumSquare", fold_reduced},
                {"Clip", fold_clip},
                {"BatchNormalization", fold_batchnorm},
                {"QuantizeLinear", fold_quantize},
                {"DequantizeLinear", fold_dequantize}};

bool fold(ModelImport *im, const OnnxNode *node) {
  const Tensor *t = NULL;
  bool constant = true, found = true;
  for (int i = 0; i < node->nin; i++) constant = constant && (!given(node, i) || constant_of(im, node, i));
  if (strcmp(node->op, "Constant") == 0) t = fold_constant(im, node);
  else if (strcmp(node->op, "Shape") == 0 || strcmp(node->op, "Size") == 0) t = shape_as_constant(im, node);
  else if (!constant || !given(node, 0)) return false;
  else {
    found = false;
    for (size_t i = 0; i < sizeof foldings / sizeof *foldings && !found; i++)
      if ((found = strcmp(foldings[i].op, node->op) == 0)) t = foldings[i].fold(im, node);
    for (size_t i = 0; i < sizeof elementwise / sizeof *elementwise && !found; i++)
      if ((found = strcmp(elementwise[i].op, node->op) == 0)) t = fold_elementwise(im, node, &elementwise[i]);
  }
  if (!t && !im->why) no(im, found ? "a constant that cannot be computed" : "%s of constants", node->op);
  if (t) im->item[node->out[0]].constant = t;
  return t != NULL;
}
