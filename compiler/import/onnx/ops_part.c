/* ops_part.c: Import of parts of values along a dimension: Slice, Split, and Gather if its indices are
 * constant. */
// SPDX-License-Identifier: Apache-2.0
#include "import/import.h"

/* ---- slices along a dimension ---- */
static View *part_of_axis(ModelImport *im, const View *x, int d, int64_t low, int64_t high, int64_t step);

/* Like part_of_axis, for a dimension that is a part of an axis: the value is reshaped first. */
static View *part_of_part(ModelImport *im, const View *x, int d, int64_t low, int64_t high, int64_t step,
                          const char *why) {
  const View *apart = view_with_axis(im, x, d);
  return apart ? part_of_axis(im, apart, d, low, high, step) : no(im, "%s", why);
}

static View *part_of_axis(ModelImport *im, const View *x, int d, int64_t low, int64_t high, int64_t step) {
  Factor f = x->along[d].f[0];
  const int64_t channels = x->value->shape.dim[x->value->shape.rank - 1];
  if (f.axis == x->value->shape.rank - 1 && f.inner * f.size < channels) {
    x = view_split_channels(im, x, f.inner * f.size);
    if (!x) return no(im, "a slice of a dimension that is part of the channels");
    f = x->along[d].f[0];
  }
  Value *v = x->value;
  const int c = v->shape.rank - 1;
  Shape to = v->shape;
  View *view = view_copy(im, x, v);
  if (f.axis == BATCH) return no(im, "a slice of the batch");
  if (f.axis == c) {
    if (step != 1) return no(im, "a slice of channels with a step");
    if (f.size * f.inner != v->shape.dim[c])
      return part_of_part(im, x, d, low, high, step, "a slice of a dimension that is part of the channels");
    to.dim[c] = (high - low) * f.inner;
    view->value =
        emit_one(im, v, to, "slice(%lld..%lld)", (long long)(low * f.inner), (long long)(high * f.inner));
    view->size[d] = high - low;
    view->along[d] = factors_one(c, f.inner, high - low);
    return view;
  }
  if (f.size * f.inner != v->shape.dim[f.axis] || (f.inner != 1 && step != 1))
    return part_of_part(im, x, d, low, high, step, "a slice of a dimension that is part of an axis");
  if (low != 0 || high != f.size) {
    Text cut = {.arena = im->arena};
    text_put(&cut, "[");
    for (int a = 0; a < c; a++)
      text_put(&cut, "%s%lld, %lld", a ? ", " : "", (long long)(a == f.axis ? low * f.inner : 0),
               (long long)(a == f.axis ? (f.size - high) * f.inner : 0));
    to.dim[f.axis] = (high - low) * f.inner;
    view->value = emit_one(im, v, to, "crop(%s])", cut.s);
  }
  if (f.inner != 1) {
    view->size[d] = high - low;
    view->along[d] = factors_one(f.axis, f.inner, high - low);
    return view;
  }
  if (step > 1) {
    to.dim[f.axis] = (high - low + step - 1) / step;
    const long long s = step;
    if (c == 1) view->value = emit_one(im, view->value, to, "maxpool(1, stride=%lld)", s);
    else
      view->value = emit_one(im, view->value, to, "maxpool(1x1, stride=%lldx%lld)", f.axis == 0 ? s : 1LL,
                             f.axis == 1 ? s : 1LL);
  }
  view_set(view, d, f.axis);
  return view;
}

/* A view of a sequence that was a two-dimensional tensor without a batch in the model. */
static View *table_view(ModelImport *im, Value *v, const View *like) {
  View *to = view_copy(im, like, v);
  for (int d = 0; d < 2; d++) view_set(to, d, d);
  return to;
}

const View *view_with_channels(ModelImport *im, const View *x) {
  const int c = x->value->shape.rank - 1;
  int chan = -1, pos[MOST_DIMS], npos = 0;
  for (int d = 0; d < x->rank; d++) {
    if (factors_whole(&x->along[d], x->value, c)) chan = d;
    else if (x->along[d].n && x->along[d].f[0].axis != BATCH) pos[npos++] = d;
  }
  Value *v = chan >= 0 && npos < 3 ? lay(im, x, 1, &chan, npos, pos, false) : NULL;
  return v ? view_laid(im, x, v, chan, npos, pos) : NULL;
}

/* Whether dimension d shares an axis of positions with other dimensions, such as rows with columns. */
static bool is_part_of_positions(const View *x, int d) {
  const Factor *f = x->along[d].n == 1 ? &x->along[d].f[0] : NULL;
  if (!f || f->axis == BATCH || f->axis == x->value->shape.rank - 1) return false;
  return f->inner * f->size <= x->value->shape.dim[f->axis] && f->size < x->value->shape.dim[f->axis];
}

/* A view of the same tensor in which dimension d has a single Factor; NULL after no(). */
static const View *along_one_factor(ModelImport *im, const View *x, int d) {
  const bool mixed = x->along[d].n > 1 && x->along[d].f[0].axis != x->along[d].f[1].axis;
  const View *laid = mixed || is_part_of_positions(x, d) ? view_with_channels(im, x) : NULL;
  if (laid && !mixed) return laid;
  if (laid) return along_one_factor(im, laid, d);
  const bool whole = x->along[d].n == 1 && x->along[d].f[0].size == x->size[d];
  if (!whole && x->along[d].n > 0 && x->rank >= 2 &&
      x->rank <= 4) { /* stores the elements in the order of the view */
    const bool table = x->rank == 2 && x->along[0].n && !factors_batch(&x->along[0]);
    const int dims[] = {0, 1};
    Value *v = table ? lay_in_order(im, x, 2, dims) : lay_standard(im, x);
    if (!v) return NULL;
    x = table ? table_view(im, v, x) : view_standard(im, v, x, x->rank);
  }
  if (x->along[d].n != 1 || x->along[d].f[0].size != x->size[d])
    return no(im, "a slice of a dimension made of several axes");
  return x;
}

/* Repeats the only element of a dimension n times. */
static View *repeat_axis(ModelImport *im, const View *x, int d, int64_t n) {
  View *to = view_copy(im, x, x->value);
  to->size[d] = n;
  return to;
}

View *cut_axis(ModelImport *im, const View *x, int d, int64_t low, int64_t high, int64_t step) {
  const int64_t n = x->size[d];
  if (low == 0 && high >= n && step == 1) return view_copy(im, x, x->value);
  if (high > n) high = n;
  if (low >= high) return no(im, "a slice without elements");
  if (x->along[d].n == 0) return repeat_axis(im, x, d, (high - low + step - 1) / step);
  if (step > n) step = n; /* a larger step also selects only the first element */
  x = along_one_factor(im, x, d);
  return x ? part_of_axis(im, x, d, low, high, step) : NULL;
}

/* ---- elements in any order ---- */
enum { MOST_RUNS = 32, MOST_SELECTION = 1 << 24 };

/* Number of consecutive indices at the start of `at`. */
static int64_t run_length(int64_t n, const int64_t *at) {
  int64_t length = 1;
  while (length < n && at[length] == at[length - 1] + 1) length++;
  return length;
}

/* Concatenates runs of consecutive elements. */
static View *joined_runs(ModelImport *im, const View *x, int d, int64_t n, const int64_t *at) {
  Value *part[MOST_RUNS];
  int parts = 0;
  x = along_one_factor(im, x, d);
  if (!x) return NULL;
  const Factor f = x->along[d].f[0];
  if (f.axis == x->value->shape.rank - 1 && f.inner * f.size != x->value->shape.dim[f.axis]) {
    x = view_split_channels(im, x, f.size * f.inner);
    return x ? joined_runs(im, x, d, n, at) : no(im, "a slice of a dimension that is part of the channels");
  }
  if (f.axis != x->value->shape.rank - 1 && (f.inner != 1 || f.size != x->value->shape.dim[f.axis]))
    return no(im, "a slice of a dimension that is part of an axis");
  for (int64_t i = 0, run; i < n; i += run) {
    run = run_length(n - i, at + i);
    const View *y = cut_axis(im, x, d, at[i], at[i] + run, 1);
    if (!y) return NULL;
    part[parts++] = y->value;
  }
  View *to = view_copy(im, x, join_values(im, parts, part, f.axis));
  to->size[d] = n;
  to->along[d] = factors_one(f.axis, f.inner, n);
  return to;
}

Value *frozen_product(ModelImport *im, const OnnxNode *node, Value *v, const Tensor *w) {
  const int npos = v->shape.rank - 1;
  const int64_t dim[] = {w->dim[0], w->dim[1], 1, 1};
  const char *layer = layer_of(im, node, -1), *kernel = npos == 0 ? "" : npos == 1 ? ", 1" : ", 1x1";
  Shape to = v->shape;
  to.dim[npos] = w->dim[0];
  v = emit_one(im, v, to, "%s(%lld%s, bias=false, frozen=true, name=\"%s\")", npos ? "conv" : "dense",
               (long long)w->dim[0], kernel, layer);
  put_weight(im, layer, "weight", w, npos ? 2 + npos : 2, dim);
  return v;
}

/* Selects elements of a dimension: lays out the dimension as channels, and multiplies these by a matrix of
 * zeros and ones. */
static View *times_selection(ModelImport *im, const OnnxNode *node, const View *x, int d, int64_t n,
                             const int64_t *at) {
  const int64_t of = x->size[d], dim[] = {n, of};
  int pos[MOST_DIMS], npos;
  if (n > MOST_SELECTION / of) return no(im, "%lld permuted elements", (long long)n);
  Value *v = lay_channels(im, x, d, &npos, pos);
  Tensor *w = v ? constant_new(im, TENSOR_FLOAT, 2, dim) : NULL;
  if (!w) return NULL;
  for (int64_t i = 0; i < n; i++) tensor_put(w, i * of + at[i], 1);
  return view_laid(im, x, frozen_product(im, node, v, w), d, npos, pos);
}

/* Selects overlapping frames: at[t*size + i] is t*step + i. NULL: `at` has another order, or after no(). */
static View *overlapping_frames(ModelImport *im, const View *x, int d, int64_t n, const int64_t *at) {
  const int64_t size = run_length(n, at), frames = n / size, step = at[size < n ? size : 0];
  if (at[0] != 0 || step < 1 || step > size || n % size) return NULL;
  for (int64_t i = 0; i < n; i++)
    if (at[i] != i / size * step + i % size) return NULL;
  int chan[MOST_DIMS], nchan = 0, pos[] = {d};
  for (int k = 0; k < x->rank; k++)
    if (k != d && x->along[k].n && !factors_batch(&x->along[k])) chan[nchan++] = k;
  if (nchan > 1) return NULL;
  Value *v = lay(im, x, nchan, chan, 1, pos, false);
  if (!v) return NULL;
  const int64_t most = (v->shape.dim[0] - size) / step + 1, c = v->shape.dim[1];
  v = emit_one(im, v, shape_sequence(size, c), "unfold(%lld, step=%lld)", (long long)size, (long long)step);
  value_of_regions(im, v, most);
  v = emit_one(im, v, shape_image(most, size, c), "join_rows");
  v->regions = 0;
  if (frames < most)
    v = emit_one(im, v, shape_image(frames, size, c), "crop([0, %lld, 0, 0])", (long long)(most - frames));
  View *y = view_copy(im, x, v);
  if (nchan) view_set(y, chan[0], 2);
  y->size[d] = n;
  y->along[d] = factors_one(0, 1, frames);
  factors_push(&y->along[d], (Factor){1, 1, size});
  return y;
}

/* Selects the elements with the n indices `at` along a dimension, in this order. */
static View *select_axis(ModelImport *im, const OnnxNode *node, const View *x, int d, int64_t n,
                         const int64_t *at) {
  int64_t runs = 0;
  for (int64_t i = 0; i < n; i += run_length(n - i, at + i)) runs++;
  if (runs == 1) return cut_axis(im, x, d, at[0], at[0] + n, 1);
  if (x->along[d].n == 0) return repeat_axis(im, x, d, n);
  for (int i = 0; i < x->along[d].n; i++)
    if (x->along[d].f[i].axis == BATCH) return no(im, "a slice of the batch");
  if (runs <= MOST_RUNS) return joined_runs(im, x, d, n, at);
  View *frames = overlapping_frames(im, x, d, n, at);
  return frames || im->why ? frames : times_selection(im, node, x, d, n, at);
}

/* ---- operators ---- */
typedef struct Bounds {
  int n;
  int64_t start[MOST_DIMS], end[MOST_DIMS], axis[MOST_DIMS], step[MOST_DIMS];
} Bounds;

static bool bounds_list(ModelImport *im, const OnnxNode *node, int input, const char *name, int *n,
                        int64_t *to) {
  const Tensor *t = constant_of(im, node, input);
  const WireInts *list = onnx_ints(node, name);
  if (given(node, input) && !t) return no(im, "computed bounds"), false;
  if (!t && !list) return true;
  const int64_t many = t ? t->n : list->n;
  if (many > MOST_DIMS || (*n >= 0 && many != *n)) return no(im, "more or fewer bounds than axes"), false;
  *n = (int)many;
  for (int i = 0; i < *n; i++) to[i] = t ? tensor_integer(t, i) : list->data[i];
  return true;
}

/* Selects from `start` to `end` (exclusive), with a positive or negative step. A negative start or end
 * counts from the end. */
static View *slice_axis(ModelImport *im, const OnnxNode *node, const View *x, int d, int64_t start,
                        int64_t end, int64_t step) {
  const int64_t size = x->size[d], least = step < 0 ? -1 : 0, most = step < 0 ? size - 1 : size;
  if (step == 0) return no(im, "a slice whose step is 0");
  if (start < 0) start += size;
  if (end < 0) end += size;
  start = start < 0 ? 0 : start > most ? most : start;
  end = end < least ? least : end > size ? size : end;
  const Factors *along = &x->along[d];
  const bool channels = along->n && along->f[along->n - 1].axis == x->value->shape.rank - 1;
  if (step == 1 || (step > 0 && !channels)) return cut_axis(im, x, d, start, end, step);
  if (step > size) step = size;
  if (step < -size) step = -size;
  const int64_t far = step < 0 ? start - end : end - start, by = step < 0 ? -step : step;
  if (far <= 0) return no(im, "a slice without elements");
  const int64_t n = (far + by - 1) / by;
  if (!may_compute(im, sizeof(int64_t) * (size_t)n)) return NULL;
  int64_t *at = NEW_ARRAY(im->arena, int64_t, n);
  for (int64_t i = 0; i < n; i++) at[i] = start + i * step;
  return select_axis(im, node, x, d, n, at);
}

View *import_slice(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  Bounds b = {.n = -1};
  for (int i = 0; i < MOST_DIMS; i++) b.axis[i] = i, b.step[i] = 1;
  if (!x || !bounds_list(im, node, 1, "starts", &b.n, b.start) ||
      !bounds_list(im, node, 2, "ends", &b.n, b.end) || !bounds_list(im, node, 3, "axes", &b.n, b.axis) ||
      !bounds_list(im, node, 4, "steps", &b.n, b.step))
    return NULL;
  View *y = view_copy(im, x, x->value);
  for (int i = 0; i < b.n && y; i++) {
    const int64_t d = b.axis[i] < 0 ? b.axis[i] + x->rank : b.axis[i];
    if (d < 0 || d >= x->rank) return no(im, "an invalid axis");
    y = slice_axis(im, node, y, (int)d, b.start[i], b.end[i], b.step[i]);
  }
  return y;
}

/* Emits a slice for each part that is used. Returns the view of the node's first output, and stores the views
 * of the node's other outputs in im->item. */
View *import_split(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const Tensor *t = constant_of(im, node, 1);
  const WireInts *list = onnx_ints(node, "split");
  if (!x) return NULL;
  int64_t axis = onnx_int(node, "axis", 0), at = 0;
  if (axis < 0) axis += x->rank;
  if (axis < 0 || axis >= x->rank) return no(im, "an invalid axis");
  if (given(node, 1) && !t) return no(im, "computed split sizes");
  const int64_t n = x->size[axis], parts = node->nout, each = (n + parts - 1) / parts;
  if ((t && t->n != parts) || (!t && list && list->n != parts))
    return no(im, "more or fewer split sizes than outputs");
  View *first = NULL;
  for (int i = 0; i < node->nout; i++) {
    int64_t size = t ? tensor_integer(t, i) : list ? list->data[i] : each;
    if (size > n - at && !t && !list) size = n - at;
    if (size < 1) return no(im, "an empty part");
    if (size > n - at || (i == node->nout - 1 && size < n - at))
      return no(im, "split sizes whose sum is not the axis size");
    const bool used = node->out[i] && (im->readers[node->out[i]] || im->wanted[node->out[i]]);
    View *part = used ? cut_axis(im, x, (int)axis, at, at + size, 1) : NULL;
    if (used && !part) return NULL;
    if (i == 0) first = used ? part : view_copy(im, x, x->value);
    else if (used) im->item[node->out[i]].view = part;
    at += size;
  }
  return first;
}

View *import_gather(ModelImport *im, const OnnxNode *node) {
  const Tensor *index = constant_of(im, node, 1);
  if (!index) return gather_computed(im, node);
  const View *x = view_of(im, node, 0);
  if (!x) return NULL;
  if (index->n == 0) return no(im, "an empty index");
  int64_t axis = onnx_int(node, "axis", 0);
  if (axis < 0) axis += x->rank;
  if (axis < 0 || axis >= x->rank) return no(im, "an invalid axis");
  const int64_t n = x->size[axis];
  if (!may_compute(im, sizeof(int64_t) * (size_t)index->n)) return NULL;
  int64_t *at = NEW_ARRAY(im->arena, int64_t, index->n);
  for (int64_t i = 0; i < index->n; i++) {
    at[i] = tensor_integer(index, i);
    if (at[i] < 0) at[i] += n;
    if (at[i] < 0 || at[i] >= n) return no(im, "an index out of range");
  }
  View *y = select_axis(im, node, x, (int)axis, index->n, at);
  if (!y || index->rank == 1) return y;
  bool drop[MOST_DIMS] = {false};
  drop[axis] = index->rank == 0;
  if (index->rank == 0) return view_without(im, y, drop);
  int64_t size[MOST_DIMS];
  int rank = 0;
  if (x->rank + index->rank - 1 > MOST_DIMS) return no(im, "more than 8 dimensions");
  for (int d = 0; d < axis; d++) size[rank++] = y->size[d];
  for (int d = 0; d < index->rank; d++) size[rank++] = index->dim[d];
  for (int64_t d = axis + 1; d < y->rank; d++) size[rank++] = y->size[d];
  return view_reshape(im, y, rank, size);
}
