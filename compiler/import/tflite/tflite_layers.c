/* tflite_layers.c: Import of convolutions, dense layers, pools, reductions, softmax, and binary operators. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include "import/tflite/tflite_make.h"

/* ---- weights ---- */
/* Sizes of a weight as [filters][channels][taps], and the strides of its elements in the file. */
typedef struct Layout {
  int64_t filters, channels, height, width;
  int64_t of_filter, of_channel, of_tap; /* strides in the file, in elements */
  bool by_channel; /* the program's weight has channels before filters: conv_transpose */
} Layout;

static Layout layout_of(const TflTensor *t, int code) {
  if (t->rank == 2) return (Layout){t->dim[0], t->dim[1], 1, 1, t->dim[1], 1, 0, false};
  const int64_t h = t->dim[1], w = t->dim[2];
  if (code == TFL_DEPTHWISE_CONV_2D) return (Layout){t->dim[3], 1, h, w, 1, 0, t->dim[3], false};
  return (Layout){t->dim[0], t->dim[3], h, w, h * w * t->dim[3], 1, t->dim[3], code == TFL_TRANSPOSE_CONV};
}

/* Adds a weight, in the program's order, and its scales to the arrays. rank: 3 for sequences, otherwise 4. */
static void put_tfl_weight(Making *k, const char *layer, const TflTensor *t, const Layout *lay, int rank) {
  const int64_t taps = lay->height * lay->width, outer = lay->by_channel ? lay->channels : lay->filters,
                inner = lay->by_channel ? lay->filters : lay->channels,
                dim[4] = {outer, inner, lay->height, lay->width};
  char *data = arena_alloc(k->arena, (size_t)(t->size * elem_bytes(t->elem))), *to = data;
  for (int64_t i = 0; i < outer; i++)
    for (int64_t j = 0; j < inner; j++)
      for (int64_t tap = 0; tap < taps; tap++, to += elem_bytes(t->elem))
        tfl_element(t,
                    (lay->by_channel ? j : i) * lay->of_filter + (lay->by_channel ? i : j) * lay->of_channel +
                        tap * lay->of_tap,
                    to);
  tfl_array(k, arena_printf(k->arena, "%s.weight", layer), t->elem, t->rank == 2 ? 2 : rank, dim, data);
  const int64_t scales = t->scales;
  if (t->elem == I8)
    tfl_array(k, arena_printf(k->arena, "%s.weight.scale", layer), F32, 1, &scales, t->scale);
}

static bool check_tfl_weight(Making *k, const TflOperator *op, const TflTensor *w, int rank) {
  const bool bytes = tfl_is_bytes(k, op);
  if (!w) return tfl_no(k, op, "it has no weights");
  if (!w->data) return tfl_no(k, op, "its weights are computed, not constants");
  if (w->size < 1) return tfl_no(k, op, "its weights are empty");
  if (w->rank != rank || !w->known || w->elem != (bytes ? I8 : F32))
    return tfl_no(k, op, "its weights are %s of %d dimensions", w->type, w->rank);
  if (!bytes) return true;
  if (w->scales < 1 || !w->zeros)
    return tfl_no(k, op, "its weights have no scale, or zero points other than 0");
  if (w->scales > 1 && w->axis != (op->code == TFL_DEPTHWISE_CONV_2D ? 3 : 0))
    return tfl_no(k, op, "it does not have one scale per filter");
  return true;
}

static Elem bias_type(const Making *k, const TflOperator *op) {
  return tfl_is_wide(k, op) ? I64 : tfl_is_bytes(k, op) ? I32 : F32;
}

static bool check_bias(Making *k, const TflOperator *op, int64_t filters, const TflTensor *bias) {
  static const char *const word[ELEMS] = {[F32] = "FLOAT32", [I32] = "INT32", [I64] = "INT64"};
  const bool wide = tfl_is_wide(k, op);
  if (wide && (op->sums == TFL_INT32 || (bias && bias->elem == I32)))
    return tfl_no(k, op, "it sums int16 values in int32; its bias and its sums need int64");
  if (!bias || (bias->data && bias->size == filters && bias->known && bias->elem == bias_type(k, op)))
    return true;
  if (!bias->data) return tfl_no(k, op, "its bias is computed, not a constant");
  return tfl_no(k, op, "its bias has %" PRId64 " %s numbers; it must have one %s number per filter, %" PRId64,
                bias->size, bias->type, word[bias_type(k, op)], filters);
}

static void put_tfl_layer(Making *k, const TflOperator *op, const char *layer, const TflTensor *w,
                          const TflTensor *bias) {
  const Layout lay = layout_of(w, op->code);
  const Elem type = bias_type(k, op);
  char *data = arena_alloc(k->arena, (size_t)(elem_bytes(type) * lay.filters));
  for (int64_t f = 0; bias && f < lay.filters; f++) tfl_element(bias, f, data + elem_bytes(type) * f);
  put_tfl_weight(k, layer, w, &lay, tfl_out(k, op)->rank == 3 ? 3 : 4);
  tfl_array(k, arena_printf(k->arena, "%s.bias", layer), type, 1, &lay.filters, data);
  tfl_scale(k, layer, tfl_out(k, op));
}

/* ---- windows ---- */
static bool window_known(Making *k, const TflOperator *op) {
  for (int a = 0; a < 2; a++)
    if (op->stride[a] < 1 || op->dilation[a] < 1 || op->size[a] < 1)
      return tfl_no(k, op, "it has a stride, a dilation or a size below 1");
  return true;
}

/* "3x5"; "3" for sequences */
static const char *tfl_window_size(Making *k, const TflOperator *op, int64_t height, int64_t width) {
  if (tfl_in(k, op, 0)->rank == 3) return arena_printf(k->arena, "%" PRId64, height);
  return arena_printf(k->arena, "%" PRId64 "x%" PRId64, height, width);
}

static const char *rows_window_text(Making *k, const TflOperator *op) {
  Text text = {.arena = k->arena};
  text_put(&text, "%s", "");
  if (op->stride[0] != 1) text_put(&text, ", stride=%" PRId64, op->stride[0]);
  if (op->border[0]) text_put(&text, ", pad=[%" PRId64 ", 0]", op->border[0]);
  if (op->dilation[0] != 1) text_put(&text, ", dilation=%" PRId64, op->dilation[0]);
  return text.s;
}

static const char *tfl_window_text(Making *k, const TflOperator *op) {
  if (tfl_in(k, op, 0)->rank == 3) return rows_window_text(k, op);
  Text text = {.arena = k->arena};
  text_put(&text, "%s", "");
  if (op->stride[0] != 1 || op->stride[1] != 1)
    text_put(&text, ", stride=%" PRId64 "x%" PRId64, op->stride[0], op->stride[1]);
  /* border: the padding of a dilated convolution (tflite_prepare.c), or the number of zero rows that
   * represent the time before the first call (tflite_raise.c) */
  const int64_t *b = op->border;
  if (op->same) text_put(&text, ", pad=same");
  else if (b[0] || b[1] || b[2] || b[3])
    text_put(&text, ", pad=[%" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64 "]", b[0], b[1], b[2], b[3]);
  if (op->dilation[0] != 1 || op->dilation[1] != 1)
    text_put(&text, ", dilation=%" PRId64 "x%" PRId64, op->dilation[0], op->dilation[1]);
  return text.s;
}

/* With --rounding=litert, adds the rounding of dense layers to the metadata. */
static void say_dense(Making *k, const TflOperator *op, const char *layer) {
  if (k->litert && tfl_out(k, op)->elem == I8) tfl_say(k, layer, "rounding", rounding_name(ROUNDING_SINGLE));
  if (k->litert && tfl_is_wide(k, op)) tfl_say(k, layer, "factor", "double");
}

/* Whether the operator is a window over the rows of a sequence. */
static bool is_raised(const Making *k, const TflOperator *op) {
  return k->m->step && tfl_in(k, op, 0)->rank == 3 && tfl_out(k, op)->rank == 3;
}

bool tfl_conv(Making *k, const TflOperator *op) {
  const bool depthwise = op->code == TFL_DEPTHWISE_CONV_2D;
  const TflTensor *in = tfl_in(k, op, 0), *w = tfl_in(k, op, 1), *bias = tfl_in(k, op, 2);
  if (!tfl_value(k, op, op->in[0]) || !window_known(k, op) || !check_tfl_weight(k, op, w, 4)) return false;
  const int64_t filters = w->dim[depthwise ? 3 : 0], channels = in->dim[in->rank - 1];
  if (!check_bias(k, op, filters, bias)) return false;
  if ((in->rank != 4 && !is_raised(k, op)) ||
      (depthwise ? w->dim[0] != 1 || filters % channels : channels % w->dim[3] != 0))
    return tfl_no(k, op, "its weights have the wrong shape");
  const char *layer = tfl_layer(k, depthwise ? "depthwise" : "conv"), *more = "",
             *size = tfl_window_size(k, op, w->dim[1], w->dim[2]);
  if (depthwise && filters != channels)
    more = arena_printf(k->arena, ", multiplier=%" PRId64, filters / channels);
  if (!depthwise && channels != w->dim[3])
    more = arena_printf(k->arena, ", groups=%" PRId64, channels / w->dim[3]);
  tfl_begin(k, op, op->in[0]);
  if (depthwise) tfl_call(k, op, layer, "depthwise(%s%s%s", size, tfl_window_text(k, op), more);
  else tfl_call(k, op, layer, "conv(%" PRId64 ", %s%s%s", filters, size, tfl_window_text(k, op), more);
  put_tfl_layer(k, op, layer, w, bias);
  if (op->dense) say_dense(k, op, layer);
  tfl_end(k, op, layer);
  return true;
}

/* Computes how many elements to crop from the result of a transposed convolution, or to add at its end.
 * False: unsupported. */
static bool transposed_border(const TflOperator *op, const TflTensor *in, const TflTensor *w,
                              const TflTensor *out, int64_t before[2], int64_t after[2], int64_t *more) {
  for (int a = 0; a < 2; a++) {
    const int64_t all = (in->dim[1 + a] - 1) * op->stride[a] + w->dim[1 + a], extra = all - out->dim[1 + a];
    before[a] = op->same && extra > 0 ? extra / 2 : 0;
    after[a] = extra - before[a];
    if (a == 1 && (after[0] < 0 || after[1] < 0) && after[0] != after[1]) return false;
  }
  *more = after[0] < 0 ? -after[0] : 0;
  if (*more) after[0] = after[1] = 0;
  return *more < op->stride[0] || !*more;
}

bool tfl_transpose_conv(Making *k, const TflOperator *op) {
  const TflTensor *w = tfl_in(k, op, 1), *in = tfl_in(k, op, 2), *bias = tfl_in(k, op, 3),
                  *out = tfl_out(k, op);
  int64_t before[2], after[2], more;
  if (!in) return tfl_no(k, op, "an input is missing");
  if (!tfl_value(k, op, op->in[2]) || !window_known(k, op) || !check_tfl_weight(k, op, w, 4) ||
      !check_bias(k, op, w->dim[0], bias))
    return false;
  if (in->rank != 4 || out->rank != 4 || in->dim[3] != w->dim[3] || out->dim[3] != w->dim[0])
    return tfl_no(k, op, "its weights have the wrong shape");
  if (!transposed_border(op, in, w, out, before, after, &more))
    return tfl_no(k, op, "the size of its result does not match its stride");
  Text call = {.arena = k->arena};
  text_put(&call, "conv_transpose(%" PRId64 ", %" PRId64 "x%" PRId64 ", stride=%" PRId64 "x%" PRId64,
           w->dim[0], w->dim[1], w->dim[2], op->stride[0], op->stride[1]);
  if (before[0] || before[1] || after[0] || after[1])
    text_put(&call, ", pad=[%" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64 "]", before[0], after[0],
             before[1], after[1]);
  if (more) text_put(&call, ", output_pad=%" PRId64, more);
  const char *layer = tfl_layer(k, "conv_transpose");
  tfl_begin(k, op, op->in[2]);
  tfl_call(k, op, layer, "%s", call.s);
  put_tfl_layer(k, op, layer, w, bias);
  tfl_end(k, op, layer);
  return true;
}

bool tfl_dense(Making *k, const TflOperator *op) {
  const TflTensor *in = tfl_in(k, op, 0), *w = tfl_in(k, op, 1), *bias = tfl_in(k, op, 2);
  if (!tfl_value(k, op, op->in[0]) || !check_tfl_weight(k, op, w, 2) || !check_bias(k, op, w->dim[0], bias))
    return false;
  if (in->size != w->dim[1]) return tfl_no(k, op, "its weights have the wrong shape");
  const char *layer = tfl_layer(k, "dense");
  tfl_begin(k, op, op->in[0]);
  if (in->rank != 2) text_put(&k->text, "flatten -> ");
  tfl_call(k, op, layer, "dense(%" PRId64, w->dim[0]);
  put_tfl_layer(k, op, layer, w, bias);
  say_dense(k, op, layer);
  tfl_end_as(k, op, layer, shape_vector(w->dim[0]));
  return true;
}

/* ---- pools and means ---- */
bool tfl_pool(Making *k, const TflOperator *op) {
  const char *word = op->code == TFL_MAX_POOL_2D ? "maxpool" : "avgpool";
  if (!tfl_value(k, op, op->in[0]) || !window_known(k, op) ||
      !tfl_same_scale(k, op, tfl_in(k, op, 0), tfl_out(k, op)))
    return false;
  const char *layer = tfl_layer(k, word);
  tfl_begin(k, op, op->in[0]);
  tfl_call(k, op, layer, "%s(%s, stride=%s%s", word, tfl_window_size(k, op, op->size[0], op->size[1]),
           tfl_window_size(k, op, op->stride[0], op->stride[1]), op->same ? ", pad=same" : "");
  tfl_end(k, op, layer);
  /* ROUNDING_FLOAT is the rounding of XNNPACK. But XNNPACK has no quantized average pool, and LiteRT's own
   * average pool rounds halves away from zero */
  if (op->code == TFL_AVERAGE_POOL_2D && k->rounding == ROUNDING_FLOAT && tfl_is_bytes(k, op))
    tfl_say(k, layer, "rounding", rounding_name(ROUNDING_SINGLE));
  return true;
}

/* Stores the sizes of the reduced axes: height and width, or a sequence's length. 1: the axis is not reduced.
 * False after tfl_no(). */
static bool pooled_axes(Making *k, const TflOperator *op, int64_t window[2]) {
  int64_t axis[2 * TFLITE_RANK];
  const TflTensor *in = tfl_in(k, op, 0);
  const int n = tfl_integers(k, op, 1, axis);
  window[0] = window[1] = 1;
  if (!tfl_value(k, op, op->in[0])) return false;
  if (n < 1) return tfl_no(k, op, "its axes must be constant");
  for (int i = 0; i < n; i++) {
    const int64_t a = axis[i] < 0 ? axis[i] + in->rank : axis[i];
    if (a < 1 || a >= in->rank - 1) return tfl_no(k, op, "its axes are not height and width");
    window[a - 1] = in->dim[a];
  }
  return true;
}

static bool covers_all(const TflTensor *in, const int64_t window[2]) {
  return in->rank == 3 || (window[0] == in->dim[1] && window[1] == in->dim[2]);
}

static Shape reduced_shape(const TflTensor *in, const int64_t window[2]) {
  return in->rank == 3 ? shape_vector(in->dim[2])
                       : shape_image(in->dim[1] / window[0], in->dim[2] / window[1], in->dim[3]);
}

static const char *put_pool(Making *k, const TflOperator *op, const char *word, const int64_t window[2],
                            const char *called) {
  const char *layer = tfl_layer(k, called);
  if (covers_all(tfl_in(k, op, 0), window)) tfl_call(k, op, layer, "global_%s(", word);
  else tfl_call(k, op, layer, "%s(%" PRId64 "x%" PRId64, word, window[0], window[1]);
  return layer;
}

bool tfl_mean(Making *k, const TflOperator *op) {
  int64_t window[2];
  if (!pooled_axes(k, op, window)) return false;
  tfl_begin(k, op, op->in[0]);
  const char *layer = put_pool(k, op, "avgpool", window, "mean");
  tfl_end_as(k, op, layer, reduced_shape(tfl_in(k, op, 0), window));
  tfl_scale(k, layer, tfl_out(k, op));
  if (tfl_is_bytes(k, op)) tfl_say(k, layer, "mean", "factor");
  return true;
}

/* A sum is the mean times the count. The mean's scale is the result's scale divided by the count, so the mean
 * and the sum have the same numbers. The factor of the mean is that of TensorFlow Lite for Microcontrollers
 * exactly if the count is a power of two; otherwise the last bits of m may differ. */
bool tfl_sum(Making *k, const TflOperator *op) {
  int64_t window[2];
  if (!pooled_axes(k, op, window)) return false;
  const int64_t count = window[0] * window[1];
  tfl_begin(k, op, op->in[0]);
  const char *mean = put_pool(k, op, "avgpool", window, "mean");
  text_put(&k->text, " -> ");
  const char *layer = tfl_layer(k, "sum");
  tfl_call(k, op, layer, "multiply(%" PRId64, count);
  tfl_end_as(k, op, layer, reduced_shape(tfl_in(k, op, 0), window));
  tfl_scale(k, layer, tfl_out(k, op));
  if (!tfl_is_bytes(k, op)) return true;
  TflTensor between = *tfl_out(k, op);
  const float scale = between.scale[0] / (float)count;
  between.scale = &scale;
  tfl_scale(k, mean, &between);
  tfl_say(k, mean, "mean", "factor");
  return true;
}

/* The minimum is the negated maximum of the negated values. A byte q is negated as -1 - q, with the zero
 * point -1 - zero. int16 values are negated as floats, which is exact. */
bool tfl_extreme(Making *k, const TflOperator *op) {
  int64_t window[2];
  const TflTensor *in = tfl_in(k, op, 0), *out = tfl_out(k, op);
  const bool least = op->code == TFL_REDUCE_MIN;
  if (!pooled_axes(k, op, window) || !tfl_same_scale(k, op, in, out)) return false;
  const char *negated = NULL, *layer;
  tfl_begin(k, op, op->in[0]);
  if (least) {
    negated = tfl_layer(k, "negated");
    tfl_call(k, op, negated, "multiply(-1");
    text_put(&k->text, " -> ");
  }
  layer = put_pool(k, op, "maxpool", window, "reduced");
  if (least) {
    text_put(&k->text, " -> ");
    layer = tfl_layer(k, "least");
    tfl_call(k, op, layer, "multiply(-1");
  }
  tfl_end_as(k, op, layer, reduced_shape(in, window));
  if (!least || !tfl_is_bytes(k, op)) return true;
  tfl_scale(k, layer, out);
  if (tfl_is_wide(k, op)) return true;
  TflTensor turned = *in;
  turned.zero = -1 - in->zero;
  tfl_scale(k, negated, &turned);
  return true;
}

bool tfl_softmax(Making *k, const TflOperator *op) {
  const TflTensor *out = tfl_out(k, op);
  if (!tfl_value(k, op, op->in[0])) return false;
  if (op->beta != 1) return tfl_no(k, op, "its beta is %g; only 1 is supported", (double)op->beta);
  if (out->elem == I8 && (out->scale[0] != 1 / 256.0f || out->zero != INT8_MIN))
    return tfl_no(k, op, "its result must have the scale 1/256 and the zero point -128");
  if (out->elem == I16 && out->scale[0] != 1 / 32768.0f)
    return tfl_no(k, op, "its result must have the scale 1/32768");
  if (out->elem == I16 && !softmax_wide_fits(tfl_in(k, op, 0)->scale[0]))
    return tfl_no(k, op, "the scale of its input is too large");
  const char *layer = tfl_layer(k, "softmax");
  tfl_begin(k, op, op->in[0]);
  tfl_call(k, op, layer, "softmax(");
  if (out->elem == I16) tfl_scale(k, layer, out);
  tfl_end(k, op, layer);
  return true;
}

/* ---- constants and binary operators ---- */
const char *tfl_constant(Making *k, Shape shape, const float *data, const TflTensor *scaled) {
  const char *name = tfl_layer(k, "constant"), *shaped = shape_text(k->arena, shape);
  text_put(&k->constants, "%s = constant(%s, name=\"%s_values\")\n", name, shaped, name);
  tfl_array(k, arena_printf(k->arena, "%s_values.weight", name), F32, shape.rank, shape.dim, data);
  if (scaled) tfl_scale(k, arena_printf(k->arena, "%s_values", name), scaled);
  return name;
}

const char *tfl_constant_beside(Making *k, const TflOperator *op, const TflTensor *t, bool first) {
  enum { MOST = 1 << 24 };
  const TflTensor *out = tfl_out(k, op);
  int64_t step[TFLITE_RANK] = {0}, size = 1, at = 1;
  Shape shape;
  if (!t->known || (t->elem != F32 && (t->elem != out->elem || t->scales != 1)) || t->rank > out->rank)
    return tfl_no(k, op, "the type or shape of its constant does not match its result"), NULL;
  bool vector = !first;
  for (int d = out->rank - 1; d >= 0; d--) {
    const int64_t own = d - out->rank + t->rank >= 0 ? t->dim[d - out->rank + t->rank] : 1;
    if (own != 1 && own != out->dim[d])
      return tfl_no(k, op, "the type or shape of its constant does not match its result"), NULL;
    step[d] = own == 1 ? 0 : at;
    at *= own;
    if (d > 0 && d < out->rank - 1) vector = vector && own == 1;
  }
  tfl_shape(out, &shape);
  for (int d = 0; d < shape.rank - 1 && vector; d++) shape.dim[d] = 1;
  for (int d = 0; d < shape.rank; d++) size *= shape.dim[d];
  if (size > MOST) return tfl_no(k, op, "its constant has more than 2^24 numbers"), NULL;
  if (!tfl_may_create(k, op, (int64_t)sizeof(float) * size)) return NULL;
  float *data = NEW_ARRAY(k->arena, float, size);
  for (int64_t i = 0; i < size; i++) {
    int64_t rest = i, from = 0;
    for (int d = shape.rank - 1; d >= 0; d--) {
      from += rest % shape.dim[d] * step[d + 1];
      rest /= shape.dim[d];
    }
    data[i] = (float)tfl_number(t, from);
  }
  return tfl_constant(k, shape, data, t);
}

/* Whether TensorFlow Lite computes the operator with its older kernel, which shifts int16 values, and whose
 * results differ from those of the newer kernel. This is the case if pot_scale_int16 is set and all scales
 * are powers of two, but not all equal. */
static bool shifts(const Making *k, const TflOperator *op, const TflTensor *const operand[2]) {
  const float out = tfl_out(k, op)->scale[0];
  const TflTensor *of[3] = {operand[0], operand[1], tfl_out(k, op)};
  bool all = true, same = true;
  for (int i = 0; i < 3; i++) {
    int e;
    all = all && of[i]->scales == 1 && scale_is_power(of[i]->scale[0], &e);
    same = same && of[i]->scales == 1 && of[i]->scale[0] == out;
  }
  return op->powers && all && !same;
}

static const char *pair_word(int code) {
  switch (code) {
  case TFL_ADD: return "add";
  case TFL_SQUARED_DIFFERENCE:
  case TFL_SUB: return "subtract";
  case TFL_MUL: return "multiply";
  case TFL_DIV: return "divide";
  case TFL_MAXIMUM: return "maximum";
  default: return "minimum";
  }
}

bool tfl_pair(Making *k, const TflOperator *op) {
  const TflTensor *operand[2] = {tfl_in(k, op, 0), tfl_in(k, op, 1)};
  const char *name[2] = {NULL, NULL}, *word = pair_word(op->code);
  if (op->nin != 2 || !operand[1]) return tfl_no(k, op, "it must have two operands");
  if (operand[0]->data && operand[1]->data) return tfl_no(k, op, "it computes a constant");
  for (int i = 0; i < 2; i++) {
    if (!operand[i]->data && !tfl_value(k, op, op->in[i])) return false;
    if (operand[i]->data && operand[i]->elem != tfl_out(k, op)->elem)
      return tfl_no(k, op, "the type or shape of its constant does not match its result");
    name[i] = operand[i]->data ? tfl_constant_beside(k, op, operand[i], i == 0 && tfl_first(k, op) == 0)
                               : k->value[k->same[op->in[i]]];
    if (operand[i]->data && !name[i]) return false;
  }
  const bool squares = op->code == TFL_SQUARED_DIFFERENCE;
  if (tfl_is_wide(k, op) && (op->code == TFL_DIV || squares))
    return tfl_no(k, op, "it has no int16 form yet");
  if (tfl_is_wide(k, op) && shifts(k, op, operand))
    return tfl_no(k, op,
                  "its scales are powers of two and pot_scale_int16 is set; TensorFlow Lite uses a separate "
                  "kernel for this case");
  for (int i = 0; i < 2 && tfl_is_wide(k, op) && (op->code == TFL_MAXIMUM || op->code == TFL_MINIMUM); i++)
    if (!tfl_same_scale(k, op, operand[i], tfl_out(k, op))) return false;
  const int first = tfl_first(k, op);
  const char *layer = tfl_layer(k, word);
  if (operand[first]->data) {
    if (k->value[op->out[0]]) text_put(&k->text, "%s = ", k->value[op->out[0]]);
    text_put(&k->text, "%s -> ", name[first]);
  } else tfl_begin(k, op, op->in[first]);
  if (squares) { /* computed in floats, because the difference has no scale */
    text_put(&k->text, "subtract(%s, name=\"%s\", precision=f32) -> ", name[1 - first], layer);
    layer = tfl_layer(k, "square");
    text_put(&k->text, "square(name=\"%s\", precision=f32)", layer);
  } else tfl_call(k, op, layer, "%s(%s", word, name[1 - first]);
  tfl_scale(k, layer, tfl_out(k, op));
  if (k->litert && op->code == TFL_MUL && tfl_is_bytes(k, op)) tfl_say(k, layer, "factor", "float");
  tfl_end(k, op, layer);
  return true;
}
