/* tflite_maps.c: Import of unary functions, and of POW, FLOOR_DIV, FLOOR_MOD and PRELU with constants. For
 * int8, functions with special arithmetic in TensorFlow Lite become tables in the weight file; cnnc computes
 * the tables of other functions. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "import/tflite/tflite_make.h"

/* ---- tables ---- */
/* The factor between two scales, which TensorFlow Lite's reference divides as floats. */
static Multiplier ratio_of(float in, float out) {
  const float ratio = in / out;
  Multiplier factor = multiplier_of((double)ratio);
  factor.real = ratio;
  return factor;
}

static Stored stored_bound(const TflTensor *out, float low, float high) {
  static const float FAR = 1 << 20;
  Stored stored = {.zero = (int32_t)out->zero, .lo = INT8_MIN, .hi = INT8_MAX};
  const float lo = roundf(low / out->scale[0]), hi = roundf(high / out->scale[0]);
  if (lo > -FAR && (int32_t)lo + stored.zero > stored.lo) stored.lo = (int32_t)fminf(lo, FAR) + stored.zero;
  if (hi < FAR && (int32_t)hi + stored.zero < stored.hi) stored.hi = (int32_t)hi + stored.zero;
  if (stored.lo > INT8_MAX) stored.lo = INT8_MAX;
  if (stored.hi < stored.lo) stored.hi = stored.lo;
  return stored;
}

/* Checks that a function has an int16 form, which cnnc computes like TensorFlow Lite's reference kernels. */
static bool check_wide(Making *k, const TflOperator *op) {
  const TflTensor *out = tfl_out(k, op);
  switch (op->code) {
  case TFL_RELU:
  case TFL_RELU6: return true;
  case TFL_ABS: return tfl_same_scale(k, op, tfl_in(k, op, 0), out); /* computed as floats: exact */
  case TFL_LEAKY_RELU: return op->beta >= 0 || tfl_no(k, op, "its slope is negative, which is not supported");
  case TFL_LOGISTIC:
  case TFL_TANH:
    if (out->scale[0] != 1 / 32768.0f) return tfl_no(k, op, "its result must have the scale 1/32768");
    return curve_fits(tfl_in(k, op, 0)->scale[0]) || tfl_no(k, op, "the scale of its input is too large");
  default: return tfl_no(k, op, "it has no int16 form yet");
  }
}

static bool put_pieces(Making *k, const TflOperator *op, int8_t *table, float slope, Stored stored) {
  if (slope < 0)
    return tfl_no(k, op, "its slope is negative, but the reference kernel does not support negative slopes");
  const TflTensor *in = tfl_in(k, op, 0), *out = tfl_out(k, op);
  const Multiplier above = ratio_of(in->scale[0], out->scale[0]),
                   below = ratio_of(in->scale[0] * slope, out->scale[0]);
  table_pieces(table, k->rounding, (int32_t)in->zero, above, 1, below, stored);
  return true;
}

static bool has_scale(Making *k, const TflOperator *op, float scale, int zero) {
  const TflTensor *out = tfl_out(k, op);
  return (out->scale[0] == scale && out->zero == zero) ||
         tfl_no(k, op, "its result must have the scale 1/%.0f and the zero point %d", (double)(1 / scale),
                zero);
}

/* Sets *own to whether the function needs a table in the weight file, and computes this table. False after
 * tfl_no(). */
static bool make_table(Making *k, const TflOperator *op, int8_t *table, bool *own) {
  const TflTensor *in = tfl_in(k, op, 0), *out = tfl_out(k, op);
  const int32_t zero = (int32_t)in->zero;
  const float far = INFINITY;
  *own = true;
  switch (op->code) {
  case TFL_RELU: return put_pieces(k, op, table, 1, stored_bound(out, 0, far));
  case TFL_RELU6: return put_pieces(k, op, table, 1, stored_bound(out, 0, 6));
  case TFL_RELU_N1_TO_1: return put_pieces(k, op, table, 1, stored_bound(out, -1, 1));
  case TFL_RELU_0_TO_1: return put_pieces(k, op, table, 1, stored_bound(out, 0, 1));
  case TFL_LEAKY_RELU: return put_pieces(k, op, table, op->beta, stored_bound(out, -far, far));
  case TFL_LOGISTIC:
    if (!has_scale(k, op, 1 / 256.0f, INT8_MIN)) return false;
    return table_logistic(table, in->scale[0], zero), true;
  case TFL_TANH:
    if (!has_scale(k, op, 1 / 128.0f, 0)) return false;
    return table_tanh(table, in->scale[0], zero), true;
  case TFL_HARD_SWISH:
    return table_hard_swish(table, in->scale[0], zero, out->scale[0], (int32_t)out->zero) ||
           tfl_no(k, op, "its scales are incompatible");
  default: *own = false; return true;
  }
}

/* ---- statements ---- */
static const char *function_word(int code) {
  switch (code) {
  case TFL_RELU: return "relu";
  case TFL_RELU6: return "relu6";
  case TFL_RELU_N1_TO_1:
  case TFL_RELU_0_TO_1: return "clip";
  case TFL_LOGISTIC: return "sigmoid";
  case TFL_TANH: return "tanh";
  case TFL_HARD_SWISH: return "hard_swish";
  case TFL_LEAKY_RELU: return "leaky_relu";
  case TFL_ELU: return "elu";
  case TFL_EXP: return "exp";
  case TFL_LOG: return "log";
  case TFL_SQRT: return "sqrt";
  case TFL_SQUARE: return "square";
  case TFL_ABS: return "abs";
  case TFL_NEG: return "multiply";
  case TFL_RSQRT: return "power";
  case TFL_FLOOR: return "floor";
  case TFL_SIN: return "sin";
  case TFL_COS: return "cos";
  default: return "gelu";
  }
}

static const char *arguments_of(Making *k, const TflOperator *op) {
  switch (op->code) {
  case TFL_RELU_N1_TO_1: return "-1, 1";
  case TFL_RELU_0_TO_1: return "0, 1";
  case TFL_LEAKY_RELU: return text_float(k->arena, (double)op->beta);
  case TFL_GELU: return op->middle ? "approximate=tanh" : "";
  case TFL_NEG: return "-1";
  case TFL_RSQRT: return "-0.5";
  default: return "";
  }
}

bool tfl_map(Making *k, const TflOperator *op) {
  const char *word = function_word(op->code);
  int8_t *table = (int8_t *)arena_alloc(k->arena, 256);
  bool own = false;
  if (!tfl_value(k, op, op->in[0])) return false;
  if (!isfinite(op->beta)) return tfl_no(k, op, "its slope is not a finite number");
  if (tfl_is_wide(k, op) ? !check_wide(k, op) : tfl_is_bytes(k, op) && !make_table(k, op, table, &own))
    return false;
  const char *layer = tfl_layer(k, word);
  tfl_begin(k, op, op->in[0]);
  tfl_call(k, op, layer, "%s(%s", word, arguments_of(k, op));
  tfl_end(k, op, layer);
  tfl_scale(k, layer, tfl_out(k, op));
  if (own) tfl_table(k, layer, 1, table);
  const bool bent = op->code == TFL_RELU || op->code == TFL_RELU6 || op->code == TFL_LEAKY_RELU;
  if (k->litert && bent && tfl_is_wide(k, op)) tfl_say(k, layer, "factor", "float");
  return true;
}

/* Imports POW, FLOOR_DIV and FLOOR_MOD of a value and a number. */
bool tfl_with_number(Making *k, const TflOperator *op) {
  const TflTensor *t = tfl_in(k, op, 1);
  if (!tfl_value(k, op, op->in[0])) return false;
  if (!t || !t->data || t->size != 1 || !t->known || t->elem != tfl_out(k, op)->elem ||
      (tfl_is_quantized(t) && t->scales != 1))
    return tfl_no(k, op, "its second operand must be a single number");
  if (tfl_is_wide(k, op)) return tfl_no(k, op, "it has no int16 form yet");
  const double number = tfl_number(t, 0);
  if (!isfinite(number) || (op->code != TFL_POW && !(number > 0)))
    return tfl_no(k, op, "its second operand is %g, which is not supported", number);
  const char *word = op->code == TFL_POW         ? "power"
                     : op->code == TFL_FLOOR_DIV ? "divide"
                                                 : "modulo",
             *layer = tfl_layer(k, word);
  tfl_begin(k, op, op->in[0]);
  tfl_call(k, op, layer, "%s(%s", word, text_float(k->arena, number));
  if (op->code == TFL_FLOOR_DIV) {
    text_put(&k->text, " -> ");
    layer = tfl_layer(k, "floor");
    tfl_call(k, op, layer, "floor(");
  }
  tfl_scale(k, layer, tfl_out(k, op));
  tfl_end(k, op, layer);
  return true;
}

/* ---- prelu ---- */
static bool prelu_tables(Making *k, const TflOperator *op, const TflTensor *alpha, const char *layer) {
  const TflTensor *in = tfl_in(k, op, 0), *out = tfl_out(k, op);
  const Multiplier above = ratio_of(in->scale[0], out->scale[0]),
                   below = ratio_of(in->scale[0] * alpha->scale[0], out->scale[0]);
  int8_t (*table)[256] = (int8_t (*)[256])arena_alloc(k->arena, 256 * (size_t)alpha->size);
  for (int64_t c = 0; c < alpha->size; c++)
    table_pieces(table[c], k->rounding, (int32_t)in->zero, above,
                 (int32_t)((int8_t)alpha->data[c] - alpha->zero), below,
                 stored_bound(out, -INFINITY, INFINITY));
  tfl_table(k, layer, alpha->size, *table);
  return true;
}

/* Imports PRELU with one slope per channel, or one slope for all channels. */
bool tfl_prelu(Making *k, const TflOperator *op) {
  const TflTensor *in = tfl_in(k, op, 0), *alpha = tfl_in(k, op, 1);
  if (!tfl_value(k, op, op->in[0])) return false;
  if (tfl_is_wide(k, op)) return tfl_no(k, op, "it has no int16 form yet");
  const int64_t channels = in->dim[in->rank - 1];
  if (!alpha || !alpha->data || !alpha->known || alpha->elem != in->elem ||
      (tfl_is_quantized(alpha) && alpha->scales != 1))
    return tfl_no(k, op, "its slopes must be constants of the same type as its input");
  if (alpha->size != 1 && (alpha->size != channels || alpha->dim[alpha->rank - 1] != channels))
    return tfl_no(k, op, "it must have one slope per channel, or one for all");
  if (alpha->elem == I8 && alpha->size > MOST_TABLES)
    return tfl_no(k, op, "it has more than %d slopes", MOST_TABLES);
  const char *layer = tfl_layer(k, "prelu");
  if (alpha->elem == I8 && !prelu_tables(k, op, alpha, layer)) return false;
  tfl_begin(k, op, op->in[0]);
  tfl_call(k, op, layer, "prelu(");
  tfl_end(k, op, layer);
  tfl_scale(k, layer, tfl_out(k, op));
  if (alpha->elem == I8) return true;
  if (!tfl_may_create(k, op, (int64_t)sizeof(float) * channels)) return false;
  float *slope = NEW_ARRAY(k->arena, float, channels);
  for (int64_t c = 0; c < channels; c++) slope[c] = (float)tfl_number(alpha, alpha->size == 1 ? 0 : c);
  tfl_array(k, arena_printf(k->arena, "%s.weight", layer), F32, 1, &channels, slope);
  return true;
}
