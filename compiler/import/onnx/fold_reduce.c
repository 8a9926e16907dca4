/* fold_reduce.c: Constant folding of reductions, BatchNormalization, CumSum, softmax and sorting. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "import/onnx/fold.h"

/* ---- reductions ---- */
/* The element of the result to which element i is reduced. */
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

static double fold_plus(double a, double b) { return a + b; }
static double fold_times(double a, double b) { return a * b; }
static double squared(double x) { return x * x; }

/* log(exp(a) + exp(b)) */
static double fold_log_of_both(double a, double b) {
  return a == b ? a + log(2) : fmax(a, b) + log1p(exp(-fabs(a - b)));
}

static const struct {
  const char *op;
  double (*before)(double), (*join)(double, double), (*after)(double); /* NULL: no function */
  bool mean;
  double nothing; /* the number that `join` starts from */
} rows[] = {{"ReduceProd", NULL, fold_times, NULL, false, 1},
            {"ReduceMax", NULL, fmax, NULL, false, -(double)INFINITY},
            {"ReduceMin", NULL, fmin, NULL, false, (double)INFINITY},
            {"ReduceSum", NULL, fold_plus, NULL, false, 0},
            {"ReduceMean", NULL, fold_plus, NULL, true, 0},
            {"ReduceSumSquare", squared, fold_plus, NULL, false, 0},
            {"ReduceL1", fabs, fold_plus, NULL, false, 0},
            {"ReduceL2", squared, fold_plus, sqrt, false, 0},
            {"ReduceLogSum", NULL, fold_plus, log, false, 0},
            {"ReduceLogSumExp", NULL, fold_log_of_both, NULL, false, -(double)INFINITY}};

const Tensor *fold_reduced(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0);
  size_t row = 0;
  while (strcmp(rows[row].op, node->op) != 0) row++;
  bool over[MOST_DIMS], keep = onnx_int(node, "keepdims", 1) != 0;
  int64_t dim[MOST_DIMS], count = 1;
  int rank = 0;
  if (!reduced_axes(im, node, 1, x->rank, over)) return NULL;
  for (int d = 0; d < x->rank; d++) {
    count *= over[d] ? x->dim[d] : 1;
    if (!over[d] || keep) dim[rank++] = over[d] ? 1 : x->dim[d];
  }
  Tensor *to = constant_new(im, x->type, rank, dim);
  if (!to || !may_compute(im, sizeof(double) * (size_t)to->n)) return NULL;
  if (!may_compute(im, sizeof(float) * (size_t)x->n)) return NULL; /* limits the time */
  double *all = NEW_ARRAY(im->arena, double, to->n);
  for (int64_t i = 0; i < to->n; i++) all[i] = rows[row].nothing;
  for (int64_t i = 0; i < x->n; i++) {
    const int64_t at = place_in(x, over, i);
    const double number = tensor_number(x, i);
    all[at] = rows[row].join(all[at], rows[row].before ? rows[row].before(number) : number);
  }
  for (int64_t i = 0; i < to->n; i++) {
    const double joined = rows[row].mean ? all[i] / (double)count : all[i];
    tensor_put(to, i, rows[row].after ? rows[row].after(joined) : joined);
  }
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

const Tensor *fold_layernorm(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0), *w = constant_of(im, node, 1), *b = constant_of(im, node, 2);
  const int axis = fold_axis(im, x, onnx_int(node, "axis", -1));
  int64_t n = 1;
  if (axis < 0) return NULL;
  for (int d = axis; d < x->rank; d++) n *= x->dim[d];
  if (x->n == 0 || (w && w->n != n) || (b && b->n != n)) return no(im, "a norm of constants");
  Tensor *to = constant_new(im, x->type, x->rank, x->dim);
  for (int64_t row = 0; to && row < x->n; row += n) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) sum += tensor_number(x, row + i);
    const double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) squares += squared(tensor_number(x, row + i) - mean);
    const double deviation = sqrt(squares / (double)n + onnx_float(node, "epsilon", 1e-5));
    for (int64_t i = 0; i < n; i++) {
      const double number = (tensor_number(x, row + i) - mean) / deviation;
      tensor_put(to, row + i, number * (w ? tensor_number(w, i) : 1) + (b ? tensor_number(b, i) : 0));
    }
  }
  return to;
}

/* Folds a BatchNormalization of constant weights: exporters use such nodes to standardize weights. The node
 * uses the statistics of the weights (training mode), or statistics that earlier nodes computed. */
const Tensor *fold_batchnorm(ModelImport *im, const OnnxNode *node) {
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
  Tensor *to = constant_new(im, x->type, x->rank, x->dim);
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

/* ---- along one dimension ---- */
/* The numbers of a constant along an axis: `outer` x `inner` rows. Each row has n numbers with the stride
 * `inner`. */
typedef struct Rows {
  int64_t outer, n, inner;
} Rows;

static Rows reduced_rows(const Tensor *x, int axis) {
  Rows r = {1, x->dim[axis], 1};
  for (int d = 0; d < axis; d++) r.outer *= x->dim[d];
  for (int d = axis + 1; d < x->rank; d++) r.inner *= x->dim[d];
  return r;
}

static int64_t row_start(const Rows *r, int64_t row) {
  return row / r->inner * r->n * r->inner + row % r->inner;
}

const Tensor *fold_cumsum(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0), *along = constant_of(im, node, 1);
  const bool exclusive = onnx_int(node, "exclusive", 0) != 0, reverse = onnx_int(node, "reverse", 0) != 0;
  if (!along || along->n != 1) return no(im, "a missing axis");
  const int axis = fold_axis(im, x, tensor_integer(along, 0));
  if (axis < 0) return NULL;
  const Rows r = reduced_rows(x, axis);
  Tensor *to = constant_new(im, x->type, x->rank, x->dim);
  for (int64_t row = 0; to && row < r.outer * r.inner; row++) {
    double sum = 0;
    for (int64_t k = 0; k < r.n; k++) {
      const int64_t at = row_start(&r, row) + (reverse ? r.n - 1 - k : k) * r.inner;
      const double number = tensor_number(x, at);
      tensor_put(to, at, exclusive ? sum : sum + number);
      sum += number;
    }
  }
  return to;
}

const Tensor *fold_softmax(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0);
  const bool flat = im->onnx->opset < 13, logs = strcmp(node->op, "LogSoftmax") == 0;
  const int axis = fold_axis(im, x, onnx_int(node, "axis", flat ? 1 : -1));
  if (axis < 0) return NULL;
  Rows r = reduced_rows(x, axis);
  if (flat) r.n *= r.inner, r.inner = 1;
  Tensor *to = constant_new(im, x->type, x->rank, x->dim);
  for (int64_t row = 0; to && r.n && row < r.outer * r.inner; row++) {
    const int64_t at = row_start(&r, row);
    double most = tensor_number(x, at), sum = 0;
    for (int64_t k = 1; k < r.n; k++) most = fmax(most, tensor_number(x, at + k * r.inner));
    for (int64_t k = 0; k < r.n; k++) sum += exp(tensor_number(x, at + k * r.inner) - most);
    for (int64_t k = 0; k < r.n; k++) {
      const double off = tensor_number(x, at + k * r.inner) - most;
      tensor_put(to, at + k * r.inner, logs ? off - log(sum) : exp(off) / sum);
    }
  }
  return to;
}

typedef struct Ranked {
  double number;
  int64_t at, order; /* order: the sort key of equal numbers, which is the index or its negative */
} Ranked;

static int compare_ranked(const void *a, const void *b) {
  const Ranked *one = a, *other = b;
  if (one->number != other->number) return one->number > other->number ? -1 : 1;
  return one->order < other->order ? -1 : one->order > other->order;
}

/* Parameters of ArgMax, ArgMin and TopK: the result is the first k numbers of each sorted row, or their
 * indices. */
typedef struct Order {
  int axis;
  int64_t k;
  bool largest, last, keep;
} Order;

static bool read_order(ModelImport *im, const OnnxNode *node, const Tensor *x, Order *o) {
  const bool top = strcmp(node->op, "TopK") == 0;
  const Tensor *count = top ? constant_of(im, node, 1) : NULL;
  o->axis = fold_axis(im, x, onnx_int(node, "axis", top ? -1 : 0));
  o->k = count && count->n ? tensor_integer(count, 0) : onnx_int(node, "k", 1);
  o->largest = top ? onnx_int(node, "largest", 1) != 0 : strcmp(node->op, "ArgMax") == 0;
  o->last = !top && onnx_int(node, "select_last_index", 0) != 0;
  o->keep = top || onnx_int(node, "keepdims", 1) != 0;
  if (o->axis < 0) return false;
  return (o->k >= 1 && o->k <= x->dim[o->axis]) ||
         (no(im, "k is not between 1 and the size of the dimension"), false);
}

const Tensor *fold_sorted(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0);
  Order o;
  int64_t dim[MOST_DIMS];
  int rank = 0;
  if (!read_order(im, node, x, &o)) return NULL;
  for (int d = 0; d < x->rank; d++)
    if (d != o.axis || o.keep) dim[rank++] = d == o.axis ? o.k : x->dim[d];
  const Rows r = reduced_rows(x, o.axis);
  Tensor *numbers = constant_new(im, x->type, rank, dim), *index = constant_new(im, TENSOR_INT64, rank, dim);
  if (!numbers || !index || !may_compute(im, sizeof(Ranked) * (size_t)(r.n + x->n))) return NULL;
  Ranked *row = NEW_ARRAY(im->arena, Ranked, r.n);
  for (int64_t i = 0; i < r.outer * r.inner; i++) {
    for (int64_t k = 0; k < r.n; k++) {
      const double number = tensor_number(x, row_start(&r, i) + k * r.inner);
      row[k] = (Ranked){o.largest ? number : -number, k, o.last ? -k : k};
    }
    qsort(row, (size_t)r.n, sizeof *row, compare_ranked);
    for (int64_t k = 0; k < o.k; k++) {
      const int64_t at = i / r.inner * o.k * r.inner + k * r.inner + i % r.inner;
      tensor_put(numbers, at, o.largest ? row[k].number : -row[k].number);
      tensor_put(index, at, (double)row[k].at);
    }
  }
  if (strcmp(node->op, "TopK") != 0) return index;
  fold_result(im, node, 1, index);
  return numbers;
}
