/* tflite_shape.c: Import of operators that move elements (such as reshapes, slices and concats), of padding
 * and of resizing. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <math.h>
#include "import/tflite/tflite_make.h"

/* ---- reshapes and transposes ---- */
static const char *reshape_text(Making *k, const TflTensor *out) {
  Shape shape;
  tfl_shape(out, &shape);
  return shape.rank == 1 ? "flatten" : arena_printf(k->arena, "reshape(%s)", shape_text(k->arena, shape));
}

/* The layer that defines the scale of the operand of a reshape, transpose or slice, if the operator is the
 * operand's only user; otherwise NULL. */
static const char *moved_layer(const Making *k, const TflOperator *op) {
  const int from = k->same[op->in[0]];
  return k->reads[from] == 1 ? k->layer[from] : NULL;
}

bool tfl_reshape(Making *k, const TflOperator *op) {
  const TflTensor *in = tfl_in(k, op, 0), *out = tfl_out(k, op);
  if (!tfl_value(k, op, op->in[0]) || !tfl_same_scale(k, op, in, out)) return false;
  if (in->size != out->size) return tfl_no(k, op, "its result has a different number of elements");
  tfl_begin(k, op, op->in[0]);
  text_put(&k->text, "%s", reshape_text(k, out));
  tfl_end(k, op, moved_layer(k, op));
  return true;
}

bool tfl_blocks(Making *k, const TflOperator *op) {
  const char *word = op->code == TFL_DEPTH_TO_SPACE ? "depth_to_space" : "space_to_depth";
  if (!tfl_value(k, op, op->in[0]) || !tfl_same_scale(k, op, tfl_in(k, op, 0), tfl_out(k, op))) return false;
  if (tfl_in(k, op, 0)->rank != 4 || op->size[0] < 1 || op->size[0] > 1024)
    return tfl_no(k, op, "its input is not an image, or its block size is unsupported");
  const char *layer = tfl_layer(k, word);
  tfl_begin(k, op, op->in[0]);
  tfl_call(k, op, layer, "%s(%" PRId64 ", order=dcr", word, op->size[0]);
  tfl_end(k, op, layer);
  return true;
}

/* The calls that permute height, width and channels: flatten(order=chw) transposes a matrix;
 * channel_shuffle(n) transposes the channels of each position, as a matrix of n rows. NULL: the order stays
 * the same. */
static const char *order_text(Making *k, const TflTensor *in, const int64_t *perm) {
  const int64_t h = in->rank == 4 ? in->dim[1] : 1, w = in->dim[in->rank - 2], c = in->dim[in->rank - 1];
  const int base = in->rank == 4 ? 0 : 1;
  const int order = (int)((perm[in->rank - 3 + base] + base) * 100 + (perm[in->rank - 2] + base) * 10 +
                          perm[in->rank - 1] + base);
  const char *pattern = "reshape([%" PRId64 ", %" PRId64 "]) -> flatten(order=chw)";
  switch (in->rank == 4 ? order : order % 100 == 32 ? 132 : 0) {
  case 132:
    return arena_printf(k->arena, "reshape([%" PRId64 ", %" PRId64 "]) -> channel_shuffle(%" PRId64 ")", h,
                        w * c, w);
  case 312: return arena_printf(k->arena, pattern, h * w, c);
  case 231: return arena_printf(k->arena, pattern, h, w * c);
  case 321:
    return arena_printf(k->arena,
                        "reshape([%" PRId64 ", %" PRId64 "]) -> flatten(order=chw) -> reshape([%" PRId64
                        ", %" PRId64 "]) -> channel_shuffle(%" PRId64 ")",
                        h * w, c, c, h * w, h);
  case 213:
    return arena_printf(k->arena,
                        "reshape([%" PRId64 ", %" PRId64 "]) -> flatten(order=chw) -> reshape([%" PRId64
                        ", %" PRId64 "]) -> channel_shuffle(%" PRId64 ") -> flatten(order=chw)",
                        h * w, c, c, h * w, h);
  default: return NULL;
  }
}

bool tfl_transpose(Making *k, const TflOperator *op) {
  const TflTensor *in = tfl_in(k, op, 0), *out = tfl_out(k, op);
  int64_t perm[2 * TFLITE_RANK];
  int used = 0;
  if (!tfl_value(k, op, op->in[0]) || !tfl_same_scale(k, op, in, out)) return false;
  if (tfl_integers(k, op, 1, perm) != in->rank) return tfl_no(k, op, "its permutation is not constant");
  for (int d = 0; d < in->rank; d++) used |= perm[d] >= 0 && perm[d] < in->rank ? 1 << perm[d] : 0;
  if (used != (1 << in->rank) - 1 || perm[0] != 0)
    return tfl_no(k, op, "its order of the axes is not supported");
  for (int d = 0; d < in->rank; d++)
    if (out->rank != in->rank || out->dim[d] != in->dim[perm[d]])
      return tfl_no(k, op, "the shape of its result does not match its permutation");
  const char *call = in->rank > 2 ? order_text(k, in, perm) : NULL;
  tfl_begin(k, op, op->in[0]);
  text_put(&k->text, "%s%s", call ? call : "", call ? " -> " : "");
  text_put(&k->text, "%s", reshape_text(k, out));
  tfl_end(k, op, moved_layer(k, op));
  return true;
}

/* ---- borders ---- */
/* Sets *value to the real number with which the operator pads. If this number is not 0, the layer is computed
 * in float, because the int8 form of zero_pad pads only with the zero point. */
static bool pad_value(Making *k, const TflOperator *op, double *value) {
  const TflTensor *number = tfl_in(k, op, 2), *out = tfl_out(k, op);
  *value = 0;
  if (op->code != TFL_PADV2 || !number) return true;
  if (!number->data || number->size != 1 || !number->known || number->elem != out->elem ||
      (number->elem != F32 && number->scales > 1))
    return tfl_no(k, op, "its padding value must be one constant of the output's type");
  if (number->elem == I8) /* the number has the result's scale, regardless of its scale in the model */
    *value = (double)((float)((int8_t)number->data[0] - out->zero) * out->scale[0]);
  else if (number->elem == I16) {
    int16_t q;
    tfl_element(number, 0, &q);
    *value = (double)((float)q * out->scale[0]);
  } else *value = tfl_number(number, 0);
  return isfinite(*value) || tfl_no(k, op, "its padding value is not finite");
}

bool tfl_pad(Making *k, const TflOperator *op) {
  const TflTensor *in = tfl_in(k, op, 0), *out = tfl_out(k, op);
  int64_t side[2 * TFLITE_RANK];
  double value;
  if (!tfl_value(k, op, op->in[0]) || !tfl_same_scale(k, op, in, out) || !pad_value(k, op, &value))
    return false;
  if (in->rank < 3 || tfl_integers(k, op, 1, side) != 2 * in->rank)
    return tfl_no(k, op, "its padding must be constant, and its input must not be a vector");
  for (int i = 0; i < 2 * in->rank && op->code == TFL_MIRROR_PAD; i++) {
    if (i >= 2 * in->rank - 2 && side[i]) return tfl_no(k, op, "it mirrors channels");
    if (op->symmetric && side[i] > 1) return tfl_no(k, op, "its SYMMETRIC padding is wider than one element");
  }
  for (int i = 0; i < 2 * in->rank; i++)
    if (side[i] < 0 || (i < 2 && side[i]))
      return tfl_no(k, op, "it pads the batch, or its padding is negative");
  const int64_t *c = &side[2 * in->rank - 2];
  Text call = {.arena = k->arena};
  if (in->rank == 4)
    text_put(&call, "zero_pad([%" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64 "]", side[2], side[3],
             side[4], side[5]);
  else text_put(&call, "zero_pad([%" PRId64 ", %" PRId64 "]", side[2], side[3]);
  if (op->code == TFL_MIRROR_PAD) text_put(&call, ", mode=%s", op->symmetric ? "edge" : "reflect");
  if (value != 0) text_put(&call, ", value=%s", text_float(k->arena, value));
  if (c[0] || c[1]) text_put(&call, ", channels=[%" PRId64 ", %" PRId64 "]", c[0], c[1]);
  const char *layer = tfl_layer(k, "pad");
  tfl_begin(k, op, op->in[0]);
  tfl_call(k, op, layer, "%s", call.s);
  tfl_end(k, op, layer);
  if (value != 0 || c[0] || c[1] || op->code == TFL_MIRROR_PAD) tfl_scale(k, layer, out);
  return true;
}

/* ---- slices ---- */
typedef struct Part {
  int64_t low, high, step;
} Part;

static bool read_part(Making *k, const TflOperator *op, Part part[TFLITE_RANK]) {
  const TflTensor *in = tfl_in(k, op, 0);
  int64_t list[3][2 * TFLITE_RANK];
  const bool strided = op->code == TFL_STRIDED_SLICE;
  for (int i = 0; i < 2 + strided; i++)
    if (tfl_integers(k, op, 1 + i, list[i]) != in->rank) return tfl_no(k, op, "its bounds must be constant");
  if (op->mask[2] || op->mask[3]) return tfl_no(k, op, "it has an ellipsis or a new axis");
  for (int d = 0; d < in->rank; d++) {
    const int64_t n = in->dim[d], begin = list[0][d], end = list[1][d], bit = INT64_C(1) << d;
    const bool one = strided && (op->mask[4] & bit) != 0;
    Part p = {begin, strided ? end : end < 0 ? n : begin + end, strided ? list[2][d] : 1};
    if (strided && p.low < 0) p.low += n;
    if (strided && p.high < 0) p.high += n;
    if (strided && (op->mask[0] & bit)) p.low = 0;
    if (one) p.high = p.low + 1, p.step = 1;
    else if (strided && (op->mask[1] & bit)) p.high = n;
    if (p.low < 0) p.low = 0;
    if (p.high > n) p.high = n;
    if (p.step < 1) return tfl_no(k, op, "its step is negative");
    if (p.low >= p.high) return tfl_no(k, op, "it removes all elements");
    if (d == in->rank - 1 && p.step > 1 && p.high - p.low > 1)
      return tfl_no(k, op, "it slices channels with a step");
    part[d] = p;
  }
  return true;
}

/* Writes calls that slice positions, then channels; returns the resulting shape. */
static Shape put_part(Making *k, const TflOperator *op, const Part *part, Text *to) {
  const TflTensor *in = tfl_in(k, op, 0);
  const int c = in->rank - 1;
  Shape shape;
  Text cut = {.arena = k->arena};
  int64_t step[2] = {1, 1};
  bool cuts = false;
  tfl_shape(in, &shape);
  for (int d = 1; d < c; d++) {
    const Part p = part[d];
    cuts = cuts || p.low || p.high < in->dim[d];
    text_put(&cut, "%s%" PRId64 ", %" PRId64, d > 1 ? ", " : "", p.low, in->dim[d] - p.high);
    step[d - 1] = p.step;
    shape.dim[d - 1] = (p.high - p.low + p.step - 1) / p.step;
  }
  if (cuts) text_put(to, "crop([%s])", cut.s);
  if (step[0] > 1 || step[1] > 1) tfl_layer(k, "maxpool"); /* reserves the name of the maxpool below */
  if (c == 3 && (step[0] > 1 || step[1] > 1))
    text_put(to, "%smaxpool(1x1, stride=%" PRId64 "x%" PRId64 ")", to->n ? " -> " : "", step[0], step[1]);
  if (c == 2 && step[0] > 1) text_put(to, "%smaxpool(1, stride=%" PRId64 ")", to->n ? " -> " : "", step[0]);
  shape.dim[c - 1] = part[c].high - part[c].low;
  if (shape.dim[c - 1] != in->dim[c])
    text_put(to, "%sslice(%" PRId64 "..%" PRId64 ")", to->n ? " -> " : "", part[c].low, part[c].high);
  return shape;
}

bool tfl_slice(Making *k, const TflOperator *op) {
  const TflTensor *in = tfl_in(k, op, 0), *out = tfl_out(k, op);
  Part part[TFLITE_RANK];
  Text call = {.arena = k->arena};
  if (!tfl_value(k, op, op->in[0]) || !tfl_same_scale(k, op, in, out) || !read_part(k, op, part))
    return false;
  Shape from = put_part(k, op, part, &call);
  if (shape_elements(from) != out->size)
    return tfl_no(k, op, "the shape of its result does not match its bounds");
  tfl_begin(k, op, op->in[0]);
  if (call.n) text_put(&k->text, "%s", call.s);
  else {
    text_put(&k->text, "%s", reshape_text(k, out));
    tfl_shape(out, &from);
  }
  tfl_end_as(k, op, moved_layer(k, op), from);
  return true;
}

/* ---- concatenation ---- */
bool tfl_concat(Making *k, const TflOperator *op) {
  const TflTensor *out = tfl_out(k, op);
  const int64_t axis = op->axis < 0 ? op->axis + out->rank : op->axis;
  const char *along = axis == out->rank - 1         ? ""
                      : axis == 1 && out->rank == 3 ? ", axis=length"
                      : axis == 1                   ? ", axis=height"
                                                    : ", axis=width";
  if (axis < 1 || axis >= out->rank) return tfl_no(k, op, "it concatenates along the batch");
  Text call = {.arena = k->arena};
  for (int i = 0; i < op->nin; i++) {
    if (op->in[i] < 0 || !tfl_value(k, op, op->in[i]))
      return op->in[i] < 0 ? tfl_no(k, op, "an operand is missing") : false;
    if (!tfl_same_scale(k, op, tfl_in(k, op, i), out)) return false;
    if (i) text_put(&call, "%s%s", i > 1 ? ", " : "", k->value[k->same[op->in[i]]]);
  }
  if (op->nin < 2) return tfl_no(k, op, "it concatenates only one value");
  const char *layer = tfl_layer(k, "concat");
  tfl_begin(k, op, op->in[0]);
  tfl_call(k, op, layer, "concat(%s%s", call.s, along);
  tfl_end(k, op, layer);
  return true;
}

/* Imports TILE as a concat of the value with itself, along one axis. */
bool tfl_tile(Making *k, const TflOperator *op) {
  static const char *const along[2][2] = {{", axis=length", ""}, {", axis=height", ", axis=width"}};
  enum { MOST = 64 };
  const TflTensor *in = tfl_in(k, op, 0), *out = tfl_out(k, op);
  int64_t times[2 * TFLITE_RANK];
  if (!tfl_value(k, op, op->in[0]) || !tfl_same_scale(k, op, in, out)) return false;
  if (tfl_integers(k, op, 1, times) != in->rank) return tfl_no(k, op, "its multiples must be constant");
  int64_t joined = 1;
  for (int d = 0; d < in->rank; d++)
    if (times[d] < 1 || times[d] > MOST || (joined *= times[d]) > MOST ||
        out->dim[d] != in->dim[d] * times[d])
      return tfl_no(k, op, "it must make 1 to %d copies", MOST);
  int axes = 0, axis = 0;
  for (int d = 1; d < in->rank; d++)
    if (times[d] > 1) axes++, axis = d;
  if (axes != 1) return tfl_no(k, op, axes ? "it repeats along two axes" : "it repeats nothing");
  const char *name = k->value[k->same[op->in[0]]], *layer = tfl_layer(k, "concat");
  Text call = {.arena = k->arena};
  for (int64_t i = 1; i < times[axis]; i++) text_put(&call, "%s%s", i > 1 ? ", " : "", name);
  tfl_begin(k, op, op->in[0]);
  tfl_call(k, op, layer, "concat(%s%s", call.s, axis == in->rank - 1 ? "" : along[in->rank == 4][axis - 1]);
  tfl_end(k, op, layer);
  return true;
}

/* ---- resizing ---- */
/* The index of the source element, as the reference kernel computes it with float arithmetic. */
static int64_t tfl_nearest_source(const TflOperator *op, int64_t in, int64_t out, int64_t at) {
  const bool corners = op->corners && out > 1;
  const float scale = corners ? (float)(in - 1) / (float)(out - 1) : (float)in / (float)out,
              place = ((float)at + (op->middle ? 0.5f : 0.0f)) * scale;
  const float from = corners || op->corners ? roundf(place) : floorf(place);
  return from < (float)(in - 1) ? (int64_t)from : in - 1;
}

/* Whether the language's resize selects the same elements as the operator. exact: compares with
 * mode=nearest_exact, which selects the element with the nearest center; otherwise with mode=nearest, which
 * selects element i * from / to, rounded down. */
static bool tfl_nearest_fits(const TflOperator *op, const TflTensor *in, const TflTensor *out, bool exact) {
  enum { MOST = 1 << 16 };
  for (int d = 1; d < 3; d++) {
    const int64_t from = in->dim[d], to = out->dim[d];
    if (to > MOST || from > MOST) return false;
    for (int64_t i = 0; i < to; i++)
      if (tfl_nearest_source(op, from, to, i) != (exact ? (2 * i + 1) * from / (2 * to) : i * from / to))
        return false;
  }
  return true;
}

static const char *resize_call(Making *k, const TflOperator *op) {
  const TflTensor *in = tfl_in(k, op, 0), *out = tfl_out(k, op);
  const int64_t h = out->dim[1], w = out->dim[2], up = h / in->dim[1], across = w / in->dim[2];
  if (op->code == TFL_RESIZE_BILINEAR) {
    if (op->corners == op->middle) return NULL;
    return arena_printf(k->arena, "resize(%" PRId64 "x%" PRId64 "%s", h, w,
                        op->corners ? ", corners=true" : "");
  }
  const bool below = tfl_nearest_fits(op, in, out, false);
  if (!below && !tfl_nearest_fits(op, in, out, true)) return NULL;
  if (below && h % in->dim[1] == 0 && w % in->dim[2] == 0)
    return arena_printf(k->arena, "upsample(%" PRId64 "x%" PRId64, up, across);
  return arena_printf(k->arena, "resize(%" PRId64 "x%" PRId64 ", mode=%s", h, w,
                      below ? "nearest" : "nearest_exact");
}

bool tfl_resize(Making *k, const TflOperator *op) {
  const TflTensor *in = tfl_in(k, op, 0), *out = tfl_out(k, op);
  if (!tfl_value(k, op, op->in[0]) || !tfl_same_scale(k, op, in, out)) return false;
  if (in->rank != 4 || out->rank != 4 || in->dim[3] != out->dim[3])
    return tfl_no(k, op, "its input is not an image");
  const char *call = resize_call(k, op);
  if (!call) return tfl_no(k, op, "its sampling positions are not supported");
  const char *layer = tfl_layer(k, "resize");
  tfl_begin(k, op, op->in[0]);
  tfl_call(k, op, layer, "%s", call);
  tfl_end(k, op, layer);
  tfl_scale(k, layer, out);
  return true;
}
