/* ops_index.c: Import of ArgMax, ArgMin, TopK, OneHot, Mod, Ceil, Tile and GridSample; also of Gather,
 * GatherElements and GatherND if their indices are computed. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "import/onnx/products.h"

/* ---- ArgMax and TopK ---- */
enum { MOST_REVERSED = 4096 };
/* The axis of a node, counted from the start; -1 after no(). */
static int index_axis(ModelImport *im, const OnnxNode *node, const View *x, int64_t otherwise) {
  int64_t axis = onnx_int(node, "axis", otherwise);
  if (axis < 0) axis += x->rank;
  if (axis < 0 || axis >= x->rank) return no(im, "an invalid axis"), -1;
  for (int i = 0; i < x->along[axis].n; i++)
    if (x->along[axis].f[i].axis == BATCH) return no(im, "indices along the batch"), -1;
  return (int)axis;
}

/* Reverses the channels of each position, as a product with a frozen matrix. */
static Value *reversed_channels(ModelImport *im, const OnnxNode *node, Value *v) {
  const int64_t n = v->shape.dim[v->shape.rank - 1], dim[] = {n, n};
  if (n > MOST_REVERSED) return no(im, "select_last_index with too many numbers, %lld", (long long)n);
  Tensor *w = constant_new(im, TENSOR_FLOAT, 2, dim);
  if (!w) return NULL;
  for (int64_t i = 0; i < n; i++) tensor_put(w, i * n + n - 1 - i, 1);
  return frozen_product(im, node, v, w);
}

View *import_argmax(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  if (!x) return NULL;
  const int axis = index_axis(im, node, x, 0);
  int pos[MOST_DIMS], npos;
  if (axis < 0) return NULL;
  if (strcmp(node->op, "ArgMin") == 0) x = map_view(im, x, "multiply(-1)");
  Value *v = lay_channels(im, x, axis, &npos, pos);
  if (!v) return NULL;
  Shape to = v->shape;
  const int64_t n = to.dim[to.rank - 1];
  const bool last = onnx_int(node, "select_last_index", 0) && n > 1;
  to.dim[to.rank - 1] = 1;
  if (last && !(v = reversed_channels(im, node, v))) return NULL;
  v = emit_one(im, v, to, "argmax");
  if (last) v = emit_one(im, emit_one(im, v, to, "multiply(-1)"), to, "add(%lld)", (long long)(n - 1));
  v->whole = v->counts = true;
  View *y = view_laid(im, x, v, axis, npos, pos);
  bool drop[MOST_DIMS] = {false};
  drop[axis] = !onnx_int(node, "keepdims", 1);
  return view_without(im, y, drop);
}

bool result_is_used(const ModelImport *im, const OnnxNode *node, int out) {
  return out < node->nout && node->out[out] && (im->readers[node->out[out]] || im->wanted[node->out[out]]);
}

/* The k largest (or smallest) values along a dimension of x and their indices: [k][2] numbers for each
 * element of the other dimensions. */
static Value *topk_pairs(ModelImport *im, const View *x, int axis, int64_t k, const char *largest) {
  const int64_t n = x->size[axis];
  View *rows = view_new(im, x->value, 3);
  rows->size[2] = n;
  rows->along[2] = x->along[axis];
  for (int d = 0; d < x->rank; d++) {
    if (d == axis || !x->along[d].n || factors_batch(&x->along[d])) continue;
    rows->size[0] *= x->size[d];
    for (int i = 0; i < x->along[d].n; i++) factors_push(&rows->along[0], x->along[d].f[i]);
  }
  const int64_t many = rows->size[0];
  Value *v = many == 1 ? lay(im, x, 1, &axis, 0, NULL, false) : laid_as_rows(im, rows, 1, n);
  if (!v) return NULL;
  if (many > 1) v = emit_one(im, v, shape_of_parts(many, shape_vector(n)), "flatten");
  v = emit_one(im, v, shape_of_parts(many, shape_sequence(k, 2)), "topk(%lld%s)", (long long)k, largest);
  return joined_rows(im, v, many, shape_image(many, k, 2));
}

/* A view of the values (column 0) or of the indices (column 1) of topk_pairs; the k results are along
 * `axis`. */
static View *topk_column(ModelImport *im, const View *x, Value *pairs, int axis, int column) {
  Shape to = pairs->shape;
  int64_t inner = 1;
  to.dim[to.rank - 1] = 1;
  Value *v = emit_one(im, pairs, to, "slice(%d..%d)", column, column + 1);
  View *y = view_copy(im, x, v);
  v->whole = v->counts = column == 1;
  if (column == 1) v->odd = false;
  y->size[axis] = to.dim[to.rank - 2];
  y->along[axis] = factors_one(to.rank - 2, 1, y->size[axis]);
  for (int d = x->rank - 1; d >= 0; d--) {
    if (d == axis || !x->along[d].n || factors_batch(&x->along[d])) continue;
    y->along[d] = factors_one(0, inner, x->size[d]);
    inner *= x->size[d];
  }
  return y;
}

View *import_topk(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const Tensor *t = constant_of(im, node, 1);
  if (!x) return NULL;
  const int axis = index_axis(im, node, x, -1);
  if (axis < 0) return NULL;
  if (given(node, 1) && (!t || t->n != 1)) return no(im, "a computed k");
  const int64_t k = t ? tensor_integer(t, 0) : onnx_int(node, "k", 0);
  if (k < 1 || k > x->size[axis])
    return no(im, "a TopK with k=%lld along an axis of size %lld", (long long)k, (long long)x->size[axis]);
  Value *v = topk_pairs(im, x, axis, k, onnx_int(node, "largest", 1) ? "" : ", largest=false");
  if (!v) return NULL;
  View *values = result_is_used(im, node, 0) ? topk_column(im, x, v, axis, 0) : view_copy(im, x, v);
  if (result_is_used(im, node, 1)) im->item[node->out[1]].view = topk_column(im, x, v, axis, 1);
  return values;
}

/* ---- Gather with computed indices ---- */
bool only_chooses(const ModelImport *im, int tensor) {
  static const char *const moves[] = {"Reshape", "Unsqueeze", "Squeeze", "Expand", "Tile",
                                      "Cast",    "Clip",      "Flatten", NULL};
  while (im->readers[tensor] == 1 && !im->wanted[tensor]) {
    const OnnxNode *node = node_reading(im, tensor);
    if (strncmp(node->op, "Gather", 6) == 0) return node->nin > 1 && node->in[1] == tensor;
    int k = 0;
    while (moves[k] && strcmp(moves[k], node->op) != 0) k++;
    if (!moves[k] || node->in[0] != tensor) return false;
    tensor = node->out[0];
  }
  return false;
}

/* The index before a clamp to 0 .. count-1. The clamp is not needed, because the language's operators clamp
 * their indices. */
static Value *uncut_index(Value *index, int64_t count) {
  const Statement *made = index->made;
  char call[64];
  if (!made || made->nin != 1) return index;
  snprintf(call, sizeof call, "clip(0, %lld)", (long long)(count - 1));
  const bool six = count == 7 && strcmp(made->call, "relu6") == 0;
  return six || strcmp(made->call, call) == 0 ? made->in[0] : index;
}

/* Whether an index may be negative. Computed integers that were not clamped to 0 or more may be negative.
 * Inputs, and values that are not known to be integers, are assumed not to be negative. */
static bool may_be_negative(const Value *index) {
  const Statement *made = index->made;
  if (!index->whole || index->counts) return false;
  while (made && made->nin == 1 && is_move(made)) made = made->in[0]->made;
  return made && strncmp(made->call, "clip(0", 6) != 0 && strncmp(made->call, "relu", 4) != 0;
}

/* The index counted from the start: in ONNX, negative indices count from the end. */
static Value *index_from_start(ModelImport *im, Value *index, int64_t count) {
  if (count < 1) return index;
  if (!may_be_negative(index)) return uncut_index(index, count);
  return emitted_once(im, index, index->shape, arena_printf(im->arena, "modulo(%lld)", (long long)count));
}

static bool is_one_image(const View *x, int d) {
  return x->along[d].n == 0 ? x->size[d] == 1 : x->along[d].f[0].axis == BATCH;
}

/* Lists all dimensions as channels, in order, except `axis`, the batch, and broadcast dimensions of one
 * element. */
static int other_dimensions(const View *x, int axis, int chan[MOST_DIMS]) {
  int n = 0;
  for (int d = 0; d < x->rank; d++)
    if (d != axis && !is_one_image(x, d)) chan[n++] = d;
  return n;
}

Value *as_pixels(Value *table) {
  const Statement *made = table->made;
  if (!made || made->nin != 1 || strncmp(made->call, "reshape(", 8) != 0) return table;
  const Shape from = made->in[0]->shape, to = table->shape;
  const bool pixels = from.rank == 3 && from.dim[2] == to.dim[1], numbers = from.rank == 1 && to.dim[1] == 1;
  return pixels || numbers ? made->in[0] : table;
}

/* Lays out x with dimension `axis` as positions and the other_dimensions as channels. */
static Value *lay_positions(ModelImport *im, const View *x, int axis) {
  int chan[MOST_DIMS], pos = axis;
  const int n = other_dimensions(x, axis, chan);
  return lay(im, x, n, chan, 1, &pos, false);
}

/* Maps the dimensions `chan` of a view to parts of the axis that contains all of them. */
static void split_into_channels(View *y, int n, const int *chan, const int64_t *size, int axis) {
  int64_t inner = 1;
  for (int i = n - 1; i >= 0; i--) {
    y->size[chan[i]] = size[i];
    y->along[chan[i]] = factors_one(axis, inner, size[i]);
    inner *= size[i];
  }
}

/* Lays out a view of indices as a vector or a single column, without repeats along broadcast dimensions. NULL
 * after no(). */
static Value *lay_indices(ModelImport *im, const View *index, int64_t count) {
  int dims[MOST_DIMS], n = 0;
  View *own = view_copy(im, index, index_from_start(im, index->value, count));
  for (int d = 0; d < own->rank; d++) {
    if (!own->along[d].n) own->size[d] = 1;
    else if (own->along[d].f[0].axis != BATCH) dims[n++] = d;
  }
  if (n > 3 && !in_memory_order(own, n, dims)) return no(im, "indices in a different layout than the value");
  int pos[2] = {n ? dims[0] : 0, 0};
  const Shape shape = own->value->shape;
  if (n == 1 && shape.rank == 2 && shape.dim[1] == 1 && factors_whole(&own->along[dims[0]], own->value, 0))
    return own->value;
  if (n < 2) return lay(im, own, n, pos, 0, NULL, false);
  Value *at = lay_in_order(im, own, n, dims);
  return at ? reshaped(im, at, shape_vector(shape_elements(shape))) : NULL;
}

static View *gather_each(ModelImport *im, const View *x, const View *index, int axis) {
  int chan[MOST_DIMS], pos = axis;
  const int n = other_dimensions(x, axis, chan);
  for (int i = 0; i < n; i++)
    if (index->size[chan[i]] != x->size[chan[i]])
      return no(im, "data and indices whose sizes differ in a dimension besides axis");
  index = view_copy(im, index, index_from_start(im, index->value, x->size[axis]));
  Value *from = lay_positions(im, x, axis), *at = from ? lay(im, index, n, chan, 1, &pos, false) : NULL;
  if (!at) return NULL;
  Value *both[] = {as_pixels(from), at};
  Value *v = emit(im, 2, both, at->shape, "gather(%%1, each=true)");
  View *y = view_copy(im, index, v);
  int64_t size[MOST_DIMS];
  for (int i = 0; i < n; i++) size[i] = x->size[chan[i]];
  y->along[axis] = factors_one(0, 1, index->size[axis]);
  split_into_channels(y, n, chan, size, 1);
  return y;
}

static Value *gather_values(ModelImport *im, Value *from, Value *at) {
  const int64_t k = shape_elements(at->shape);
  Value *both[] = {as_pixels(from), at},
        *v = emit(im, 2, both, shape_sequence(k, from->shape.dim[1]), "gather(%%1)");
  v->whole = from->whole;
  v->counts = from->counts;
  return v;
}

/* Gathers along one dimension, with the same indices for all positions of the other dimensions. */
static View *gather_along(ModelImport *im, const View *x, const View *index, int axis) {
  int chan[MOST_DIMS];
  const int n = other_dimensions(x, axis, chan);
  Value *from = lay_positions(im, x, axis);
  if (!from) return NULL;
  Value *at = lay_indices(im, index, from->shape.dim[0]);
  if (!at) return NULL;
  int64_t size[MOST_DIMS];
  View *y = view_copy(im, x, gather_values(im, from, at));
  for (int i = 0; i < n; i++) size[i] = x->size[chan[i]];
  y->size[axis] = shape_elements(at->shape);
  y->along[axis] = factors_one(0, 1, y->size[axis]);
  split_into_channels(y, n, chan, size, 1);
  return y;
}

View *import_gather_elements(ModelImport *im, const OnnxNode *node) {
  if (constant_of(im, node, 1)) return elements_by_constant(im, node, constant_of(im, node, 1));
  const View *x = value_or_constant(im, node, 0), *index = x ? view_of(im, node, 1) : NULL;
  if (!x || !index) return NULL;
  const int axis = index_axis(im, node, x, 0);
  if (axis < 0) return NULL;
  if (index->rank != x->rank) return no(im, "an index with a different number of dimensions than the value");
  bool varies = false;
  for (int d = 0; d < x->rank; d++) {
    if (d == axis) continue;
    if (is_one_image(x, d)) {
      if (!is_one_image(index, d)) return no(im, "indices along the batch");
      continue;
    }
    varies = varies || index->along[d].n;
    if (index->size[d] != x->size[d])
      return no(im, "data and indices whose sizes differ in a dimension besides axis");
  }
  return varies ? gather_each(im, x, index, axis) : gather_along(im, x, index, axis);
}

/* A constant as a matrix. A row is the part of the constant at one index of dimension `axis`. */
static const Tensor *as_table(ModelImport *im, const Tensor *t, int axis) {
  int64_t dim[] = {t->dim[axis], 1}, inner = 1;
  for (int d = 0; d < t->rank; d++) dim[1] *= d == axis ? 1 : t->dim[d];
  for (int d = axis + 1; d < t->rank; d++) inner *= t->dim[d];
  if (inner == dim[1]) return tensor_shaped(im->arena, t, 2, dim);
  Tensor *to = constant_new(im, TENSOR_FLOAT, 2, dim);
  if (!to) return NULL;
  for (int64_t i = 0; i < t->n; i++) {
    const int64_t row = i / inner % dim[0], column = i / (inner * dim[0]) * inner + i % inner;
    tensor_put(to, row * dim[1] + column, tensor_number(t, i));
  }
  return to;
}

/* Selects parts of a constant along a dimension; the constant's other dimensions become the channels. */
static View *embedded(ModelImport *im, const OnnxNode *node, const Tensor *t, const View *index,
                      int64_t axis) {
  int64_t inner = 1, size[MOST_DIMS];
  int chan[MOST_DIMS], n = 0;
  if (axis < 0) axis += t->rank;
  if (axis < 0 || axis >= t->rank) return no(im, "an invalid axis");
  if (t->n < 1 || index->rank + t->rank - 1 > MOST_DIMS) return no(im, "an empty table");
  const Tensor *table = as_table(im, t, (int)axis);
  Value *at = table ? lay_indices(im, index, table->dim[0]) : NULL;
  if (!at) return NULL;
  const char *layer = layer_of(im, node, 0);
  bool excludes = false; /* a table with -inf is frozen */
  for (int64_t i = 0; i < table->n; i++) excludes = excludes || isinf(tensor_number(table, i));
  Value *v = emit_one(im, at, shape_sequence(shape_elements(at->shape), table->dim[1]),
                      "embedding(%lld, %lld%s, name=\"%s\")", (long long)table->dim[0],
                      (long long)table->dim[1], excludes ? ", frozen=true" : "", layer);
  (excludes ? put_mask : put_weight)(im, layer, "weight", table, 2, table->dim);
  v->odd = v->odd || excludes;
  View *y = view_new(im, v, index->rank + t->rank - 1);
  for (int d = index->rank - 1; d >= 0; d--) {
    const bool own = index->along[d].n && index->along[d].f[0].axis != BATCH;
    y->size[axis + d] = index->size[d];
    y->along[axis + d] = own ? factors_one(0, inner, index->size[d]) : index->along[d];
    if (own) inner *= index->size[d];
  }
  for (int d = 0; d < t->rank; d++) {
    if (d == axis) continue;
    chan[n] = d < axis ? d : d - 1 + index->rank;
    size[n++] = t->dim[d];
  }
  split_into_channels(y, n, chan, size, 1);
  return y;
}

static bool varies_over_images(const View *x) {
  for (int d = 0; d < x->rank; d++)
    if (x->along[d].n && x->along[d].f[0].axis == BATCH) return true;
  return false;
}

/* Gathers along the axis of the node with these indices. */
static View *gather_by(ModelImport *im, const OnnxNode *node, const View *index) {
  const Tensor *table = constant_of(im, node, 0);
  if (table) return embedded(im, node, table, index, onnx_int(node, "axis", 0));
  const View *x = view_of(im, node, 0);
  const int axis = x ? index_axis(im, node, x, 0) : -1;
  if (axis < 0) return NULL;
  View *y = gather_along(im, x, index, axis);
  if (!y) return NULL;
  int64_t size[MOST_DIMS];
  int rank = 0, images = -1; /* images: the indices' batch dimension, if x is the same for all images */
  if (x->rank + index->rank - 1 > MOST_DIMS) return no(im, "more than 8 dimensions");
  for (int d = 0; d < axis; d++) size[rank++] = y->size[d];
  for (int d = 0; d < index->rank; d++) {
    const bool batch = index->along[d].n && index->along[d].f[0].axis == BATCH;
    if (batch && images < 0 && !varies_over_images(x)) images = d;
    size[rank++] = images == d ? 1 : index->size[d];
  }
  for (int d = axis + 1; d < y->rank; d++) size[rank++] = y->size[d];
  y = view_reshape(im, y, rank, size);
  if (!y || images < 0) return y;
  y->size[axis + images] = index->size[images];
  y->along[axis + images] = index->along[images];
  return y;
}

View *gather_computed(ModelImport *im, const OnnxNode *node) {
  const View *index = view_of(im, node, 1);
  return index ? gather_by(im, node, index) : NULL;
}

int index_of_pairs(const ModelImport *im, const OnnxNode *node) {
  if (node->nin != 2 || strcmp(node->op, "Concat") != 0 || !im->item[node->in[1]].view) return 0;
  const Tensor *t = im->item[node->in[0]].constant;
  const View *index = im->item[node->in[1]].view;
  for (int64_t i = 0; t && i < t->n; i++)
    if (tensor_integer(t, i) != 0) return 0;
  const int64_t axis = onnx_int(node, "axis", -1);
  if (!t || (axis != -1 && axis != index->rank - 1) || t->dim[t->rank - 1] != 1) return 0;
  if (index->size[index->rank - 1] != 1 || im->readers[node->out[0]] != 1) return 0;
  const OnnxNode *reader = node_reading(im, node->out[0]);
  return reader && strcmp(reader->op, "GatherND") == 0 ? node->in[1] : 0;
}

/* GatherND with one index per row: it selects along the first dimension, like Gather. */
static View *gather_first(ModelImport *im, const OnnxNode *node, const View *index) {
  bool drop[MOST_DIMS] = {false};
  drop[index->rank - 1] = true;
  return gather_by(im, node, view_without(im, index, drop)); /* the axis is 0: GatherND has no `axis` */
}

View *import_gather_nd(ModelImport *im, const OnnxNode *node) {
  if (constant_of(im, node, 1)) return parts_by_constant(im, node, constant_of(im, node, 1));
  const View *index = view_of(im, node, 1);
  if (!index) return NULL;
  const int maker = im->maker[node->in[1]];
  const bool pairs = maker >= 0 && index_of_pairs(im, &im->onnx->node[maker]);
  const int64_t batch = onnx_int(node, "batch_dims", 0);
  const bool single = index->rank > 0 && index->size[index->rank - 1] == 1;
  if (!pairs && batch == 0 && single) return gather_first(im, node, index);
  const View *x = view_of(im, node, 0);
  if (!x) return NULL;
  const bool by_image = pairs ? batch == 0 : batch == 1 && index->rank > 1 && is_one_image(index, 0);
  if (!single || !by_image || x->rank < 2 || !is_one_image(x, 0))
    return no(im, "elements selected by computed indices along several axes");
  View *y = gather_along(im, x, index, 1);
  if (!y) return NULL;
  int64_t size[MOST_DIMS];
  int rank = 0;
  if (x->rank + index->rank - 3 > MOST_DIMS) return no(im, "more than 8 dimensions");
  for (int d = 0; d + 1 < index->rank; d++) size[rank++] = index->size[d];
  for (int d = 2; d < x->rank; d++) size[rank++] = x->size[d];
  return view_reshape(im, y, rank, size);
}

/* ---- one-hot rows ---- */
/* The channels of one_hot become dimension `axis` of the view. */
static View *hot_rows(ModelImport *im, const View *x, int axis, int64_t n) {
  int pos[MOST_DIMS], npos = 0;
  for (int d = 0; d < x->rank; d++)
    if (!is_one_image(x, d)) pos[npos++] = d;
  Value *v = npos == 1 ? lay_indices(im, x, -1) : lay(im, x, 0, NULL, npos, pos, false);
  if (!v) return NULL;
  Shape to = npos == 2   ? shape_image(v->shape.dim[0], v->shape.dim[1], n)
             : npos == 1 ? shape_sequence(shape_elements(v->shape), n)
                         : shape_sequence(1, n);
  v = emit_one(im, v, to, "one_hot(%lld)", (long long)n);
  View *y = view_new(im, v, x->rank + 1);
  for (int d = 0, from = 0; d <= x->rank; d++) {
    if (d == axis) {
      view_set(y, d, to.rank - 1);
      continue;
    }
    y->size[d] = x->size[from];
    y->along[d] = x->along[from];
    for (int k = 0; k < npos; k++)
      if (pos[k] == from) view_set(y, d, k);
    from++;
  }
  return y;
}

/* The indices as integers that count from the start. Indices outside -n .. n-1, which have no 1 in their row,
 * stay outside 0 .. n-1. */
static const View *hot_from_start(ModelImport *im, const View *x, int64_t n) {
  if (x->value->counts) return x;
  if (!x->value->whole && !(x = import_truncated(im, x, TENSOR_INT64))) return NULL;
  const View *before = map_view(im, map_view(im, x, "clip(-1, 0)"), "multiply(%lld)", (long long)-n);
  return two_values(im, before, true, x, "add");
}

View *import_one_hot(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const Tensor *depth = constant_of(im, node, 1), *values = constant_of(im, node, 2);
  if (!x) return NULL;
  if (!depth || depth->n != 1 || !values || values->n != 2) return no(im, "a computed number of classes");
  int64_t axis = onnx_int(node, "axis", -1);
  if (axis < 0) axis += x->rank + 1;
  if (axis < 0 || axis > x->rank || x->rank + 1 > MOST_DIMS) return no(im, "an invalid axis");
  const int64_t n = tensor_integer(depth, 0);
  if (!im->onnx->tflite) x = hot_from_start(im, x, n);
  View *y = x ? hot_rows(im, x, (int)axis, n) : NULL;
  const double off = tensor_number(values, 0), on = tensor_number(values, 1);
  if (y && on - off != 1) y = map_view(im, y, "multiply(%s)", number_text(im->arena, on - off));
  if (y && off != 0) y = map_view(im, y, "add(%s)", number_text(im->arena, off));
  return y;
}

View *equal_to_range(ModelImport *im, const View *x, const Tensor *t) {
  int along = -1;
  if (t->n < 2 || t->rank > x->rank) return NULL;
  for (int d = 0; d < t->rank; d++)
    if (t->dim[d] > 1) along = along < 0 ? d + x->rank - t->rank : MOST_DIMS;
  if (along < 0 || along >= x->rank || x->along[along].n || x->size[along] != 1) return NULL;
  for (int64_t i = 0; i < t->n; i++)
    if (tensor_number(t, i) != (double)i) return NULL;
  bool drop[MOST_DIMS] = {false};
  drop[along] = true;
  return hot_rows(im, view_without(im, x, drop), along, t->n);
}

/* ---- integer arithmetic ---- */
View *import_mod(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const Tensor *t = constant_of(im, node, 1);
  if (!x) return NULL;
  if (!t || t->n != 1 || tensor_number(t, 0) == 0) return no(im, "a divisor other than a nonzero constant");
  if (onnx_int(node, "fmod", 0)) return no(im, "a remainder with the sign of the dividend");
  View *y = map_view(im, x, "modulo(%s)", number_text(im->arena, tensor_number(t, 0)));
  y->value->whole = x->value->whole;
  y->value->counts = y->value->whole && tensor_number(t, 0) > 0;
  return y;
}

View *import_ceil(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  if (!x) return NULL;
  return map_view(im, map_view(im, map_view(im, x, "multiply(-1)"), "floor"), "multiply(-1)");
}

/* Repeats a dimension of several elements, one copy after the other. */
static View *tiled(ModelImport *im, const View *x, int d, int64_t times) {
  View *more = view_new(im, x->value, x->rank + 1);
  int64_t size[MOST_DIMS];
  if (x->rank == MOST_DIMS) return no(im, "more than 8 dimensions");
  for (int k = 0; k < x->rank; k++) {
    const int to = k + (k >= d);
    more->size[to] = x->size[k];
    more->along[to] = x->along[k];
    size[k] = x->size[k] * (k == d ? times : 1);
  }
  more->size[d] = times;
  const View *full = view_repeated(im, more);
  return full ? view_reshape(im, full, x->rank, size) : NULL;
}

/* Tile: dimensions of one element are only broadcast. */
View *import_tile(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const Tensor *t = constant_of(im, node, 1);
  if (!x) return NULL;
  if (!t || t->n != x->rank) return no(im, "computed repeats");
  View *y = view_copy(im, x, x->value);
  for (int d = 0; d < x->rank; d++) {
    const int64_t times = tensor_integer(t, d);
    if (times == 1) continue;
    if (times < 1 || times > INT32_MAX) return no(im, "a repeated tensor (tile)");
    if (!y->along[d].n && y->size[d] == 1) y->size[d] = times;
    else if (!(y = tiled(im, y, d, times))) return NULL;
  }
  return y;
}

/* ---- GridSample ---- */
/* Samples of n images, such as the heads of an attention, each at its own places: a deformable attention in
 * which each place is a query with one point of weight 1. */
static View *samples_of_heads(ModelImport *im, const View *x, const View *grid) {
  const int64_t n = x->size[0], d = x->size[1], rows = grid->size[1], columns = grid->size[2],
                queries = rows * columns, dim[] = {queries, n};
  int channels[] = {0, 1}, pixels[] = {2, 3}, apart[] = {0, 3}, points[] = {1, 2};
  if (grid->size[0] != n) return no(im, "images and places of different numbers");
  Value *image = lay(im, x, 2, channels, 2, pixels, false),
        *at = image ? lay(im, grid, 2, apart, 2, points, false) : NULL;
  Tensor *ones = at ? constant_new(im, TENSOR_FLOAT, 2, dim) : NULL;
  if (!ones) return NULL;
  for (int64_t i = 0; i < ones->n; i++) tensor_put(ones, i, 1);
  at = reshaped(im, at, shape_sequence(queries, 2 * n)); /* from -1 .. 1 to 0 .. 1 */
  at = emit_one(im, emit_one(im, at, at->shape, "add(1)"), at->shape, "multiply(0.5)");
  Value *shares = constant_statement(im, NULL, 0, "ones", shape_sequence(queries, n), ones, true),
        *in[] = {image, at, shares};
  Value *v =
      emit(im, 3, in, shape_sequence(queries, n * d), "deformable_attention(%%1, %%2, %lld)", (long long)n);
  View *y = view_new(im, v, 4);
  const Factors along[] = {factors_one(1, d, n), factors_one(1, 1, d), factors_one(0, columns, rows),
                           factors_one(0, 1, columns)};
  for (int k = 0; k < 4; k++) {
    y->size[k] = factors_size(&along[k]);
    y->along[k] = along[k];
  }
  return y;
}

View *import_grid_sample(ModelImport *im, const OnnxNode *node) {
  const View *x = value_or_constant(im, node, 0), *grid = x ? value_or_constant(im, node, 1) : NULL;
  const char *mode = onnx_text(node, "mode", "linear"), *outside = onnx_text(node, "padding_mode", "zeros");
  if (!x || !grid) return NULL;
  if (x->rank != 4 || grid->rank != 4) return no(im, "samples of a value that is not an image");
  if (strstr(mode, "cubic")) return no(im, "bicubic samples");
  if (x->size[0] > 1 && !factors_batch(&x->along[0])) {
    if (strcmp(mode, "nearest") == 0 || strcmp(outside, "zeros") != 0 || onnx_int(node, "align_corners", 0))
      return no(im, "samples of several images that are not bilinear with zeros outside");
    return samples_of_heads(im, x, grid);
  }
  int chan = 1, pos[] = {2, 3}, last = 3, points[] = {1, 2};
  Value *image = lay(im, x, 1, &chan, 2, pos, false),
        *at = image ? lay(im, grid, 1, &last, 2, points, false) : NULL;
  if (!at) return NULL;
  Text words = {.arena = im->arena};
  text_put(&words, "%s", "");
  if (strcmp(mode, "nearest") == 0) text_put(&words, ", mode=nearest");
  if (strcmp(outside, "border") == 0) text_put(&words, ", outside=border");
  if (strcmp(outside, "reflection") == 0) text_put(&words, ", outside=reflect");
  if (onnx_int(node, "align_corners", 0)) text_put(&words, ", corners=true");
  Value *both[] = {image, at};
  const Shape to = shape_image(at->shape.dim[0], at->shape.dim[1], image->shape.dim[2]);
  return view_standard(im, emit(im, 2, both, to, "grid_sample(%%1%s)", words.s), x, 4);
}
