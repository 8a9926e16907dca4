/* ops_elements.c: Import of GatherElements and GatherND with constant indices, and of CumSum. */
// SPDX-License-Identifier: Apache-2.0
#include "import/import.h"

enum { MOST_ELEMENTS = 1 << 22 };
/* A selection from a tensor: the shape of the result, and the position of each element in the tensor. */
typedef struct Elements {
  int rank;
  int64_t size[MOST_DIMS], n;
  double *at;
} Elements;

static bool set_size(ModelImport *im, Elements *e, int64_t size) {
  if (e->rank == MOST_DIMS) return no(im, "more than 8 dimensions"), false;
  e->size[e->rank++] = size;
  if (size < 1 || e->n > MOST_ELEMENTS / size) return no(im, "too many elements"), false;
  e->n *= size;
  return true;
}

/* Number i of a constant index, as a position in a dimension of this size; a negative number counts from the
 * end. -1 after no(). */
static int64_t index_within(ModelImport *im, const Tensor *t, int64_t i, int64_t size) {
  int64_t at = tensor_integer(t, i);
  if (at < 0) at += size;
  return at >= 0 && at < size ? at : (no(im, "an index out of range"), -1);
}

static View *chosen_elements(ModelImport *im, const OnnxNode *node, const View *x, const Elements *e) {
  int dims[MOST_DIMS];
  for (int d = 0; d < x->rank; d++) {
    if (factors_batch(&x->along[d])) return no(im, "elements selected along the batch");
    dims[d] = d;
  }
  const View *full = view_repeated(im, x);
  Value *v = full ? lay_in_order(im, full, x->rank, dims) : NULL,
        *index = v ? constant_vector(im, node, 1, e->n, e->at, true) : NULL;
  if (!index) return NULL;
  Value *both[] = {reshaped(im, v, shape_vector(shape_elements(v->shape))), index};
  Value *chosen = emit(im, 2, both, shape_sequence(e->n, 1), "gather(%%1)");
  chosen->whole = v->whole;
  chosen->counts = v->counts;
  View *y = view_new(im, chosen, e->rank);
  int64_t inner = 1;
  for (int d = e->rank - 1; d >= 0; d--) {
    y->size[d] = e->size[d];
    y->along[d] = factors_one(0, inner, e->size[d]);
    inner *= e->size[d];
  }
  return y;
}

/* If the axis is 0, element (i, j, k) of the result is x[index[i, j, k], j, k]. Other axes are indexed in the
 * same way. */
View *elements_by_constant(ModelImport *im, const OnnxNode *node, const Tensor *t) {
  const View *x = view_of(im, node, 0);
  Elements e = {.n = 1};
  if (!x) return NULL;
  int64_t axis = onnx_int(node, "axis", 0);
  if (axis < 0) axis += x->rank;
  if (axis < 0 || axis >= x->rank || t->rank != x->rank) return no(im, "an invalid axis");
  for (int d = 0; d < t->rank; d++) {
    if (d != axis && t->dim[d] > x->size[d]) return no(im, "an index out of range");
    if (!set_size(im, &e, t->dim[d])) return NULL;
  }
  if (!may_compute(im, sizeof(double) * (size_t)e.n)) return NULL;
  e.at = NEW_ARRAY(im->arena, double, e.n);
  for (int64_t i = 0; i < e.n; i++) {
    int64_t stride = 1, place = 0, rest = i;
    for (int d = t->rank - 1; d >= 0; d--) {
      const int64_t along = d == axis ? index_within(im, t, i, x->size[d]) : rest % t->dim[d];
      if (along < 0) return NULL;
      place += along * stride;
      stride *= x->size[d];
      rest /= t->dim[d];
    }
    e.at[i] = (double)place;
  }
  return chosen_elements(im, node, x, &e);
}

/* Each row of the index has the coordinates of a part of x. The row omits the first `batch` coordinates,
 * because they equal the row's own coordinates in the index. */
View *parts_by_constant(ModelImport *im, const OnnxNode *node, const Tensor *t) {
  const View *x = view_of(im, node, 0);
  const int64_t batch = onnx_int(node, "batch_dims", 0);
  Elements e = {.n = 1};
  int64_t inner = 1, same = 1, rows = 1;
  if (!x) return NULL;
  if (t->rank < 1 || batch < 0 || batch >= t->rank) return no(im, "an invalid index");
  const int64_t k = t->dim[t->rank - 1], first = batch + k;
  if (k < 1 || first > x->rank) return no(im, "an invalid index");
  for (int d = 0; d + 1 < t->rank; d++) {
    if (d < batch && t->dim[d] != x->size[d]) return no(im, "an invalid index");
    if (!set_size(im, &e, t->dim[d])) return NULL;
    if (d < batch) same *= t->dim[d];
  }
  rows = e.n;
  for (int64_t d = first; d < x->rank; d++) {
    if (!set_size(im, &e, x->size[d])) return NULL;
    inner *= x->size[d];
  }
  if (!may_compute(im, sizeof(double) * (size_t)e.n)) return NULL;
  e.at = NEW_ARRAY(im->arena, double, e.n);
  for (int64_t row = 0; row < rows; row++) {
    int64_t place = row / (rows / same);
    for (int64_t d = 0; d < k; d++) {
      const int64_t along = index_within(im, t, row * k + d, x->size[batch + d]);
      if (along < 0) return NULL;
      place = place * x->size[batch + d] + along;
    }
    for (int64_t i = 0; i < inner; i++) e.at[row * inner + i] = (double)(place * inner + i);
  }
  return chosen_elements(im, node, x, &e);
}

/* ---- CumSum ---- */
/* Cumulative sums along a dimension, as a product with a frozen matrix of zeros and ones. */
View *import_cumsum(ModelImport *im, const OnnxNode *node) {
  enum { MOST_SUMMED = 4096 };
  const View *x = view_of(im, node, 0);
  const Tensor *t = constant_of(im, node, 1);
  int pos[MOST_DIMS], npos;
  if (!x) return NULL;
  if (!t || t->n != 1) return no(im, "a computed axis");
  int64_t axis = tensor_integer(t, 0);
  if (axis < 0) axis += x->rank;
  if (axis < 0 || axis >= x->rank) return no(im, "an invalid axis");
  if (factors_batch(&x->along[axis])) return no(im, "prefix sums along the batch");
  if (x->size[axis] > MOST_SUMMED)
    return no(im, "prefix sums of too many numbers, %lld", (long long)x->size[axis]);
  Value *v = lay_channels(im, x, (int)axis, &npos, pos);
  if (!v) return NULL;
  const int64_t n = x->size[axis], dim[] = {n, n}, exclusive = onnx_int(node, "exclusive", 0) != 0;
  const bool reverse = onnx_int(node, "reverse", 0) != 0;
  Tensor *w = constant_new(im, TENSOR_FLOAT, 2, dim);
  if (!w) return NULL;
  for (int64_t i = 0; i < n * n; i++) {
    const int64_t to = i / n, from = i % n;
    tensor_put(w, i, reverse ? from >= to + exclusive : from <= to - exclusive);
  }
  return view_laid(im, x, frozen_product(im, node, v, w), (int)axis, npos, pos);
}
