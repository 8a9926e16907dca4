/* fold_index.c: Constant folding of operators that read or produce indices. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/onnx/fold.h"

#define UNFIT_INDICES "indices whose shape does not fit the data"
#define UNFIT_UPDATES "updates whose shape does not fit the indices"

const Tensor *fold_gather(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0), *index = constant_of(im, node, 1);
  int64_t axis = onnx_int(node, "axis", 0), dim[2 * MOST_DIMS], inner = 1;
  int rank = 0;
  if (axis < 0) axis += x->rank;
  if (!index || axis < 0 || axis >= x->rank) return no(im, "an invalid axis");
  for (int d = 0; d < axis; d++) dim[rank++] = x->dim[d];
  for (int d = 0; d < index->rank; d++) dim[rank++] = index->dim[d];
  for (int64_t d = axis + 1; d < x->rank; d++) inner *= dim[rank++] = x->dim[d];
  Tensor *to = constant_new(im, x->type, rank, dim);
  const int64_t n = x->dim[axis];
  for (int64_t i = 0; to && i < to->n; i++) {
    int64_t at = tensor_integer(index, i / inner % index->n);
    if (at < 0) at += n;
    if (at < 0 || at >= n) return no(im, "an index out of range");
    tensor_put(to, i, tensor_number(x, (i / (inner * index->n) * n + at) * inner + i % inner));
  }
  return to;
}

/* ---- GatherElements and ScatterElements ---- */
/* Number i of `index`, as an index in a dimension of n elements; a negative number counts from the end. -1
 * after no(): the number is out of range. */
static int64_t index_in(ModelImport *im, const Tensor *index, int64_t i, int64_t n) {
  int64_t at = tensor_integer(index, i);
  if (at < 0) at += n;
  if (at >= 0 && at < n) return at;
  no(im, "an index out of range");
  return -1;
}

/* The element that index i selects along an axis; along the other dimensions, this element has the same
 * position as the index. */
static int64_t element_at(ModelImport *im, const Tensor *x, const Tensor *index, int axis, int64_t i) {
  int64_t at = 0, stride = 1, rest = i;
  for (int d = x->rank - 1; d >= 0; d--) {
    const int64_t own = d == axis ? index_in(im, index, i, x->dim[d]) : rest % index->dim[d];
    if (own < 0) return -1;
    at += own * stride;
    stride *= x->dim[d];
    rest /= index->dim[d];
  }
  return at;
}

static bool indices_fit(ModelImport *im, const Tensor *x, const Tensor *index, int axis) {
  bool fits = index && index->rank == x->rank;
  for (int d = 0; fits && d < x->rank; d++) fits = d == axis || index->dim[d] <= x->dim[d];
  return fits || (no(im, UNFIT_INDICES), false);
}

const Tensor *fold_gather_elements(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0), *index = constant_of(im, node, 1);
  const int axis = fold_axis(im, x, onnx_int(node, "axis", 0));
  if (axis < 0 || !indices_fit(im, x, index, axis)) return NULL;
  Tensor *to = constant_new(im, x->type, index->rank, index->dim);
  for (int64_t i = 0; to && i < to->n; i++) {
    const int64_t at = element_at(im, x, index, axis, i);
    if (at < 0) return NULL;
    tensor_put(to, i, tensor_number(x, at));
  }
  return to;
}

/* A modifiable copy. */
static Tensor *tensor_copied(ModelImport *im, const Tensor *x) {
  Tensor *to = constant_new(im, x->type, x->rank, x->dim);
  for (int64_t i = 0; to && i < to->n; i++) tensor_put(to, i, tensor_number(x, i));
  return to;
}

static void put_reduced(Tensor *to, int64_t at, double number, const char *reduction) {
  const double old = tensor_number(to, at);
  if (strcmp(reduction, "add") == 0) number += old;
  else if (strcmp(reduction, "mul") == 0) number *= old;
  else if (strcmp(reduction, "max") == 0) number = number > old ? number : old;
  else if (strcmp(reduction, "min") == 0) number = number < old ? number : old;
  tensor_put(to, at, number);
}

const Tensor *fold_scatter_elements(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0), *index = constant_of(im, node, 1),
               *from = constant_of(im, node, 2);
  const int axis = fold_axis(im, x, onnx_int(node, "axis", 0));
  if (axis < 0 || !indices_fit(im, x, index, axis)) return NULL;
  if (!from || from->n != index->n) return no(im, UNFIT_UPDATES);
  Tensor *to = tensor_copied(im, x);
  for (int64_t i = 0; to && i < index->n; i++) {
    const int64_t at = element_at(im, x, index, axis, i);
    if (at < 0) return NULL;
    put_reduced(to, at, tensor_number(from, i), onnx_text(node, "reduction", "none"));
  }
  return to;
}

/* ---- GatherND and ScatterND ---- */
/* Start of the part of x that row i of the indices selects. */
static int64_t index_at(ModelImport *im, const Tensor *x, const Tensor *index, int64_t i) {
  const int64_t depth = index->dim[index->rank - 1];
  int64_t at = 0, stride[MOST_DIMS];
  strides_of(x, stride);
  for (int64_t k = 0; k < depth; k++) {
    const int64_t own = index_in(im, index, i * depth + k, x->dim[k]);
    if (own < 0) return -1;
    at += own * stride[k];
  }
  return at;
}

const Tensor *fold_gather_nd(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0), *index = constant_of(im, node, 1);
  if (onnx_int(node, "batch_dims", 0)) return no(im, "batch_dims other than 0");
  if (!index || index->rank < 1 || index->dim[index->rank - 1] > x->rank) return no(im, UNFIT_INDICES);
  const int64_t depth = index->dim[index->rank - 1];
  int64_t dim[2 * MOST_DIMS], part = 1;
  int rank = 0;
  for (; rank < index->rank - 1; rank++) dim[rank] = index->dim[rank];
  for (int64_t d = depth; d < x->rank; d++) part *= dim[rank++] = x->dim[d];
  Tensor *to = constant_new(im, x->type, rank, dim);
  for (int64_t i = 0; to && i < to->n; i++) {
    const int64_t at = index_at(im, x, index, i / part);
    if (at < 0) return NULL;
    tensor_put(to, i, tensor_number(x, at + i % part));
  }
  return to;
}

const Tensor *fold_scatter_nd(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0), *index = constant_of(im, node, 1),
               *from = constant_of(im, node, 2);
  if (!index || index->rank < 1 || index->dim[index->rank - 1] > x->rank) return no(im, UNFIT_INDICES);
  const int64_t depth = index->dim[index->rank - 1];
  int64_t part = 1, rows = 1;
  for (int64_t d = depth; d < x->rank; d++) part *= x->dim[d];
  for (int d = 0; d + 1 < index->rank; d++) rows *= index->dim[d];
  if (!from || part == 0 || from->n != rows * part) return no(im, UNFIT_UPDATES);
  Tensor *to = tensor_copied(im, x);
  for (int64_t i = 0; to && i < from->n; i++) {
    const int64_t at = index_at(im, x, index, i / part);
    if (at < 0) return NULL;
    put_reduced(to, at + i % part, tensor_number(from, i), onnx_text(node, "reduction", "none"));
  }
  return to;
}

/* ---- NonZero, OneHot, Compress ---- */
const Tensor *fold_nonzero(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0);
  int64_t dim[2] = {x->rank, 0}, k = 0;
  for (int64_t i = 0; i < x->n; i++) dim[1] += tensor_number(x, i) != 0;
  Tensor *to = constant_new(im, TENSOR_INT64, 2, dim);
  for (int64_t i = 0; to && i < x->n; i++) {
    if (tensor_number(x, i) == 0) continue;
    int64_t rest = i;
    for (int d = x->rank - 1; d >= 0; d--) {
      tensor_put(to, d * dim[1] + k, (double)(rest % x->dim[d]));
      rest /= x->dim[d];
    }
    k++;
  }
  return to;
}

const Tensor *fold_onehot(ModelImport *im, const OnnxNode *node) {
  const Tensor *index = constant_of(im, node, 0), *depth = constant_of(im, node, 1),
               *values = constant_of(im, node, 2);
  const int rank = index->rank + 1;
  int64_t axis = onnx_int(node, "axis", -1), dim[MOST_DIMS + 1], inner = 1;
  if (axis < 0) axis += rank;
  if (!depth || depth->n != 1 || !values || values->n != 2 || axis < 0 || axis >= rank)
    return no(im, "an invalid depth or axis");
  const int64_t n = tensor_integer(depth, 0);
  for (int d = 0; d < rank; d++) dim[d] = d == axis ? n : index->dim[d < axis ? d : d - 1];
  for (int64_t d = axis + 1; d < rank; d++) inner *= dim[d];
  Tensor *to = constant_new(im, values->type, rank, dim);
  for (int64_t i = 0; to && i < to->n; i++) {
    int64_t at = tensor_integer(index, i / (inner * n) * inner + i % inner);
    if (at < 0) at += n;
    tensor_put(to, i, tensor_number(values, at == i / inner % n));
  }
  return to;
}

const Tensor *fold_compress(ModelImport *im, const OnnxNode *node) {
  const Tensor *x = constant_of(im, node, 0), *keep = constant_of(im, node, 1);
  const bool flat = !onnx_attribute(node, "axis");
  const Tensor *from = flat ? tensor_shaped(im->arena, x, 1, &x->n) : x;
  const int axis = fold_axis(im, from, onnx_int(node, "axis", 0));
  if (axis < 0) return NULL;
  if (!keep || keep->n > from->dim[axis]) return no(im, "a condition longer than its axis");
  int64_t dim[MOST_DIMS], inner = 1, k = 0;
  memcpy(dim, from->dim, sizeof dim);
  dim[axis] = 0;
  for (int64_t i = 0; i < keep->n; i++) dim[axis] += tensor_number(keep, i) != 0;
  for (int d = axis + 1; d < from->rank; d++) inner *= dim[d];
  Tensor *to = constant_new(im, x->type, from->rank, dim);
  for (int64_t i = 0; to && i < from->n; i++) {
    const int64_t own = i / inner % from->dim[axis];
    if (own < keep->n && tensor_number(keep, own) != 0) tensor_put(to, k++, tensor_number(x, i));
  }
  return to;
}
