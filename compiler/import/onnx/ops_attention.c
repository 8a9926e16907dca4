/* ops_attention.c: Import of Attention, RotaryEmbedding and RMSNormalization. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "import/onnx/products.h"

enum { IN_QUERY, IN_KEY, IN_VALUE, IN_MASK, IN_PAST_KEY, IN_PAST_VALUE, IN_LENGTHS };
enum { OUT_RESULT, OUT_PRESENT_KEY, OUT_PRESENT_VALUE, OUT_SCORES };
enum { AXIS_IMAGE, AXIS_HEAD, AXIS_PLACE, AXIS_CHANNEL };

/* ---- operands ---- */
/* A view [N, heads, positions, channels] of an operand, which may be [N, positions, heads * channels]. */
static View *view_by_heads(ModelImport *im, const View *x, int64_t heads) {
  static const int heads_first[] = {0, 2, 1, 3};
  if (x->rank == 4) return view_copy(im, x, x->value);
  if (x->rank != 3) return no(im, "a tensor of %s", text_counted(im->arena, x->rank, "dimension"));
  if (heads < 1 || x->size[2] % heads)
    return no(im, "%lld channels, which do not divide into %lld heads", (long long)x->size[2],
              (long long)heads);
  const int64_t size[] = {x->size[0], x->size[1], heads, x->size[2] / heads};
  const View *apart = view_reshape(im, x, 4, size);
  return apart ? view_permute(im, apart, heads_first, 4) : NULL;
}

/* The size of the first dimension if this dimension is part of the value (for example, attention windows).
 * Otherwise 1, as for a batch. */
static int64_t rows_attended(const View *x) {
  return x->along[AXIS_IMAGE].n && !factors_batch(&x->along[AXIS_IMAGE]) ? x->size[AXIS_IMAGE] : 1;
}

/* Lays out an operand [N, heads, positions, channels]; heads and channels become the value's channels. */
static Value *lay_heads(ModelImport *im, const View *x) {
  static const int heads_last[] = {AXIS_IMAGE, AXIS_PLACE, AXIS_HEAD, AXIS_CHANNEL};
  const int chan[] = {AXIS_HEAD, AXIS_CHANNEL};
  int pos[] = {AXIS_PLACE};
  if (rows_attended(x) == 1) return lay(im, x, 2, chan, 1, pos, false);
  return laid_as_rows(im, view_permute(im, x, heads_last, 4), x->size[AXIS_PLACE],
                      x->size[AXIS_HEAD] * x->size[AXIS_CHANNEL]);
}

/* A view [N, heads, positions, channels] of the result. */
static View *view_of_heads(ModelImport *im, const View *like, Value *v, int64_t heads) {
  const int64_t rows = rows_attended(like);
  const Shape all = shape_image(rows, like->size[AXIS_PLACE], v->shape.dim[v->shape.rank - 1]);
  if (rows > 1) v = joined_rows(im, v, rows, all);
  const int last = v->shape.rank - 1;
  const int64_t channels = v->shape.dim[last] / heads;
  View *y = view_new(im, v, 4);
  y->size[0] = like->size[0];
  y->along[0] = rows > 1 ? factors_one(0, 1, rows) : like->along[0];
  y->size[AXIS_HEAD] = heads;
  y->along[AXIS_HEAD] = factors_one(last, channels, heads);
  y->size[AXIS_CHANNEL] = channels;
  y->along[AXIS_CHANNEL] = factors_one(last, 1, channels);
  y->size[AXIS_PLACE] = 1;
  for (int axis = rows > 1; axis < last; axis++) {
    y->size[AXIS_PLACE] *= v->shape.dim[axis];
    factors_push(&y->along[AXIS_PLACE], (Factor){axis, 1, v->shape.dim[axis]});
  }
  return y;
}

/* Gives the result the rank of the query: 4, or 3 with all heads in the last dimension. */
static View *heads_joined(ModelImport *im, View *y, int rank) {
  static const int places_first[] = {0, 2, 1, 3};
  if (rank == 4) return y;
  y = view_permute(im, y, places_first, 4);
  const int64_t size[] = {y->size[0], y->size[1], y->size[2] * y->size[3]};
  return view_reshape(im, y, 3, size);
}

/* ---- masks ---- */
typedef struct Sight { /* the keys that a query sees according to mask=causal and window= */
  int64_t rows, heads, places, keys;
  bool causal;
  int64_t before, after; /* largest distance of a visible key on each side of the query; -1: any */
} Sight;

static bool is_in_sight(const Sight *s, int64_t i, int64_t j) {
  return (!s->causal || j <= i) && (s->before < 0 || j >= i - s->before) &&
         (s->after < 0 || j <= i + s->after);
}

/* The number that a constant mask adds to a score: for a boolean mask 0 or -infinity. Keys after the end of
 * the mask are hidden. */
static double mask_number(const Tensor *t, int64_t r, int64_t h, int64_t i, int64_t j) {
  const int64_t index[] = {r, h, i, j};
  int64_t at = 0;
  for (int d = 0; d < t->rank; d++) {
    const int64_t own = t->dim[d] == 1 ? 0 : index[d + 4 - t->rank];
    if (own >= t->dim[d]) return -INFINITY;
    at = at * t->dim[d] + own;
  }
  const double number = tensor_number(t, at);
  return t->type != TENSOR_BOOL ? number : number != 0 ? 0 : -INFINITY;
}

static bool mask_fits(ModelImport *im, const Sight *s, int rank, const int64_t *dim, bool constant) {
  const int64_t wanted[] = {s->rows, s->heads, s->places, s->keys};
  if (rank < 1 || rank > 4) return no(im, "a mask of %s", text_counted(im->arena, rank, "dimension")), false;
  for (int d = 0; d < rank; d++) {
    const int of = d + 4 - rank;
    const bool shorter = constant && of == 3 && dim[d] < wanted[of];
    if ((constant || of > 0) && dim[d] != 1 && dim[d] != wanted[of] && !shorter)
      return no(im, of ? "a mask of the wrong shape" : "a mask that varies over the batch"), false;
  }
  if (s->rows > 1 && rank == 4 && dim[0] > 1 && (dim[1] > 1 || s->causal))
    return no(im, "a mask that varies over %s", dim[1] > 1 ? "batch and heads" : "the batch, with is_causal"),
           false;
  return true;
}

/* Kind of a constant mask. band: the mask hides exactly the keys that are farther from the query than
 * `before` or `after`; blind: the mask hides all keys that some query may see. */
typedef struct MaskKind {
  bool band, blind, by_row, by_head;
  int64_t before, after; /* for a band: the greatest distance of a visible key on each side of the query */
} MaskKind;

/* The number of different masks: one per row, one per head, or only one. mask_fits rejects other masks. */
static int64_t number_of_masks(const Sight *s, const MaskKind *kind) {
  return kind->by_row ? s->rows : kind->by_head ? s->heads : 1;
}

static void widen_band(MaskKind *kind, int64_t i, int64_t j) {
  if (i - j > kind->before) kind->before = i - j;
  if (j - i > kind->after) kind->after = j - i;
}

static MaskKind kind_of_mask(const Tensor *t, const Sight *s) {
  MaskKind kind = {.by_row = t->rank > 3 && t->dim[0] > 1, .by_head = t->rank > 2 && t->dim[t->rank - 3] > 1};
  kind.band = !kind.by_row && !kind.by_head && !s->causal && s->before < 0 && s->after < 0;
  for (int64_t k = 0; k < number_of_masks(s, &kind); k++)
    for (int64_t i = 0; i < s->places; i++) {
      bool sees = false, may_see = false;
      for (int64_t j = 0; j < s->keys; j++) {
        const double number = mask_number(t, k, k, i, j);
        if (number == 0) widen_band(&kind, i, j);
        if (number != 0 && number != -INFINITY) kind.band = false;
        if (!is_in_sight(s, i, j)) continue;
        may_see = true;
        sees = sees || number != -INFINITY;
      }
      kind.blind = kind.blind || (may_see && !sees);
    }
  for (int64_t i = 0; kind.band && i < s->places; i++)
    for (int64_t j = 0; kind.band && j < s->keys; j++)
      kind.band = (mask_number(t, 0, 0, i, j) == 0) == (i - j <= kind.before && j - i <= kind.after);
  return kind;
}

/* Replaces a mask that is a band by arguments: causal, the distances before and after, or none. */
static void see_band(Sight *s, const MaskKind *kind) {
  const bool all_before = kind->before >= s->places - 1, all_after = kind->after >= s->keys - 1;
  s->causal = all_before && kind->after == 0 && !all_after;
  if (s->causal || (all_before && all_after)) return;
  s->before = kind->before;
  s->after = kind->after;
}

/* A constant with rule(x) for each number x of a mask. */
static Value *mask_constant(ModelImport *im, const OnnxNode *node, const Tensor *t, const Sight *s,
                            const MaskKind *kind, double (*rule)(double)) {
  const int64_t n = number_of_masks(s, kind), dim[] = {n, s->places, s->keys};
  Tensor *all = constant_new(im, TENSOR_FLOAT, 3, dim);
  if (!all) return NULL;
  int64_t at = 0;
  for (int64_t k = 0; k < n; k++)
    for (int64_t i = 0; i < s->places; i++)
      for (int64_t j = 0; j < s->keys; j++) tensor_put(all, at++, rule(mask_number(t, k, k, i, j)));
  Value *v = constant_statement(
      im, node, IN_MASK, NULL,
      n > 1 ? shape_image(n, s->places, s->keys) : shape_sequence(s->places, s->keys), all, false);
  return v && kind->by_row ? as_rows(im, v, n, s->places, s->keys) : v;
}

static double lowest_number(double x) { return x < -LARGEST_BOUND ? -LARGEST_BOUND : x; }
static double same_number(double x) { return x; }

/* Replaces -infinity by a finite number that makes a score negligible. But if a query has no visible key,
 * -infinity stays, because all scores of this query must be -infinity. */
static Value *constant_mask(ModelImport *im, const OnnxNode *node, const Tensor *t, const Sight *s,
                            const MaskKind *kind) {
  return mask_constant(im, node, t, s, kind, kind->blind ? same_number : lowest_number);
}

/* A computed mask for L queries and M keys: a value of shape LxM or heads x L x M, or a value with rows, each
 * of which is LxM. */
static Value *computed_mask(ModelImport *im, const View *mask, const Sight *s, bool truth) {
  View *x = view_new(im, mask->value, 4);
  for (int d = 0; d < mask->rank; d++) {
    x->size[d + 4 - mask->rank] = mask->size[d];
    x->along[d + 4 - mask->rank] = mask->along[d];
  }
  static const int rows_first[] = {AXIS_IMAGE, AXIS_PLACE, AXIS_CHANNEL};
  const int chan = AXIS_CHANNEL;
  int pos[] = {AXIS_HEAD, AXIS_PLACE};
  const bool by_head = x->size[AXIS_HEAD] > 1, by_row = rows_attended(x) > 1,
             same = x->size[AXIS_PLACE] == 1 && s->places > 1;
  if (x->size[AXIS_CHANNEL] != s->keys) return no(im, "a mask that is the same for all keys");
  if (by_head && same) return no(im, "a mask that is the same for all queries, but not for all heads");
  if (by_row && (same || truth)) return no(im, "a computed mask that varies over the batch");
  if (by_row) return laid_as_rows(im, view_permute(im, x, rows_first, 3), s->places, s->keys);
  Value *v = by_head ? lay(im, x, 1, &chan, 2, pos, false)
             : same  ? lay(im, x, 1, &chan, 0, NULL, false)
                     : lay(im, x, 1, &chan, 1, pos + 1, false);
  if (v && truth) v = emit_one(im, v, v->shape, "log");
  if (!v || !same) return v;
  v = reshaped(im, v, shape_sequence(1, s->keys));
  return emit_one(im, v, shape_sequence(s->places, s->keys), "upsample(%lld)", (long long)s->places);
}

/* Reads the node's mask. *mask: NULL if the node has no mask, or if arguments replace the mask. False after
 * no(). */
static bool read_mask(ModelImport *im, const OnnxNode *node, Sight *s, Value **mask) {
  const Tensor *t = constant_of(im, node, IN_MASK);
  *mask = NULL;
  if (!given(node, IN_MASK)) return true;
  if (!t) {
    const View *x = view_of(im, node, IN_MASK);
    if (!x || !mask_fits(im, s, x->rank, x->size, false)) return false;
    *mask = computed_mask(im, x, s, is_truth(im, node->in[IN_MASK]));
    return *mask != NULL;
  }
  if (!mask_fits(im, s, t->rank, t->dim, true)) return false;
  const MaskKind kind = kind_of_mask(t, s);
  if (kind.band) {
    see_band(s, &kind);
    return true;
  }
  *mask = constant_mask(im, node, t, s, &kind);
  return *mask != NULL;
}

/* ---- Attention ---- */
static bool attention_refused(ModelImport *im, const OnnxNode *node) {
  for (int k = IN_PAST_KEY; k <= IN_LENGTHS; k++)
    if (given(node, k)) return no(im, "attention with a cache"), true;
  if (result_is_used(im, node, OUT_PRESENT_KEY) || result_is_used(im, node, OUT_PRESENT_VALUE))
    return no(im, "attention with a cache"), true;
  if (result_is_used(im, node, OUT_SCORES)) return no(im, "attention whose scores are read"), true;
  if (onnx_float(node, "softcap", 0) != 0) return no(im, "attention with a softcap"), true;
  return false;
}

/* The arguments of attention other than key and value. */
static const char *attention_words(ModelImport *im, const OnnxNode *node, const Sight *s, int64_t key_heads,
                                   int64_t channels, const Value *mask) {
  Text text = {.arena = im->arena};
  const double automatic = 1 / sqrt((double)channels);
  const AttributeProto *scale = onnx_attribute(node, "scale");
  if (s->heads > 1) text_put(&text, ", heads=%lld", (long long)s->heads);
  if (key_heads != s->heads) text_put(&text, ", key_heads=%lld", (long long)key_heads);
  if (scale && fabs((double)scale->f - automatic) > 1e-6 * automatic)
    text_put(&text, ", scale=%s", number_text(im->arena, (double)scale->f));
  if (s->causal) text_put(&text, ", mask=causal");
  if (mask) text_put(&text, ", %s=%%3", s->causal || mask->shape.rank == 3 ? "bias" : "mask");
  if (s->before >= 0 || s->after >= 0)
    text_put(&text, ", window=[%lld, %lld]", (long long)(s->before < 0 ? s->places : s->before),
             (long long)(s->after < 0 ? s->keys : s->after));
  return text.n ? text.s : "";
}

View *import_attention(ModelImport *im, const OnnxNode *node) {
  View *in[3];
  Value *value[4];
  int rank = 0;
  if (attention_refused(im, node)) return NULL;
  for (int k = 0; k < 3; k++) {
    const View *x = value_or_constant(im, node, k);
    if (k == 0 && x) rank = x->rank;
    in[k] = x ? view_by_heads(im, x, onnx_int(node, k ? "kv_num_heads" : "q_num_heads", 1)) : NULL;
    const bool again = k > 0 && in[k] && node->in[k] == node->in[k - 1] &&
                       in[k]->size[AXIS_HEAD] == in[k - 1]->size[AXIS_HEAD];
    value[k] = again ? value[k - 1] : in[k] ? lay_heads(im, in[k]) : NULL;
    if (!value[k]) return NULL;
    if (rows_attended(in[k]) == 1) value[k] = as_pixels(value[k]);
  }
  const int64_t heads = in[0]->size[AXIS_HEAD], key_heads = in[1]->size[AXIS_HEAD];
  Sight s = {.rows = rows_attended(in[0]),
             .heads = heads,
             .places = in[0]->size[AXIS_PLACE],
             .keys = in[1]->size[AXIS_PLACE],
             .causal = onnx_int(node, "is_causal", 0) != 0,
             .before = onnx_int(node, "left_window_size", -1),
             .after = onnx_int(node, "right_window_size", -1)};
  if (s.causal && s.before >= 0) {
    s.causal = false;
    s.after = 0;
  }
  if (heads % key_heads || in[2]->size[AXIS_HEAD] != key_heads || in[2]->size[AXIS_PLACE] != s.keys ||
      in[0]->size[AXIS_CHANNEL] != in[1]->size[AXIS_CHANNEL] || rows_attended(in[1]) != s.rows ||
      rows_attended(in[2]) != s.rows)
    return no(im, "query, key and value whose shapes do not match");
  if (!read_mask(im, node, &s, &value[3])) return NULL;
  const char *more = attention_words(im, node, &s, key_heads, in[0]->size[AXIS_CHANNEL], value[3]);
  Shape to = value[0]->shape;
  to.dim[to.rank - 1] = heads * in[2]->size[AXIS_CHANNEL];
  Value *y = emit(im, value[3] ? 4 : 3, value, to, "attention(%%1, %%2%s)", more);
  return heads_joined(im, view_of_heads(im, in[0], y, heads), rank);
}

/* ---- RotaryEmbedding ---- */
enum { IN_COSINES = 1, IN_SINES, IN_POSITIONS };

/* In com.microsoft's operator, a single constant position is the first of `length` consecutive positions. */
static const Tensor *counted_places(ModelImport *im, const Tensor *places, int64_t length) {
  if (!places || places->n != 1 || length == 1) return places;
  Tensor *all = constant_new(im, TENSOR_INT64, 1, &length);
  for (int64_t i = 0; all && i < length; i++) tensor_put(all, i, tensor_number(places, 0) + (double)i);
  return all;
}

/* The rows, at constant positions, of a table of cosines or sines. The positions must be the same for
 * all images. */
static View *constant_rows(ModelImport *im, const OnnxNode *node, int input, const Tensor *cache,
                           const Tensor *places) {
  const int64_t length = places->rank ? places->dim[places->rank - 1] : 0;
  if (cache->rank != 2 || length < 1) return no(im, "a cache of angles that is not two-dimensional");
  const int64_t pairs = cache->dim[1], dim[] = {1, length, pairs};
  Tensor *rows = constant_new(im, TENSOR_FLOAT, 3, dim);
  if (!rows) return NULL;
  for (int64_t i = 0; i < places->n; i++) {
    const int64_t row = tensor_integer(places, i);
    if (row < 0 || row >= cache->dim[0]) return no(im, "a position outside the cache of angles");
    if (row != tensor_integer(places, i % length)) return no(im, "positions that vary over the batch");
    for (int64_t c = 0; c < pairs && i < length; c++)
      tensor_put(rows, i * pairs + c, tensor_number(cache, row * pairs + c));
  }
  rows->name = cache->name;
  return constant_alone(im, node, input, rows);
}

/* A value with the cosines or the sines, of shape positions x pairs. */
static Value *angles_of(ModelImport *im, const OnnxNode *node, int input, int64_t length, int64_t pairs) {
  const Tensor *cache = constant_of(im, node, input),
               *places = counted_places(im, constant_of(im, node, IN_POSITIONS), length);
  const View *rows;
  if (!given(node, IN_POSITIONS)) rows = value_or_constant(im, node, input);
  else if (cache && places) rows = constant_rows(im, node, input, cache, places);
  else {
    OnnxNode gather = *node;
    gather.op = "Gather";
    gather.nin = 2;
    gather.in = (int[]){node->in[input], node->in[IN_POSITIONS]};
    gather.attribute = (WireList){0};
    rows = onnx_operator("Gather")->import(im, &gather);
  }
  if (!rows) return NULL;
  if (rows->rank != 3 || rows->size[1] != length || rows->size[2] != pairs)
    return no(im, "angles whose shape does not match the input");
  const int chan = 2;
  int pos = 1;
  return lay(im, rows, 1, &chan, 1, &pos, false);
}

View *import_rotary(ModelImport *im, const OnnxNode *node) {
  const View *given_x = view_of(im, node, 0),
             *x = given_x ? view_by_heads(im, given_x, onnx_int(node, "num_heads", 1)) : NULL;
  if (!x) return NULL;
  const int64_t heads = x->size[AXIS_HEAD], turned = onnx_int(node, "rotary_embedding_dim", 0),
                pairs = (turned ? turned : x->size[AXIS_CHANNEL]) / 2;
  if (turned < 0 || turned > x->size[AXIS_CHANNEL] || turned % 2 || pairs < 1)
    return no(im, "an invalid number of rotated channels, %lld of %lld", (long long)turned,
              (long long)x->size[AXIS_CHANNEL]);
  Value *in[3] = {lay_heads(im, x)};
  for (int k = IN_COSINES; k <= IN_SINES; k++) {
    in[k] = in[0] ? angles_of(im, node, k, x->size[AXIS_PLACE], pairs) : NULL;
    if (!in[k]) return NULL;
  }
  Value *y = emit(im, 3, in, in[0]->shape, "rotary(%%1, %%2%s%s)",
                  heads > 1 ? arena_printf(im->arena, ", heads=%lld", (long long)heads) : "",
                  onnx_int(node, "interleaved", 0) ? ", interleaved=true" : "");
  return heads_joined(im, view_of_heads(im, x, y, heads), given_x->rank);
}

/* ---- RMSNormalization ---- */
/* A constant for the dimensions `first` to `last`, broadcast to one number per channel. t: NULL for ones. */
static const Tensor *channel_factors(ModelImport *im, const View *x, int first, int last, const Tensor *t) {
  int64_t n = 1;
  for (int d = first; d <= last; d++) n *= x->size[d];
  for (int d = 0; t && d < t->rank; d++) {
    const int of = d + x->rank - t->rank;
    if (t->dim[d] != 1 && (of < first || of > last || t->dim[d] != x->size[of]))
      return no(im, "parameters of the wrong shape");
  }
  Tensor *all = constant_new(im, TENSOR_FLOAT, 1, &n);
  if (!all) return NULL;
  for (int64_t i = 0; i < n; i++) {
    int64_t at = 0, stride = 1, rest = i;
    for (int d = last; t && d >= first; d--) {
      const int own = d - (x->rank - t->rank);
      const int64_t size = own < 0 ? 1 : t->dim[own];
      at += size == 1 ? 0 : rest % x->size[d] * stride;
      stride *= size;
      rest /= x->size[d];
    }
    tensor_put(all, i, t ? tensor_number(t, at) : 1);
  }
  return all;
}

/* Applies rmsnorm, with the dimensions from `first` to `last` as channels and all others as positions. */
static View *rms_over(ModelImport *im, const OnnxNode *node, const View *x, int first, int last) {
  const Tensor *t = constant_of(im, node, 1), *w;
  int chan[MOST_DIMS], pos[MOST_DIMS], npos = 0;
  if (given(node, 1) && !t) return no(im, "computed parameters");
  for (int d = first; d <= last; d++) chan[d - first] = d;
  for (int d = 0; d < x->rank; d++)
    if ((d < first || d > last) && x->along[d].n && x->along[d].f[0].axis != BATCH) pos[npos++] = d;
  Value *v = lay(im, x, last - first + 1, chan, npos, pos, true);
  w = v ? channel_factors(im, x, first, last, t) : NULL;
  if (!w) return NULL;
  const char *layer = layer_of(im, node, 1);
  put_vector(im, layer, "weight", w);
  v = emit_one(im, v, v->shape, "rmsnorm(epsilon=%s, name=\"%s\")",
               text_float(im->arena, onnx_float(node, "epsilon", 1e-5)), layer);
  View *y = view_laid(im, x, v, first, npos, pos);
  int64_t inner = 1;
  for (int d = last; d >= first; d--) {
    y->size[d] = x->size[d];
    y->along[d] = factors_one(v->shape.rank - 1, inner, x->size[d]);
    inner *= x->size[d];
  }
  return y;
}

View *import_rmsnorm(ModelImport *im, const OnnxNode *node) {
  const View *x = view_of(im, node, 0);
  const Tensor *w = constant_of(im, node, 1);
  const bool single = onnx_int(node, "cnnc_single", 0) != 0; /* the norm is over `axis` only */
  if (!x) return NULL;
  int64_t axis = onnx_int(node, "axis", -1);
  if (axis < 0) axis += x->rank;
  if (axis < 0 || axis >= x->rank) return no(im, "an invalid axis");
  const int last = single ? (int)axis : x->rank - 1;
  for (int64_t d = axis; d <= last; d++)
    if (x->along[d].n && x->along[d].f[0].axis == BATCH) return no(im, "a norm over the batch");
  if (single && !reduced_along(im, node, x, axis, 2)) return NULL;
  if (!single || !w || w->n == 1 || w->n == x->size[axis]) return rms_over(im, node, x, (int)axis, last);
  OnnxNode bare = *node;
  bare.nin = 1;
  View *y = rms_over(im, &bare, x, (int)axis, last);
  return y ? beside_constant(im, node, 1, y, w, "multiply") : NULL;
}
