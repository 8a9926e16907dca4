/* ops_shape.c: Import of operators that only change the view, and of Concat. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include "import/import.h"

/* Copies the integers of a constant input or, in earlier opsets, of an attribute, and returns how many there
 * are; -1 after no(). */
static int read_integers(ModelImport *im, const OnnxNode *node, int input, const char *name, int64_t *to,
                         bool *there) {
  const Tensor *t = constant_of(im, node, input);
  const WireInts *list = onnx_ints(node, name);
  *there = t || list;
  if (given(node, input) && !t) return no(im, "%s that is computed from values", name), -1;
  const int64_t n = t ? t->n : list ? list->n : 0;
  if (n > MOST_DIMS) return no(im, "more than 8 dimensions"), -1;
  for (int i = 0; i < n; i++) to[i] = t ? tensor_integer(t, i) : list->data[i];
  return (int)n;
}

/* Reshapes an image if the new sizes keep its rows, but do not fit its width and channels. The width and the
 * channels become one axis, which can be split anywhere. NULL: not an image, or the new sizes do not keep the
 * rows. */
static View *reshape_rows(ModelImport *im, const View *x, int n, const int64_t *size) {
  const Shape from = x->value->shape;
  if (from.rank != 3) return NULL;
  const Shape to = shape_sequence(from.dim[0], from.dim[1] * from.dim[2]);
  int64_t before = 1;
  int d = 0;
  while (d < n && before < from.dim[0]) before *= size[d++];
  if (before != from.dim[0]) return NULL;
  View *rows = view_new(im, reshaped(im, x->value, to), 2);
  view_set(rows, 0, 0);
  view_set(rows, 1, 1);
  return view_reshape(im, rows, n, size);
}

/* Reshapes a value if the new sizes do not fit its axes. First tries cheaper conversions. If none of them
 * fits, the elements become a vector in the tensor's order, because a vector can be split anywhere. */
static View *reshape_unevenly(ModelImport *im, const View *x, int n, const int64_t *size) {
  int dims[MOST_DIMS];
  for (int d = 0; d < MOST_DIMS; d++) dims[d] = d;
  const View *from = x;
  if (!(x = view_repeated(im, x))) return NULL;
  View *full = x->value == from->value ? NULL : view_reshape(im, x, n, size);
  if (full) return full;
  const bool as_is = in_memory_order(x, x->rank, dims);
  const int before = im->statements.n;
  const View *laid = as_is ? NULL : view_with_channels(im, x);
  View *y = as_is ? reshape_rows(im, x, n, size) : laid ? view_reshape(im, laid, n, size) : NULL;
  if (y) return y;
  take_back(im, before);
  Value *v = lay_in_order(im, x, x->rank, dims);
  if (!v) return NULL;
  View *flat = view_new(im, reshaped(im, v, shape_vector(shape_elements(v->shape))), 1);
  view_set(flat, 0, 0);
  return view_reshape(im, flat, n, size);
}

View *import_reshape(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  int64_t size[MOST_DIMS], all = 1, others = 1;
  bool there;
  if (!x) return NULL;
  const int n = read_integers(im, node, 1, "shape", size, &there);
  if (n < 0) return NULL;
  if (!there) return no(im, "a missing shape");
  for (int d = 0; d < x->rank; d++) all *= x->size[d];
  int open = -1;
  for (int d = 0; d < n; d++) {
    if (size[d] == 0 && !onnx_int(node, "allowzero", 0) && d < x->rank) size[d] = x->size[d];
    if (size[d] == -1 && open < 0) open = d;
    else if (size[d] < 1 || size[d] > all) return no(im, "a shape with an invalid size");
    else if ((others *= size[d]) > all) break;
  }
  if (others > all || (open >= 0 && all % others))
    return no(im, "a reshape of %lld elements to parts of %lld", (long long)all, (long long)others);
  if (open >= 0) size[open] = all / others;
  View *y = view_reshape(im, x, n, size);
  return y || all != others * (open >= 0 ? size[open] : 1) ? y : reshape_unevenly(im, x, n, size);
}

View *import_flatten(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  int64_t axis = onnx_int(node, "axis", 1), size[2] = {1, 1};
  if (!x) return NULL;
  if (axis < 0) axis += x->rank;
  if (axis < 0 || axis > x->rank) return no(im, "an invalid axis");
  for (int d = 0; d < x->rank; d++) size[d >= axis] *= x->size[d];
  return view_reshape(im, x, 2, size);
}

View *import_transpose(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const WireInts *perm = onnx_ints(node, "perm");
  int from[MOST_DIMS];
  bool used[MOST_DIMS] = {false};
  if (!x) return NULL;
  if (perm && perm->n != x->rank)
    return no(im, "a permutation of %s", text_counted(im->arena, perm->n, "dimension"));
  for (int d = 0; d < x->rank; d++) {
    const int64_t at = perm ? perm->data[d] : x->rank - 1 - d;
    if (at < 0 || at >= x->rank || used[at]) return no(im, "an invalid permutation");
    used[from[d] = (int)at] = true;
  }
  return view_permute(im, x, from, x->rank);
}

View *import_squeeze(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  int64_t axes[MOST_DIMS];
  bool there, drop[MOST_DIMS] = {false};
  if (!x) return NULL;
  const int n = read_integers(im, node, 1, "axes", axes, &there);
  if (n < 0) return NULL;
  for (int d = 0; d < x->rank && !there; d++) drop[d] = x->size[d] == 1;
  for (int i = 0; i < n; i++) {
    const int64_t axis = axes[i] < 0 ? axes[i] + x->rank : axes[i];
    if (axis < 0 || axis >= x->rank || x->size[axis] != 1) return no(im, "an axis that cannot be removed");
    drop[axis] = true;
  }
  return view_without(im, x, drop);
}

View *import_unsqueeze(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  int64_t axes[MOST_DIMS];
  bool there, added[MOST_DIMS] = {false};
  if (!x) return NULL;
  const int n = read_integers(im, node, 1, "axes", axes, &there), rank = x->rank + n;
  if (n < 0) return NULL;
  if (rank > MOST_DIMS) return no(im, "more than 8 dimensions");
  for (int i = 0; i < n; i++) {
    const int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
    if (axis < 0 || axis >= rank || added[axis]) return no(im, "an axis that cannot be added");
    added[axis] = true;
  }
  View *to = view_new(im, x->value, rank);
  for (int d = 0, from = 0; d < rank; d++) {
    if (added[d]) continue;
    to->size[d] = x->size[from];
    to->along[d] = x->along[from++];
  }
  return to;
}

View *import_expand(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  int64_t size[MOST_DIMS];
  bool there;
  if (!x) return NULL;
  const int n = read_integers(im, node, 1, "shape", size, &there), rank = n > x->rank ? n : x->rank;
  if (n < 0) return NULL;
  View *to = view_new(im, x->value, rank);
  for (int d = 0; d < rank; d++) {
    const int from = d - (rank - x->rank), asked = d - (rank - n);
    const int64_t have = from < 0 ? 1 : x->size[from], want = asked < 0 ? 1 : size[asked];
    if (from >= 0) to->along[d] = x->along[from];
    if (want < 1 || want > INT32_MAX || (have != 1 && want != 1 && have != want))
      return no(im, "an invalid shape");
    to->size[d] = have > want ? have : want;
  }
  return to;
}

/* ---- concatenation ---- */
/* Whether dimension d is the batch: images, or a single element that belongs to no axis of the value. */
static bool is_batch(const View *x, int d) {
  return x->along[d].n == 0 ? x->size[d] == 1 : x->along[d].f[0].axis == BATCH;
}

/* Whether the channels of all inputs are along this dimension, and all other dimensions have the same
 * layout. */
static bool joins_channels(const ModelImport *im, const OnnxNode *node, int axis) {
  const View *first = im->item[node->in[0]].view;
  for (int i = 0; i < node->nin; i++) {
    const View *x = im->item[node->in[i]].view;
    const int c = x->value->shape.rank - 1;
    if (c != first->value->shape.rank - 1 || !factors_whole(&x->along[axis], x->value, c)) return false;
    for (int d = 0; d < x->rank; d++)
      if (d != axis && !factors_equal(&x->along[d], &first->along[d])) return false;
    for (int a = 0; a < c; a++)
      if (x->value->shape.dim[a] != first->value->shape.dim[a]) return false;
  }
  return true;
}

/* If these values are slices that contain all channels of one value, in order: that value; otherwise NULL. */
static Value *whole_of_slices(int n, Value *const *in) {
  Value *of = NULL;
  int64_t at = 0;
  for (int i = 0; i < n; i++) {
    const Statement *made = in[i]->made;
    long long from, to;
    if (!made || made->nin != 1 || sscanf(made->call, "slice(%lld..%lld)", &from, &to) != 2) return NULL;
    if ((of && made->in[0] != of) || from != at) return NULL;
    of = made->in[0];
    at = to;
  }
  return of && at == of->shape.dim[of->shape.rank - 1] ? of : NULL;
}

/* Concatenates values along an axis, at most MOST_JOINED per statement. */
Value *join_values(ModelImport *im, int n, Value **in, int axis) {
  static const char *const words[2][2] = {{"length", ""}, {"height", "width"}};
  Shape shape = in[0]->shape;
  const char *word = axis == shape.rank - 1 ? NULL : words[shape.rank - 2][axis];
  Value *whole = word ? NULL : whole_of_slices(n, in);
  if (whole) return whole;
  Value *all = in[0], **part = NEW_ARRAY(im->arena, Value *, MOST_JOINED);
  for (int done = 1; done < n;) {
    int k = 1;
    part[0] = all;
    while (k < MOST_JOINED && done < n) {
      shape.dim[axis] += in[done]->shape.dim[axis];
      part[k++] = in[done++];
    }
    all = word ? emit(im, k, part, shape, "concat(%%*, axis=%s)", word)
               : emit(im, k, part, shape, "concat(%%*)");
  }
  return join_windows_shifted(im, all);
}

/* Stacks values with equal layouts along a dimension in which each value has one element. This dimension
 * becomes channels. NULL: the layouts differ. */
static View *join_stacked(ModelImport *im, const OnnxNode *node, int axis, Value **in) {
  const View *first = im->item[node->in[0]].view;
  const int c = first->value->shape.rank - 1;
  for (int i = 0; i < node->nin; i++) {
    const View *x = im->item[node->in[i]].view;
    if (x->size[axis] != 1 || !shape_equal(x->value->shape, first->value->shape)) return NULL;
    for (int d = 0; d < x->rank; d++)
      if (x->size[d] != first->size[d] || !factors_equal(&x->along[d], &first->along[d])) return NULL;
  }
  View *to = view_copy(im, first, join_values(im, node->nin, in, c));
  to->size[axis] = node->nin;
  to->along[axis] = factors_one(c, first->value->shape.dim[c], node->nin);
  return to;
}

/* The axis along which the values are concatenated, if all values have the same layout; otherwise -1. */
static int joined_axis(const ModelImport *im, const OnnxNode *node, int axis) {
  int k = 0; /* the first value with more than one element along the axis */
  while (k + 1 < node->nin && im->item[node->in[k]].view->along[axis].n == 0) k++;
  const View *first = im->item[node->in[k]].view;
  const int rank = first->value->shape.rank;
  if (first->along[axis].n != 1) return -1;
  const int a = first->along[axis].f[0].axis;
  for (int i = 0; i < node->nin; i++) {
    const View *x = im->item[node->in[i]].view;
    if (a < 0 || x->value->shape.rank != rank || !factors_whole(&x->along[axis], x->value, a)) return -1;
    for (int d = 0; d < x->rank; d++)
      if (d != axis && !factors_equal(&x->along[d], &first->along[d])) return -1;
  }
  return a;
}

/* The layout in which values are concatenated. */
typedef struct Join {
  int chan, npos, pos[MOST_DIMS];
} Join;

/* The concatenated dimension becomes the channels if it is innermost in memory in all values, or if the first
 * value has no other channels. Otherwise, the first value's channels stay channels, and the concatenated
 * dimension becomes positions. */
static Join join_layout(const ModelImport *im, const OnnxNode *node, int axis) {
  const View *first = im->item[node->in[0]].view;
  Join last = {.chan = axis}, other = {.chan = -1};
  const int c = first->value->shape.rank - 1;
  for (int d = is_batch(first, 0) ? 1 : 0; d < first->rank; d++) {
    const Factors *along = &first->along[d];
    const bool channels = d != axis && along->n && along->f[along->n - 1].axis == c;
    if (d != axis && (first->size[d] > 1 || (axis == 1 && first->rank == 4))) last.pos[last.npos++] = d;
    if (channels && other.chan < 0) other.chan = d;
    else if (d == axis || first->size[d] > 1) other.pos[other.npos++] = d;
  }
  bool as_is = true;
  for (int i = 0; i < node->nin; i++) {
    int dims[MOST_DIMS];
    memcpy(dims, last.pos, sizeof dims);
    dims[last.npos] = axis;
    as_is = as_is && in_memory_order(im->item[node->in[i]].view, last.npos + 1, dims);
  }
  return as_is || other.chan < 0 ? last : other;
}

static View *join_laid(ModelImport *im, const OnnxNode *node, int axis, Value **in) {
  const View *first = im->item[node->in[0]].view;
  Join join_as = join_layout(im, node, axis);
  int along = join_as.npos; /* the axis along which the laid-out values are concatenated */
  for (int k = 0; k < join_as.npos; k++)
    if (join_as.pos[k] == axis) along = k;
  for (int i = 0; i < node->nin; i++) {
    const View *x = im->item[node->in[i]].view;
    in[i] = lay(im, x, 1, &join_as.chan, join_as.npos, join_as.pos, false);
    if (!in[i]) return NULL;
    for (int a = 0; a <= join_as.npos; a++)
      if (a != along && in[i]->shape.dim[a] != in[0]->shape.dim[a])
        return no(im, "a concat of values with different sizes");
  }
  Value *v = join_values(im, node->nin, in, along);
  return view_laid(im, first, v, join_as.chan, join_as.npos, join_as.pos);
}

/* The same tensor, laid out so that no dimension combines several axes; x if no dimension is the channels. */
static View *plain_view(ModelImport *im, View *x) {
  const int c = x->value->shape.rank - 1;
  int chan = -1, pos[MOST_DIMS], npos = 0;
  bool plain = true;
  for (int d = is_batch(x, 0) ? 1 : 0; d < x->rank; d++) {
    plain = plain && x->along[d].n < 2;
    if (x->along[d].n && x->along[d].f[0].axis == c) chan = d;
  }
  if (plain || chan < 0) return x;
  for (int d = 0; d < x->rank; d++)
    if (d != chan && x->along[d].n && !is_batch(x, d)) pos[npos++] = d;
  Value *v = lay(im, x, 1, &chan, npos, pos, true);
  return v ? view_laid(im, x, v, chan, npos, pos) : NULL;
}

/* Converts constant operands to values, in the layout of the other operands: of one that has several elements
 * along the axis, if there is one. */
static bool constants_as_values(ModelImport *im, const OnnxNode *node, int axis) {
  View *like = NULL;
  bool any = false;
  for (int i = 0; i < node->nin; i++) any = any || constant_of(im, node, i);
  for (int i = 0; any && i < node->nin; i++) {
    Item *item = given(node, i) ? &im->item[node->in[i]] : NULL;
    if (!item || !item->view || item->constant) continue;
    if (!(item->view = plain_view(im, item->view))) return false;
    if (!like || (axis >= 0 && axis < like->rank && !like->along[axis].n)) like = item->view;
  }
  for (int i = 0; like && i < node->nin; i++) {
    const Tensor *t = constant_of(im, node, i);
    View *view = t ? constant_view(im, node, i, t, like) : NULL;
    if (t && !view) return false;
    if (t) im->item[node->in[i]].view = view;
  }
  return true;
}

/* Materializes broadcast operands: a concat reads stored elements. */
static bool store_repeated(ModelImport *im, const OnnxNode *node) {
  for (int i = 0; i < node->nin; i++) {
    Item *item = &im->item[node->in[i]];
    if (item->view && !(item->view = view_repeated(im, item->view))) return false;
  }
  return true;
}

/* A copy of the node without those inputs that are empty constants. */
static const OnnxNode *without_empty(ModelImport *im, const OnnxNode *node) {
  OnnxNode *to = NEW(im->arena, OnnxNode);
  *to = *node;
  to->in = NEW_ARRAY(im->arena, int, node->nin + 1);
  to->nin = 0;
  for (int i = 0; i < node->nin; i++) {
    const Tensor *t = constant_of(im, node, i);
    if (!t || t->n) to->in[to->nin++] = node->in[i];
  }
  return to;
}

/* The axis of a Concat; -1: the axis is invalid, or no operand is a value. */
static int concat_axis(const ModelImport *im, const OnnxNode *node) {
  const int64_t axis = onnx_int(node, "axis", 1);
  for (int i = 0; i < node->nin; i++) {
    const View *x = im->item[node->in[i]].view;
    if (x && axis >= -x->rank && axis < x->rank) return (int)(axis < 0 ? axis + x->rank : axis);
  }
  return -1;
}

static View *concatenated(ModelImport *im, const OnnxNode *whole) {
  const OnnxNode *node = without_empty(im, whole);
  Value **in = NEW_ARRAY(im->arena, Value *, node->nin + 1);
  const View *first = NULL;
  const int index = index_of_pairs(im, node);
  if (index) return view_copy(im, im->item[index].view, im->item[index].view->value);
  const int axis = concat_axis(im, node);
  if (!store_repeated(im, node) || !constants_as_values(im, node, axis)) return NULL;
  for (int i = 0; i < node->nin; i++) {
    const View *x = im->item[node->in[i]].view;
    if (!x) return no(im, given(node, i) ? "a constant where a value is expected" : "an input is missing");
    if (first && x->rank != first->rank) return no(im, "a concat of values with different ranks");
    in[i] = x->value;
    first = first ? first : x;
  }
  if (!first) return no(im, "a concat without operands");
  if (axis < 0) return no(im, "an invalid axis");
  if (node->nin == 1) return view_copy(im, first, first->value);
  for (int i = 0; i < node->nin && axis == 0; i++) /* the batch cannot be concatenated */
    if (im->item[node->in[i]].view->along[0].n && is_batch(im->item[node->in[i]].view, 0))
      return no(im, "a concat over the batch");
  const int a = joins_channels(im, node, axis) ? first->value->shape.rank - 1 : joined_axis(im, node, axis);
  if (a < 0) {
    View *stacked = join_stacked(im, node, axis, in);
    return stacked ? stacked : join_laid(im, node, axis, in);
  }
  View *to = view_copy(im, first, join_values(im, node->nin, in, a));
  view_set(to, axis, a);
  return to;
}

View *import_concat(ModelImport *im, const OnnxNode *node) { return rotary_of(im, concatenated(im, node)); }
