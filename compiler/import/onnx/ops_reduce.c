/* ops_reduce.c: Import of reductions (such as means, maxima and sums) over any dimensions except the batch,
 * and of LpNormalization. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/import.h"

typedef struct Reduction {
  /* before: the operator applied to each number before the reduction; NULL: none. pixels and channels: the
   * operators that reduce positions and channels */
  const char *op, *before, *pixels, *channels;
  bool sum; /* the mean is multiplied by the number of elements */
  const char *after;
} Reduction;
static const Reduction reductions[] = {
    {"ReduceMean", NULL, "global_avgpool", "channel_mean", false, NULL},
    {"ReduceMax", NULL, "global_maxpool", "channel_max", false, NULL},
    {"ReduceMin", "multiply(-1)", "global_maxpool", "channel_max", false, "multiply(-1)"},
    {"ReduceSum", NULL, "global_avgpool", "channel_mean", true, NULL},
    {"ReduceL1", "abs", "global_avgpool", "channel_mean", true, NULL},
    {"ReduceL2", "square", "global_avgpool", "channel_mean", true, "sqrt"},
    {"ReduceSumSquare", "square", "global_avgpool", "channel_mean", true, NULL},
    {"ReduceLogSum", NULL, "global_avgpool", "channel_mean", true, "log"},
    {NULL, NULL, NULL, NULL, false, NULL},
};

bool reduced_axes(ModelImport *im, const OnnxNode *node, int input, int rank, bool *over) {
  const Tensor *t = constant_of(im, node, input);
  const WireInts *list = onnx_ints(node, "axes");
  if (given(node, input) && !t) return no(im, "computed axes"), false;
  const int64_t n = t ? t->n : list ? list->n : 0;
  const bool all = n == 0 && !onnx_int(node, "noop_with_empty_axes", 0);
  for (int d = 0; d < rank; d++) over[d] = all;
  for (int64_t i = 0; i < n; i++) {
    int64_t axis = t ? tensor_integer(t, i) : list->data[i];
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) return no(im, "an invalid axis"), false;
    over[axis] = true;
  }
  return true;
}

/* The reduced dimensions of a view, and a layout in which they can be reduced. */
typedef struct Over {
  bool dim[MOST_DIMS];
  int channels; /* the channel dimension, if it is reduced; otherwise -1 */
  /* chan: `channels`, and the dimensions that are not reduced, except the batch; pos: reduced positions */
  int chan[MOST_DIMS], pos[MOST_DIMS], nchan, npos;
  int kept; /* a dimension of positions that is kept while `pos` is reduced; -1: none */
} Over;

static bool look(ModelImport *im, const View *x, Over *over) {
  const int c = x->value->shape.rank - 1;
  over->channels = over->kept = -1;
  for (int d = 0; d < x->rank; d++) {
    const Factors *along = &x->along[d];
    bool channels = false, batch = false;
    for (int i = 0; i < along->n; i++) {
      channels = channels || along->f[i].axis == c;
      batch = batch || along->f[i].axis == BATCH;
    }
    if (over->dim[d] && channels) {
      if (!factors_whole(along, x->value, c)) return no(im, "a reduction over a part of the channels"), false;
      over->channels = d;
      over->chan[over->nchan++] = d;
    } else if (over->dim[d] && along->n) over->pos[over->npos++] = d;
    else if (along->n && !batch) over->chan[over->nchan++] = d;
  }
  for (int d = 0; d < x->rank && over->npos; d++) {
    bool spatial = x->along[d].n > 0 && !over->dim[d];
    for (int i = 0; i < x->along[d].n; i++)
      spatial = spatial && x->along[d].f[i].axis != c && x->along[d].f[i].axis != BATCH;
    if (spatial && (over->kept >= 0 || over->npos > 1))
      return no(im, "a reduction over only some of the spatial axes"), false;
    if (spatial) over->kept = d;
  }
  return true;
}

/* Returns x in another layout, if x has three or four dimensions and a reduced dimension is only a part of
 * the value's channels. The channels become the second dimension of the view or, in a tensor without a batch,
 * the reduced dimension. Otherwise returns x. */
static const View *with_whole_channels(ModelImport *im, const View *x, const bool *over) {
  const int c = x->value->shape.rank - 1;
  bool cuts = false;
  for (int d = 0; d < x->rank; d++)
    for (int i = 0; over[d] && i < x->along[d].n; i++)
      cuts = cuts || (x->along[d].f[i].axis == c && !factors_whole(&x->along[d], x->value, c));
  if (!cuts || x->rank < 3 || x->rank > 4) return x;
  int axis = -1, reduced = 0, npos, pos[MOST_DIMS];
  for (int d = 0; d < x->rank; d++)
    if (over[d] && x->along[d].n) axis = d, reduced++;
  if (reduced == 1 && x->along[0].n && !factors_batch(&x->along[0])) { /* a tensor without a batch */
    Value *v = lay_channels(im, x, axis, &npos, pos);
    return v ? view_laid(im, x, v, axis, npos, pos) : NULL;
  }
  Value *v = lay_standard(im, x);
  return v ? view_standard(im, v, x, x->rank) : NULL;
}

static View *over_positions(ModelImport *im, const View *x, Over *over, const char *word) {
  View *y = view_copy(im, x, x->value);
  Value *v = lay(im, x, over->nchan, over->chan, over->npos, over->pos, true);
  if (!v) return NULL;
  const int64_t n = v->shape.dim[v->shape.rank - 1];
  if (v->shape.rank > 1)
    v = emit_one(im, v, v->shape.rank == 3 ? shape_image(1, 1, n) : shape_vector(n), "%s", word);
  y->value = v;
  int64_t inner = 1;
  for (int i = over->nchan - 1; i >= 0; i--) { /* the last dimension is innermost in memory */
    const int d = over->chan[i];
    y->along[d] = factors_one(v->shape.rank - 1, inner, x->size[d]);
    inner *= x->size[d];
  }
  for (int i = 0; i < over->npos; i++) y->size[over->pos[i]] = 1, y->along[over->pos[i]].n = 0;
  return y;
}

/* Reduces one of the two axes of an image, with a pool whose window covers this axis. */
static View *over_one_axis(ModelImport *im, const View *x, const Over *over, const char *word) {
  int pos[2] = {over->kept, over->pos[0]}, chan = -1, nchan = 0;
  for (int i = 0; i < over->nchan; i++)
    if (over->chan[i] != over->kept) chan = over->chan[i], nchan++;
  if (nchan > 1) return no(im, "a reduction over only one of two spatial axes");
  Value *v = lay(im, x, nchan, &chan, 2, pos, true);
  if (!v) return NULL;
  const int axis = pos[1] == over->kept ? 0 : 1;
  Shape to = v->shape;
  const long long n = (long long)to.dim[axis];
  to.dim[axis] = 1;
  word = strcmp(word, "global_avgpool") == 0 ? "avgpool" : "maxpool";
  v = axis ? emit_one(im, v, to, "%s(1x%lld)", word, n) : emit_one(im, v, to, "%s(%lldx1)", word, n);
  View *y = view_copy(im, x, v);
  y->size[over->pos[0]] = 1;
  y->along[over->pos[0]].n = 0;
  view_set(y, over->kept, 1 - axis);
  if (nchan) view_set(y, chan, 2);
  return y;
}

static View *over_channels(ModelImport *im, const View *x, int axis, const char *word) {
  int pos[MOST_DIMS], npos;
  Value *v = lay_channels(im, x, axis, &npos, pos);
  if (!v) return NULL;
  Shape to = v->shape;
  to.dim[to.rank - 1] = 1;
  return view_laid(im, x, emit_one(im, v, to, "%s", word), axis, npos, pos);
}

enum { MOST_PARTS = 16 };

/* For a ReduceSum over one dimension that divides the channels into a few parts: the sum of these parts.
 * Otherwise NULL. */
static View *over_parts(ModelImport *im, const OnnxNode *node, const View *x, const bool *over) {
  const int c = x->value->shape.rank - 1;
  int axis = -1;
  for (int d = 0; d < x->rank; d++)
    if (over[d] && x->size[d] > 1) axis = axis < 0 ? d : MOST_DIMS;
  if (strcmp(node->op, "ReduceSum") != 0 || axis < 0 || axis == MOST_DIMS || x->along[axis].n != 1)
    return NULL;
  const Factor f = x->along[axis].f[0];
  if (f.axis != c || f.size != x->size[axis] || f.size > MOST_PARTS || f.inner < 2 ||
      f.size * f.inner != x->value->shape.dim[c])
    return NULL;
  Shape to = x->value->shape;
  Value *part[MOST_PARTS];
  to.dim[c] = f.inner;
  for (long long k = 0, n = (long long)f.inner; k < f.size; k++)
    part[k] = emit_one(im, x->value, to, "slice(%lld..%lld)", k * n, (k + 1) * n);
  View *y = view_copy(im, x, emit(im, (int)f.size, part, to, "add(%%*)"));
  y->size[axis] = 1;
  y->along[axis].n = 0;
  return y;
}

/* Reduces positions and channels, each with its own operator. NULL: not possible. */
static View *over_axes(ModelImport *im, const View *x, Over *over, const Reduction *row) {
  if (!(x = with_whole_channels(im, x, over->dim)) || !look(im, x, over)) return NULL;
  View *y = row->before ? map_view(im, x, "%s", row->before) : view_copy(im, x, x->value);
  if (over->kept >= 0) y = over_one_axis(im, y, over, row->pixels);
  else if (over->npos) y = over_positions(im, y, over, row->pixels);
  return y && over->channels >= 0 ? over_channels(im, y, over->channels, row->channels) : y;
}

/* Lays out all reduced dimensions as channels and the others as positions, then reduces the channels. */
static View *over_any(ModelImport *im, const View *x, const bool *over, const Reduction *row) {
  if (!(x = view_repeated(im, x))) return NULL;
  View *flat = view_new(im, x->value, 2);
  int chan = 1, pos = 0;
  for (int d = 0; d < x->rank; d++) {
    if (factors_batch(&x->along[d])) continue;
    flat->size[over[d]] *= x->size[d];
    for (int i = 0; i < x->along[d].n; i++) factors_push(&flat->along[over[d]], x->along[d].f[i]);
  }
  Value *v = lay(im, flat, 1, &chan, 1, &pos, false);
  if (!v) return NULL;
  if (row->before) v = emit_one(im, v, v->shape, "%s", row->before);
  View *y = view_copy(im, x, emit_one(im, v, shape_sequence(v->shape.dim[0], 1), "%s", row->channels));
  int64_t inner = 1;
  for (int d = x->rank - 1; d >= 0; d--) {
    if (over[d] || factors_batch(&x->along[d])) continue;
    y->along[d] = factors_one(0, inner, x->size[d]);
    inner *= x->size[d];
  }
  return y;
}

View *import_reduce(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const Reduction *row = reductions;
  Over over = {.channels = -1};
  int64_t count = 1;
  bool any = false;
  while (row->op && strcmp(row->op, node->op) != 0) row++;
  if (!x || !row->op || !reduced_axes(im, node, 1, x->rank, over.dim)) return NULL;
  for (int d = 0; d < x->rank; d++) {
    any = any || over.dim[d];
    if (over.dim[d] && factors_batch(&x->along[d])) return no(im, "a reduction over the batch");
    if (over.dim[d]) count *= x->size[d];
  }
  if (!any) return view_copy(im, x, x->value);
  View *parts = over_parts(im, node, x, over.dim);
  if (parts) return onnx_int(node, "keepdims", 1) ? parts : view_without(im, parts, over.dim);
  const int before = im->statements.n;
  View *y = over_axes(im, x, &over, row);
  if (!y) {
    take_back(im, before);
    y = over_any(im, x, over.dim, row);
  }
  if (y && row->sum && count > 1) y = map_view(im, y, "multiply(%lld)", (long long)count);
  if (y && row->after) y = map_view(im, y, "%s", row->after);
  if (!y) return NULL;
  for (int d = 0; d < x->rank; d++)
    if (over.dim[d]) y->size[d] = 1, y->along[d].n = 0;
  return onnx_int(node, "keepdims", 1) ? y : view_without(im, y, over.dim);
}

/* x / max(|x|, epsilon), where |x| is the L2 norm along one dimension. */
View *import_l2norm(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  int pos[MOST_DIMS], npos;
  if (!x) return NULL;
  int64_t axis = onnx_int(node, "axis", -1);
  if (axis < 0) axis += x->rank;
  if (axis < 0 || axis >= x->rank) return no(im, "an invalid axis");
  if (onnx_int(node, "p", 2) != 2) return no(im, "a norm other than the L2 norm");
  const double epsilon = onnx_float(node, "cnnc_epsilon", 1e-12);
  if (!(epsilon >= 1e-30 && epsilon <= 1e6)) return no(im, "an L2 norm with the epsilon %g", epsilon);
  const char *least = arena_printf(im->arena, "epsilon=%s", number_text(im->arena, epsilon));
  View *y = mapped_along_axis(im, x, (int)axis, "l2norm", least);
  if (y) return y;
  Value *v = lay_channels(im, x, (int)axis, &npos, pos);
  if (!v) return NULL;
  v = emit_one(im, v, v->shape, "l2norm(%s)", least);
  return view_laid(im, x, v, (int)axis, npos, pos);
}
