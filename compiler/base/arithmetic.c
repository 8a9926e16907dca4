/* arithmetic.c: Reference arithmetic of quantized nets. */
// SPDX-License-Identifier: Apache-2.0
#include "base/arithmetic.h"
#include <math.h>
#include <string.h>

static const char *const rounding_names[ROUNDINGS] = {
    [ROUNDING_SINGLE] = "single", [ROUNDING_DOUBLE] = "double", [ROUNDING_FLOAT] = "float"};

const char *rounding_name(Rounding rounding) { return rounding_names[rounding]; }

bool rounding_find(const char *name, Rounding *rounding) {
  for (int i = 0; i < ROUNDINGS; i++)
    if (strcmp(name, rounding_names[i]) == 0) return *rounding = (Rounding)i, true;
  return false;
}

/* x / 2^s, rounded down; in C, right shifts of negative numbers are implementation-defined. */
static int64_t shifted(int64_t x, int32_t s) { return x >= 0 ? x >> s : ~(~x >> s); }

/* ---- factors ---- */
Multiplier multiplier_of(double factor) {
  static const double FAR = 0x1p40; /* larger factors, infinity and NaN become nearly 2^41 */
  if (!(factor < FAR)) return (Multiplier){.m = INT32_MAX, .e = 41, .real = (float)factor};
  int e = 0;
  const double part = frexp(factor, &e);
  int64_t m = (int64_t)floor(part * 0x1p31 + 0.5);
  if (m == INT64_C(1) << 31) {
    m /= 2;
    e++;
  }
  if (e < MULTIPLIER_LEAST) m = e = 0;
  return (Multiplier){.m = (int32_t)m, .e = e, .real = (float)factor};
}

static Multiplier multiplier_limited(Multiplier factor) {
  if (factor.e > MULTIPLIER_MOST) {
    factor.m = INT32_MAX;
    factor.e = MULTIPLIER_MOST;
  }
  return factor;
}

Multiplier multiplier_reaching(Multiplier factor, int64_t most) {
  factor = multiplier_limited(factor);
  factor.far = !sum_fits(most, factor.e);
  return factor;
}

Multiplier multiplier_of_scales(float in, float weight, float out, bool one) {
  const float product = in * weight;
  if (!isfinite(product)) return multiplier_of(INFINITY);
  Multiplier factor = multiplier_of((one ? (double)product : (double)in * (double)weight) / (double)out);
  factor.real = product / out;
  return factor;
}

/* With e > 0, x * 2^e may exceed int64; the shift of the product is shorter instead, with the same result. */
static int64_t apply_double(int64_t x, Multiplier factor) {
  const int32_t left = factor.e > 0 ? factor.e : 0, s = factor.e < 0 ? -factor.e : 0;
  const int64_t h = shifted(x * factor.m + (INT64_C(1) << (30 - left)), 31 - left);
  return s ? shifted(h + (INT64_C(1) << (s - 1)) - (h < 0), s) : h;
}

static int64_t apply_single(int64_t x, Multiplier factor) {
  return shifted(x * factor.m + (INT64_C(1) << (30 - factor.e)), 31 - factor.e);
}

/* The clamp to +-2^17 changes no final result: with any zero point, larger numbers saturate in int8 and
 * int16. */
static int64_t apply_float(int64_t x, float real) {
  static const float FAR = 1 << 17;
  const float y = x ? (float)x * real : 0; /* `real` may be infinite */
  return (int64_t)nearbyintf(y < -FAR ? -FAR : y > FAR ? FAR : y);
}

int64_t multiplier_apply(Rounding rounding, int64_t x, Multiplier factor) {
  factor = multiplier_limited(factor);
  switch (rounding) {
  case ROUNDING_DOUBLE: return apply_double(x, factor);
  case ROUNDING_SINGLE: return apply_single(x, factor);
  case ROUNDING_FLOAT: break;
  }
  return apply_float(x, factor.real);
}

int32_t multiplier_reduced(Multiplier factor) {
  return factor.m < 0x7fff0000 ? (factor.m + (1 << 15)) >> 16 : 0x7fff;
}

/* RSH(x * m + 2^(s-1), s), where the product may have 78 bits. x is split into its low 32 bits and the
 * rest. */
static int64_t scaled_by(int64_t x, int32_t m, int32_t s) {
  const int64_t low = (int64_t)((uint64_t)x & UINT32_MAX), high = (x - low) / (INT64_C(1) << 32);
  const uint64_t below = (uint64_t)low * (uint64_t)m + (UINT64_C(1) << (s - 1));
  const int64_t above = high * m + (int64_t)(below >> 32), rest = (int64_t)(below & UINT32_MAX);
  return s >= 32 ? shifted(above, s - 32) : above * (INT64_C(1) << (32 - s)) + (rest >> s);
}

int64_t multiplier_apply_wide(Rounding rounding, int64_t x, Multiplier factor) {
  const int32_t shift = 15 - factor.e;
  switch (rounding) {
  case ROUNDING_DOUBLE: return shifted(x * multiplier_reduced(factor) + (INT64_C(1) << (shift - 1)), shift);
  case ROUNDING_SINGLE: return scaled_by(x, factor.m, 31 - factor.e);
  case ROUNDING_FLOAT: break;
  }
  return apply_float(x, factor.real);
}

int64_t multiply_exactly(int64_t x, double factor) {
  static const double FAR = 1 << 30;
  const double y = round((double)x * factor);
  return (int64_t)(y < -FAR ? -FAR : y > FAR ? FAR : y);
}

bool sum_fits(int64_t most, int32_t e) {
  return most <= (INT64_C(1) << 40) && most * (INT64_C(1) << (e > 0 ? e : 0)) + 256 <= INT32_MAX;
}

/* ---- values ---- */
Stored stored_of(float scale, int32_t zero, bool wide, Bound bound) {
  Stored stored = {zero, wide ? INT16_MIN : INT8_MIN, wide ? INT16_MAX : INT8_MAX, bound, false};
  if (bound != BOUND_NONE && zero > stored.lo) stored.lo = zero;
  if (bound != BOUND_RELU6) return stored;
  const double six = floor((double)(6 / scale) + 0.5) + zero;
  if (six < stored.hi) stored.hi = (int32_t)six;
  return stored;
}

int32_t stored_put(Stored stored, int64_t rounded) {
  const int64_t q = rounded + stored.zero;
  return q < stored.lo ? stored.lo : q > stored.hi ? stored.hi : (int32_t)q;
}

int32_t quantize_real(double x, float scale, Stored stored) {
  static const double FAR = 1 << 20;
  const double q = round(x / (double)scale);
  return stored_put(stored, q > FAR ? (int64_t)FAR : q > -FAR ? (int64_t)q : -(int64_t)FAR);
}

/* ---- additions ---- */
static int32_t bits_lost(int32_t count) {
  int32_t lost = 0;
  while (count > 2 << lost) lost++;
  return lost;
}

static void addition_in_floats(Addition *addition, Addend *addend, float out, bool wide) {
  float most = addend->scale / out;
  for (int32_t k = 1; k < addition->count; k++) most = fmaxf(most, addend[k].scale / out);
  int e = 0;
  frexpf(most, &e); /* 2^(e-1) <= most < 2^e */
  const int shift = ADDITION_BITS - (e - 1) - (wide ? 0 : bits_lost(addition->count)), limit = wide ? 39 : 30;
  addition->shift = shift < limit ? shift : limit;
  addition->floats_round = shift > 0 && most < ldexpf(1, ADDITION_FLOAT_MOST);
  for (int32_t k = 0; k < addition->count && addition->floats_round; k++) {
    addend[k].whole = (int64_t)nearbyintf(ldexpf(addend[k].scale / out, addition->shift));
    if (addend[k].minus) addend[k].whole = -addend[k].whole;
  }
}

Addition addition_of(Addend *addend, int32_t count, float out, bool wide) {
  float most = 0;
  for (int32_t k = 0; k < count; k++) most = addend[k].scale > most ? addend[k].scale : most;
  const double twice = 2 * (double)most;
  const int32_t bits = (wide ? WIDE_ADDITION_BITS : ADDITION_BITS) - bits_lost(count);
  for (int32_t k = 0; k < count; k++) addend[k].factor = multiplier_of((double)addend[k].scale / twice);
  Addition addition = {.addend = addend,
                       .count = count,
                       .bits = bits,
                       .out = multiplier_of(twice / ((double)(1 << bits) * (double)out))};
  addition.out = multiplier_reaching(addition.out, addition_most(&addition, wide ? 1 << 15 : UINT8_MAX));
  addition_in_floats(&addition, addend, out, wide);
  return addition;
}

int64_t addition_part(Rounding rounding, const Addition *addition, int32_t k, int64_t x) {
  const Addend *addend = &addition->addend[k];
  if (rounding == ROUNDING_FLOAT) return addend->whole * x;
  const int64_t part = multiplier_apply(rounding, x * (INT64_C(1) << addition->bits), addend->factor);
  return addend->minus ? -part : part;
}

int64_t addition_rounded(Rounding rounding, const Addition *addition, int64_t parts) {
  if (rounding == ROUNDING_FLOAT)
    return shifted((INT64_C(1) << (addition->shift - 1)) + parts, addition->shift);
  return multiplier_apply(rounding, parts, addition->out);
}

int64_t addition_most(const Addition *addition, int64_t most) { /* every factor is at most 1/2 */
  return addition->count * (most * (INT64_C(1) << addition->bits) / 2 + 1);
}

bool addition_fits(Rounding rounding, const Addition *addition, int64_t most) {
  if (rounding == ROUNDING_FLOAT) return addition->floats_round;
  return isfinite(addition->out.real) && addition_most(addition, most) <= INT32_MAX;
}

int64_t average_of(int64_t sum, int64_t n) { return sum > 0 ? (sum + n / 2) / n : (sum - n / 2) / n; }

int64_t average_even(int64_t sum, int64_t n) {
  const int64_t below = sum >= 0 ? sum / n : -((n - 1 - sum) / n), twice = 2 * (sum - below * n);
  return below + (twice > n || (twice == n && below % 2 != 0));
}

/* ---- tables ---- */
void table_of(int8_t to[256], float in_scale, int32_t in_zero, float out_scale, Stored out,
              RealFunction *function, const void *context) {
  for (int q = INT8_MIN; q <= INT8_MAX; q++)
    to[q - INT8_MIN] =
        (int8_t)quantize_real(function(context, (double)(q - in_zero) * (double)in_scale), out_scale, out);
}

void table_requantize(int8_t to[256], Rounding rounding, float in_scale, int32_t in_zero, float out_scale,
                      Stored out) {
  Multiplier factor = multiplier_of((double)in_scale / (double)out_scale);
  factor.real = in_scale / out_scale;
  for (int q = INT8_MIN; q <= INT8_MAX; q++)
    to[q - INT8_MIN] = (int8_t)stored_put(out, multiplier_apply(rounding, q - in_zero, factor));
}

/* ---- softmax: gemmlowp's fixed point ---- */
static int64_t product_saturated(int64_t a, int64_t b) { return shifted(a * b + (INT64_C(1) << 30), 31); }
static int64_t halved(int64_t x, int32_t e) { /* x / 2^e, rounded half away from zero */
  const int64_t rest = x & ((INT64_C(1) << e) - 1), half = (INT64_C(1) << e) / 2 - 1 + (x < 0);
  return shifted(x, e) + (e && rest > half);
}

/* exp(a) as Q0.31; a <= 0 is a fixed-point number with `whole` integer bits. `a` is split into a remainder
 * from -1/4 to 0, and some of the terms -1/4, -1/2, -1, -2, ... A polynomial computes exp of the remainder.
 * For each term, the result is multiplied by a factor from the table. */
static int64_t exponential_of(int64_t a, int whole) {
  static const int64_t factor[] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
  const int fraction = 31 - whole;
  const int64_t quarter = INT64_C(1) << (fraction - 2), low = (a & (quarter - 1)) - quarter,
                x = low * (INT64_C(1) << whole) + (INT64_C(1) << 28), x2 = product_saturated(x, x),
                x3 = product_saturated(x2, x), x4 = product_saturated(x2, x2);
  const int64_t tail = halved(product_saturated(halved(x4, 2) + x3, 715827883) + x2, 1);
  int64_t result = 1895147668 + product_saturated(1895147668, x + tail);
  for (int i = 0; i < whole + 2; i++)
    if ((low - a) >> (fraction - 2 + i) & 1) result = product_saturated(result, factor[i]);
  return a == 0 ? INT32_MAX : result;
}

static Multiplier softmax_factor(float scale) {
  const double factor = (double)scale * (1 << 26);
  return multiplier_of(factor < INT32_MAX ? factor : INT32_MAX);
}

bool softmax_scale_fits(float scale) { return (double)scale * (1 << 26) > 1; }

void softmax_table(int32_t exponential[256], float in_scale) {
  const Multiplier factor = softmax_factor(in_scale);
  const double least = floor(31.0 * (1 << 26) / ldexp(1, factor.e));
  for (int d = 0; d < 256; d++)
    exponential[d] =
        d > least ? 0
                  : (int32_t)exponential_of(product_saturated(-d * (INT64_C(1) << factor.e), factor.m), 5);
}

int32_t softmax_part(int32_t exponential) { return (int32_t)halved(exponential, 12); }

static int32_t leading_zeros(int32_t x) {
  int32_t n = 0;
  while (n < 32 && !((uint32_t)x >> (31 - n) & 1)) n++;
  return n;
}

static int64_t saturated(int64_t x) { return x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : x; }

/* 1 / ((1 + part) / 2) as Q2.29, with three Newton steps; part: from 0 to 1, as Q0.31. */
static int64_t reciprocal_of(int64_t part) {
  const int64_t half = (part + INT64_C(0x7fffffff) + 1) / 2;
  int64_t x = 1515870810 + product_saturated(half, -1010580540);
  for (int i = 0; i < 3; i++)
    x += saturated(product_saturated(x, (INT64_C(1) << 29) - product_saturated(half, x)) * 4);
  return x;
}

int32_t softmax_reciprocal(int32_t sum) {
  const int64_t part = ((int64_t)sum << leading_zeros(sum)) - (INT64_C(1) << 31);
  return (int32_t)saturated(reciprocal_of(part) * 2);
}

int32_t softmax_value(int32_t exponential, int32_t sum, int32_t reciprocal) {
  const int64_t q =
      halved(product_saturated(reciprocal, exponential), 12 - leading_zeros(sum) + 31 - 8) - 128;
  return q < INT8_MIN ? INT8_MIN : q > INT8_MAX ? INT8_MAX : (int32_t)q;
}

/* ---- functions of TensorFlow Lite ---- */
static int8_t cut8(int64_t q) { return (int8_t)(q < INT8_MIN ? INT8_MIN : q > INT8_MAX ? INT8_MAX : q); }

/* 1 / (1 + exp(-x)) and tanh(x) as Q0.31, x >= 0 in Q4.27. */
static int64_t logistic_of(int64_t x) {
  return x ? saturated(reciprocal_of(exponential_of(-x, 4)) * 2) : INT64_C(1) << 30;
}
static int64_t tanh_of(int64_t x) {
  return x ? saturated((reciprocal_of(exponential_of(-x, 5)) - (INT64_C(1) << 29)) * 4) : 0;
}

static void table_bounded(int8_t to[256], float in_scale, int32_t in_zero, bool logistic) {
  enum { WHOLE = 4, BITS = 31 - WHOLE };
  const double factor = (double)in_scale * (1 << BITS);
  const Multiplier m = multiplier_of(factor < INT32_MAX ? factor : INT32_MAX);
  /* For |x| beyond the radius, the result is the limit of the function. */
  const double radius = floor(((1 << WHOLE) - 1) * ldexp(1, BITS) / ldexp(1, m.e));
  for (int q = INT8_MIN; q <= INT8_MAX; q++) {
    const int64_t x = q - in_zero, scaled = fabs((double)x) < radius ? apply_double(x, m) : 0,
                  size = scaled < 0 ? -scaled : scaled;
    int64_t y = logistic ? logistic_of(size) : tanh_of(size);
    if (scaled < 0) y = logistic ? INT32_MAX - y : -y;
    const bool beyond = fabs((double)x) >= radius;
    const int64_t limit = x > 0 ? INT8_MAX : INT8_MIN;
    to[q - INT8_MIN] = cut8(beyond ? limit : logistic ? halved(y, 31 - 8) + INT8_MIN : halved(y, 31 - 7));
  }
}

void table_logistic(int8_t to[256], float in_scale, int32_t in_zero) {
  table_bounded(to, in_scale, in_zero, true);
}
void table_tanh(int8_t to[256], float in_scale, int32_t in_zero) {
  table_bounded(to, in_scale, in_zero, false);
}

void table_pieces(int8_t to[256], Rounding rounding, int32_t in_zero, Multiplier above, int32_t slope,
                  Multiplier below, Stored out) {
  for (int q = INT8_MIN; q <= INT8_MAX; q++) {
    const int64_t x = q - in_zero;
    to[q - INT8_MIN] = (int8_t)stored_put(out, x >= 0 ? multiplier_apply(rounding, x, above)
                                                      : multiplier_apply(rounding, x * slope, below));
  }
}

/* Saturates to int16, as in TensorFlow Lite's kernel. */
static int64_t cut16(int64_t x) { return x < INT16_MIN ? INT16_MIN : x > INT16_MAX ? INT16_MAX : x; }
static int64_t product16(int64_t a, int64_t b) { /* a * b / 2^15, rounded half up, saturated to int16 */
  const int64_t ab = a * b;
  return cut16((ab + (ab >= 0 ? 1 << 14 : 1 - (1 << 14))) / (1 << 15));
}
static int64_t high16(Multiplier m) { return cut16(((int64_t)m.m + (1 << 15)) >> 16); }

bool table_hard_swish(int8_t to[256], float in_scale, int32_t in_zero, float out_scale, int32_t out_zero) {
  const float fine = 1.0f / 128.0f * in_scale, unit = 3.0f / 32768.0f;
  const Multiplier out = multiplier_of((double)(fine / out_scale)),
                   gate = multiplier_of((double)(fine / unit));
  if (out.e > 0 || gate.e > 16) return false;
  for (int q = INT8_MIN; q <= INT8_MAX; q++) {
    const int64_t x = (q - in_zero) * 128, value = product16(x, high16(out));
    int64_t open = x; /* becomes x / 3 in Q0.15, and then relu6(x + 3) / 6 */
    if (gate.e > 0) open = cut16(open * (INT64_C(1) << (gate.e - 1)));
    open = product16(open, high16(gate));
    open = gate.e > 0 ? cut16(open * 2) : halved(open, -gate.e);
    open = (open + (1 << 15)) >> 1;
    to[q - INT8_MIN] = cut8(halved(cut16(open * value / (1 << 15)), -out.e) + out_zero);
  }
  return true;
}

/* ---- int16 functions of TensorFlow Lite's reference kernels: piecewise linear ---- */
bool scale_is_power(float scale, int *e) {
  static const double NEARLY = 1e-3;
  const double exponent = log2((double)scale), nearest = round(exponent);
  *e = (int)nearest;
  return fabs(exponent - nearest) < NEARLY;
}

/* ---- sigmoid and tanh ---- */
/* Number of units in an interval of x of length 1. A unit is the distance between two neighboring points of
 * the curve, divided by 2^curve_bits. For sigmoid, the interval has 24 such distances of 2^9 units. For tanh,
 * which is computed as the sigmoid of 2x, it has 48 distances of 2^8 units. */
static const double CURVE_UNITS = 24 << 9;

bool curve_fits(float in_scale) { return (double)in_scale * CURVE_UNITS < 0x1p16; }

/* A scale of nearly 2^-12 (for tanh, also 2^-11) is treated as this power of two. The exact factor is then an
 * integer, and `shift` is 0. */
Curve curve_of(float in_scale, bool tanh) {
  static const double LARGEST = 32767 / 2.0;
  enum { MOST_SHIFT = 31 };
  int e;
  const bool power = scale_is_power(in_scale, &e) && (e == -12 || (tanh && e == -11));
  if (power) return (Curve){3 << (e + 12), 0, tanh};
  Curve curve = {.tanh = tanh};
  double factor = (double)in_scale * CURVE_UNITS;
  for (; factor <= LARGEST && curve.shift < MOST_SHIFT; curve.shift++) factor *= 2;
  curve.factor = (int32_t)factor;
  return curve;
}

static double logistic(double x) { return 0x1p16 / (1 + exp(-x)); }

/* Point n of the curve: sigmoid at n / 24, shifted by half of the interpolation error at the middle of the
 * line to the next point. So the error has the same size at the middle and at the ends of the line. */
int32_t curve_point(int32_t n) {
  const double step = 1 / 24.0, here = logistic(n * step), next = logistic((n + 1) * step);
  if (n == CURVE_STEPS) return UINT16_MAX;
  return (int32_t)round(here - ((here + next) / 2 - logistic((n + 0.5) * step)) / 2);
}
int32_t curve_bits(const Curve *curve) { return curve->tanh ? 8 : 9; }
int32_t curve_end(const Curve *curve) { return curve->tanh ? UINT16_MAX << 8 : INT16_MAX << 10; }
int32_t curve_start(const Curve *curve) { return curve->tanh ? 0 : 1 << 24; }
int32_t curve_shift(const Curve *curve) { return curve->tanh ? 8 : 10; }

int64_t curve_value(const Curve *curve, int64_t q) {
  const int32_t bits = curve_bits(curve), shift = curve_shift(curve);
  const int64_t half = curve->shift ? INT64_C(1) << (curve->shift - 1) : 0,
                at = shifted(q * curve->factor + half, curve->shift), size = at < 0 ? -at : at,
                n = size >> bits;
  int64_t y = curve_end(curve);
  if (n < CURVE_STEPS) {
    const int64_t from = curve_point((int32_t)n), to = curve_point((int32_t)n + 1);
    y = from * (1 << bits) + (size - n * (1 << bits)) * (to - from);
  }
  y -= CURVE_MIDDLE * (1 << bits);
  return shifted((at < 0 ? -1 - y : y) + curve_start(curve) + (1 << (shift - 1)), shift);
}

/* ---- softmax ---- */
static double exponential_at(double x) { return exp(x); }
static double reciprocal_at(double x) { return 1 / (1 + x); }

/* Computes the points of a table from `low` to `high`. All points except the last are corrected as in
 * curve_point, but from rounded values. */
static void fill_lines(int16_t to[LINES + 1], double low, double high, double (*function)(double)) {
  const double step = (high - low) / (double)LINES, unit = 0x1p15;
  for (int i = 0; i < LINES; i++) {
    const double here = round(function(low + i * step) * unit),
                 middle = round(function(low + i * step + step / 2) * unit),
                 line = round((function(low + (i + 1) * step) * unit + here) / 2);
    to[i] = (int16_t)cut16((int64_t)(here - round((line - middle) / 2)));
  }
  to[LINES] = (int16_t)cut16((int64_t)round(function(high) * unit));
}

void softmax_wide_tables(int16_t exponential[LINES + 1], int16_t reciprocal[LINES + 1]) {
  fill_lines(exponential, -10, 0, exponential_at);
  fill_lines(reciprocal, 0, 1, reciprocal_at);
}

Multiplier softmax_wide_factor(float in_scale) {
  return multiplier_of((double)in_scale / (10 / (double)UINT16_MAX));
}

bool softmax_wide_fits(float in_scale) { return sum_fits(UINT16_MAX, softmax_wide_factor(in_scale).e); }

static int32_t line_at(const int16_t table[LINES + 1], int64_t place) {
  const int64_t n = shifted(place, LINES_BITS), rest = place - n * (1 << LINES_BITS);
  const int16_t from = table[n + LINES / 2], to = table[n + LINES / 2 + 1];
  return from + (int32_t)shifted((to - from) * rest + (1 << (LINES_BITS - 1)), LINES_BITS);
}

int32_t softmax_wide_exponential(const int16_t exponential[LINES + 1], int64_t below) {
  return line_at(exponential, cut16(below + INT16_MAX));
}

static int32_t bits_of(int32_t sum) { /* number of significant bits */
  int32_t n = 0;
  while (n < 31 && sum >> n) n++;
  return n;
}

int32_t softmax_wide_reciprocal(const int16_t reciprocal[LINES + 1], int32_t sum) {
  const int64_t leading = shifted((int64_t)sum * (INT64_C(1) << (31 - bits_of(sum))) + (1 << 13), 14);
  return line_at(reciprocal, cut16(leading - (1 << 16) - (1 << 15)));
}

int32_t softmax_wide_value(int32_t exponential, int32_t sum, int32_t reciprocal) {
  const int32_t shift = bits_of(sum) - 1;
  const int64_t q = shifted((int64_t)exponential * reciprocal + (INT64_C(1) << (shift - 1)), shift);
  return q < 0 ? 0 : (int32_t)cut16(q);
}

/* ---- gemmlowp's 16-bit fixed point ---- */
int64_t cut_wide(int64_t x) { return cut16(x); }
int64_t cut_narrow(int64_t x) { return cut8(x); }
int64_t shift_half_up(int64_t x, int32_t s) { return shifted(x + (s ? INT64_C(1) << (s - 1) : 0), s); }
int64_t shift_half_away(int64_t x, int32_t s) { return halved(x, s); }

static int64_t wrap16(int64_t x) { /* modulo 2^16 */
  const int64_t low = x & UINT16_MAX;
  return low > INT16_MAX ? low - (UINT16_MAX + 1) : low;
}

/* exp(a) as Q0.15; a <= 0 has `whole` integer bits. */
static int64_t exponential16(int64_t a, int32_t whole) {
  static const int64_t factor[] = {25520, 19875, 12055, 4435, 600, 11, 0};
  const int32_t fraction = 15 - whole;
  const int64_t quarter = INT64_C(1) << (fraction - 2), low = (a & (quarter - 1)) - quarter, rest = low - a,
                x = wrap16(cut16(low * (INT64_C(1) << whole)) + (1 << 12)), x2 = product16(x, x),
                x3 = product16(x2, x), x4 = product16(x2, x2),
                tail = halved(wrap16(product16(wrap16(halved(x4, 2) + x3), 10923) + x2), 1);
  int64_t result = cut16(28918 + product16(28918, wrap16(x + tail)));
  for (int32_t i = 0; i < whole + 2 && i < 7; i++)
    if (rest >> (fraction - 2 + i) & 1) result = product16(result, factor[i]);
  if (whole > 5 && a < -(INT64_C(1) << (fraction + 5))) result = 0;
  return a ? result : INT16_MAX;
}

/* 1 / ((1 + x) / 2) as Q2.13, with three Newton steps; x: from 0 to 1, as Q0.15. */
static int64_t reciprocal16(int64_t x) {
  const int64_t half = (x + (1 << 15)) / 2;
  int64_t y = wrap16(23130 + product16(half, -15420));
  for (int i = 0; i < 3; i++) y = wrap16(y + cut16(4 * product16(y, wrap16((1 << 13) - product16(half, y)))));
  return y;
}

int64_t fixed_logistic(int64_t q) {
  const int64_t above = cut16(2 * reciprocal16(exponential16(q > 0 ? -q : q, FIXED_WHOLE)));
  return q > 0 ? above : q < 0 ? INT16_MAX - above : 1 << 14;
}

int64_t fixed_tanh(int64_t q, int32_t whole) {
  const int64_t size = cut16(4 * (reciprocal16(exponential16(q < 0 ? q : -q, whole + 1)) - (1 << 13)));
  return q > 0 ? size : q < 0 ? wrap16(-size) : 0;
}
