/* ops_norm.c: Import of normalizations. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "import/import.h"

static const char *epsilon_text(ModelImport *im, const OnnxNode *node) {
  return text_float(im->arena, onnx_float(node, "epsilon", 1e-5));
}

View *import_batchnorm(ModelImport *im, const OnnxNode *node) {
  static const char *const member[] = {"weight", "bias", "running_mean", "running_var"};
  const View *x = view_of(im, node, 0);
  int npos = 0, pos[MOST_DIMS];
  if (!x) return NULL;
  if (onnx_int(node, "training_mode", 0)) return no(im, "batch normalization in training mode");
  if (x->rank < 2) return no(im, "a tensor of one dimension");
  const bool flat = x->along[0].n && !factors_batch(&x->along[0]); /* the first dimension is not a batch */
  Value *v = flat ? lay_channels(im, x, 1, &npos, pos) : lay_standard(im, x);
  if (!v) return NULL;
  const Tensor *t[4];
  for (int k = 0; k < 4; k++) {
    t[k] = constant_of(im, node, k + 1);
    if (!t[k]) return no(im, "computed parameters");
    if (t[k]->n != v->shape.dim[v->shape.rank - 1])
      return no(im, "parameters with an unexpected number of elements");
  }
  const char *layer = layer_of(im, node, 1);
  for (int k = 0; k < 4; k++) put_vector(im, layer, member[k], t[k]);
  v = emit_one(im, v, v->shape, "batchnorm(epsilon=%s, name=\"%s\")", epsilon_text(im, node), layer);
  return flat ? view_laid(im, x, v, 1, npos, pos) : view_standard(im, v, x, x->rank);
}

/* Expands a constant with one number per group or channel to one number per channel. Without a constant, all
 * numbers are `otherwise`. */
static const Tensor *each_channel(ModelImport *im, const Tensor *t, int64_t channels, double otherwise) {
  if (t && (t->n == 0 || channels % t->n))
    return no(im, "a scale or bias with an unexpected number of elements");
  Tensor *to = constant_new(im, TENSOR_FLOAT, 1, &channels);
  for (int64_t i = 0; to && i < channels; i++)
    tensor_put(to, i, t ? tensor_number(t, i / (channels / t->n)) : otherwise);
  return to;
}

/* Emits a norm with one weight and one bias per channel. */
static Value *affine_with(ModelImport *im, const OnnxNode *node, Value *v, const Tensor *w, const Tensor *b,
                          const char *call, double epsilon) {
  const int64_t channels = v->shape.dim[v->shape.rank - 1];
  w = each_channel(im, w, channels, 1);
  b = each_channel(im, b, channels, 0);
  if (!w || !b) return NULL;
  const char *layer = layer_of(im, node, 1);
  v = emit_one(im, v, v->shape, "%sepsilon=%s, name=\"%s\")", call, text_float(im->arena, epsilon), layer);
  put_vector(im, layer, "weight", w);
  put_vector(im, layer, "bias", b);
  v->affine = layer;
  return v;
}

static Value *affine(ModelImport *im, const OnnxNode *node, Value *v, const Tensor *w, const Tensor *b,
                     const char *call) {
  return affine_with(im, node, v, w, b, call, onnx_float(node, "epsilon", 1e-5));
}

/* If x is a view [n, groups, rest] of an image, and each group has several channels: the number of groups.
 * Otherwise 0. */
static int64_t instance_groups(const View *x) {
  const Value *v = x->value;
  if (x->rank != 3 || v->shape.rank != 3 || shape_elements(v->shape) % x->size[1]) return 0;
  const int64_t c = v->shape.dim[2], g = x->size[1];
  if (c % g || c == g) return 0;
  Factors group = factors_one(2, c / g, g), rest = factors_one(2, 1, c / g);
  factors_push(&rest, (Factor){0, 1, v->shape.dim[0]});
  factors_push(&rest, (Factor){1, 1, v->shape.dim[1]});
  return factors_equal(&group, &x->along[1]) && factors_equal(&rest, &x->along[2]) ? g : 0;
}

View *import_instancenorm(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const Tensor *w = constant_of(im, node, 1), *b = constant_of(im, node, 2);
  if (!x) return NULL;
  if (!w || !b) return no(im, "computed parameters");
  if (x->rank < 3 || w->n != x->size[1] || b->n != x->size[1])
    return no(im, "a scale or bias with an unexpected number of elements");
  const int64_t groups = instance_groups(x);
  if (groups) {
    Value *v =
        affine(im, node, x->value, w, b, arena_printf(im->arena, "groupnorm(%lld, ", (long long)groups));
    return v ? view_copy(im, x, v) : NULL;
  }
  Value *v = lay_standard(im, x);
  v = v ? affine(im, node, v, w, b, "instancenorm(") : NULL;
  return v ? view_standard(im, v, x, x->rank) : NULL;
}

View *import_groupnorm(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const Tensor *w = constant_of(im, node, 1), *b = constant_of(im, node, 2);
  const int64_t groups = onnx_int(node, "num_groups", 1);
  if (!x) return NULL;
  if (!w || !b) return no(im, "computed parameters");
  Value *v = lay_standard(im, x);
  if (!v) return NULL;
  if (groups < 1 || v->shape.dim[v->shape.rank - 1] % groups)
    return no(im, "groups that do not divide the channels");
  v = affine(im, node, v, w, b, arena_printf(im->arena, "groupnorm(%lld, ", (long long)groups));
  return v ? view_standard(im, v, x, x->rank) : NULL;
}

/* The number of channel groups of a norm over these dimensions; 0 after no(): not a norm of the language. */
static int64_t groups_beside(ModelImport *im, const View *x, const bool *over) {
  const Shape s = x->value->shape;
  const int c = s.rank - 1;
  int64_t groups = 1, count = 1;
  for (int d = 0; d < x->rank; d++) {
    count *= over[d] ? x->size[d] : 1;
    for (int i = 0; i < x->along[d].n; i++) {
      const Factor f = x->along[d].f[i];
      const bool group = f.axis == c && f.inner * f.size == s.dim[c] && x->along[d].n == 1;
      if (over[d] ? f.axis != BATCH : f.axis == BATCH) continue;
      if (over[d] || !group || groups > 1)
        return no(im, "a norm over an unsupported combination of dimensions"), 0;
      groups = f.size;
    }
  }
  if (c < 1 || count * groups != shape_elements(s))
    return no(im, "a norm over an unsupported combination of dimensions"), 0;
  return groups;
}

/* Whether a constant has one number per channel, in the order of the channels. */
static bool is_by_channel(const View *x, const Tensor *t) {
  Factors all = {0};
  const int c = x->value->shape.rank - 1;
  for (int d = 0; d < t->rank; d++) {
    const int of = x->rank - t->rank + d;
    if (t->dim[d] == 1) continue;
    if (of < 0 || t->dim[d] != x->size[of]) return false;
    for (int i = 0; i < x->along[of].n; i++) factors_push(&all, x->along[of].f[i]);
  }
  return t->n == x->value->shape.dim[c] && factors_whole(&all, x->value, c);
}

/* (x - mean) / sqrt(variance + epsilon) over several dimensions, matched by forms_norm.c. */
View *import_moments(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const Tensor *w = constant_of(im, node, 1), *b = constant_of(im, node, 2);
  bool over[MOST_DIMS] = {false};
  if (!x || !reduced_axes(im, node, 3, x->rank, over)) return NULL;
  const int64_t groups = groups_beside(im, x, over);
  if (!groups) return NULL;
  if ((w && !is_by_channel(x, w)) || (b && !is_by_channel(x, b)))
    return no(im, "a scale or bias with an unexpected number of elements");
  const bool each = groups == x->value->shape.dim[x->value->shape.rank - 1];
  const char *call = each ? "instancenorm(" : arena_printf(im->arena, "groupnorm(%lld, ", (long long)groups);
  Value *v = affine(im, node, x->value, w, b, call);
  return v ? view_copy(im, x, v) : NULL;
}

/* Whether a constant only varies along this dimension, or not at all. */
static bool is_along(const View *x, const Tensor *t, int64_t axis) {
  for (int d = 0; d < t->rank; d++)
    if (t->dim[d] != 1 && (x->rank - t->rank + d != axis || t->dim[d] != x->size[axis])) return false;
  return t->rank <= x->rank;
}

/* Whether the constant t is the shape of x with size 1 along the axis. exact: the shape of a Reshape, which
 * may contain 0 and -1. Otherwise the shape of an Expand: each size may be 1 or the size of x. */
static bool is_beside(const View *x, const Tensor *t, int64_t axis, bool exact) {
  if (t->n > x->rank || (exact && t->n != x->rank)) return false;
  for (int i = 0; i < t->n; i++) {
    const int64_t d = x->rank - t->n + i, size = tensor_integer(t, i), wanted = d == axis ? 1 : x->size[d];
    const bool copied = exact ? size == -1 || (size == 0 && d < axis) : size == 1 || size == x->size[d];
    if (size != wanted && !copied) return false;
  }
  return true;
}

bool reduced_along(ModelImport *im, const OnnxNode *node, const View *x, int64_t axis, int first) {
  const WireInts *exact = onnx_ints(node, "cnnc_exact");
  const double part = onnx_float(node, "cnnc_part", 0);
  if (part != 0 && fabs(part * (double)x->size[axis] - 1) > 1e-5)
    return no(im, "a sum over an axis, divided by a number other than the axis size"), false;
  for (int k = 0; exact && k < exact->n; k++) {
    const Tensor *t = constant_of(im, node, first + k);
    if (!t) return no(im, "a computed shape"), false;
    if (!is_beside(x, t, axis, exact->data[k]))
      return no(im, "a mean, maximum or sum broadcast along axes over which it was not computed"), false;
  }
  return true;
}

/* A norm whose variance is a sum of squares divided by another number than the size, such as size - 1. With c
 * = size / divisor and d = x - mean: d / sqrt(c * variance + epsilon) = d / sqrt(variance + epsilon / c) /
 * sqrt(c). */
static Value *spread_norm(ModelImport *im, const OnnxNode *node, Value *v, const Tensor *w, const Tensor *b) {
  const int64_t channels = v->shape.dim[v->shape.rank - 1];
  const double factor = onnx_float(node, "cnnc_spread", 0) * (double)channels;
  if (factor == 0 || fabs(factor - 1) < 1e-5) return affine(im, node, v, w, b, "layernorm(");
  Tensor *scaled = constant_new(im, TENSOR_FLOAT, 1, &channels);
  if (!scaled) return NULL;
  for (int64_t i = 0; i < channels; i++)
    tensor_put(scaled, i, (w ? tensor_number(w, w->n == 1 ? 0 : i) : 1) / sqrt(factor));
  return affine_with(im, node, v, scaled, b, "layernorm(", onnx_float(node, "epsilon", 1e-5) / factor);
}

/* Sets the mean and the inverse standard deviation of each position's channels as results of the node. */
static void put_mean_and_deviation(ModelImport *im, const OnnxNode *node, Value *v, const View *like) {
  Shape one = v->shape;
  one.dim[one.rank - 1] = 1;
  Value *mean = emit_one(im, v, one, "channel_mean"), *pair[] = {v, mean};
  if (result_is_used(im, node, 1)) im->item[node->out[1]].view = view_copy(im, like, mean);
  if (!result_is_used(im, node, 2)) return;
  Value *w = emit_one(im, emit(im, 2, pair, v->shape, "subtract(%%*)"), v->shape, "square");
  w = emit_one(im, emit_one(im, w, one, "channel_mean"), one, "add(%s)",
               text_float(im->arena, onnx_float(node, "epsilon", 1e-5)));
  im->item[node->out[2]].view = view_copy(im, like, emit_one(im, w, one, "power(-0.5)"));
}

/* A norm over all dimensions from an axis on; these become the channels. */
static View *norm_from(ModelImport *im, const OnnxNode *node, const View *x, int axis, const Tensor *w,
                       const Tensor *b) {
  View *flat = view_new(im, x->value, 2);
  int chan = 1, pos = 0;
  for (int d = 0; d < x->rank; d++) {
    if (factors_batch(&x->along[d])) continue;
    flat->size[d >= axis] *= x->size[d];
    for (int i = 0; i < x->along[d].n; i++) factors_push(&flat->along[d >= axis], x->along[d].f[i]);
  }
  const int64_t n = flat->size[1];
  if ((w && w->n != n) || (b && b->n != n))
    return no(im, "a scale or bias with an unexpected number of elements");
  Value *v = lay(im, flat, 1, &chan, 1, &pos, false),
        *made = v ? affine(im, node, v, w, b, "layernorm(") : NULL;
  if (!made) return NULL;
  View *y = view_copy(im, x, made), *one = view_copy(im, x, made);
  int64_t inner[2] = {1, 1};
  for (int d = x->rank - 1; d >= 0; d--) {
    if (factors_batch(&x->along[d])) continue;
    const int part = d >= axis;
    one->along[d] = y->along[d] = factors_one(part, inner[part], x->size[d]);
    inner[part] *= x->size[d];
    if (part) one->size[d] = 1, one->along[d].n = 0;
  }
  if (node->nout > 1) put_mean_and_deviation(im, node, v, one);
  return y;
}

View *import_layernorm(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const Tensor *w = constant_of(im, node, 1), *b = constant_of(im, node, 2);
  if (!x) return NULL;
  if ((given(node, 1) && !w) || (given(node, 2) && !b)) return no(im, "computed parameters");
  int64_t axis = onnx_int(node, "axis", -1);
  if (axis < 0) axis += x->rank;
  if (axis < 0 || axis >= x->rank || factors_batch(&x->along[axis])) return no(im, "a norm over the batch");
  const bool single = onnx_int(node, "cnnc_single", 0) != 0; /* the norm is over `axis` only */
  bool several = result_is_used(im, node, 1) || result_is_used(im, node, 2);
  for (int64_t d = axis + 1; d < x->rank && !single; d++) several = several || x->size[d] > 1;
  if (several && !single) return norm_from(im, node, x, (int)axis, w, b);
  if (!reduced_along(im, node, x, axis, 3)) return NULL;
  const bool apart = single && ((w && !is_along(x, w, axis)) || (b && !is_along(x, b, axis)));
  int pos[MOST_DIMS], npos;
  Value *v = lay_channels(im, x, (int)axis, &npos, pos);
  if (!v) return NULL;
  const int64_t channels = v->shape.dim[v->shape.rank - 1];
  const bool fits =
      (!w || w->n == channels || (single && w->n == 1)) && (!b || b->n == channels || (single && b->n == 1));
  if (!fits && !apart) return no(im, "a scale or bias with an unexpected number of elements");
  v = spread_norm(im, node, v, apart ? NULL : w, apart ? NULL : b);
  View *y = v ? view_laid(im, x, v, (int)axis, npos, pos) : NULL;
  if (y && apart && w) y = beside_constant(im, node, 1, y, w, "multiply");
  if (y && apart && b) y = beside_constant(im, node, 2, y, b, "add");
  return y;
}

View *import_lrn(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const int64_t size = onnx_int(node, "size", 1), ours = onnx_int(node, "cnnc_before", 0);
  Value *v = x ? lay_standard(im, x) : NULL;
  if (!v) return NULL;
  v = emit_one(im, v, v->shape, "lrn(size=%lld, alpha=%s, beta=%s, bias=%s%s)", (long long)size,
               text_float(im->arena, onnx_float(node, "alpha", 1e-4)),
               text_float(im->arena, onnx_float(node, "beta", 0.75)),
               text_float(im->arena, onnx_float(node, "bias", 1)), size % 2 || ours ? "" : ", even=after");
  return view_standard(im, v, x, x->rank);
}
