/* arithmetic_wide.c: functions of values of 16 bits, as TensorFlow Lite's reference kernels compute them: by
 * points and straight lines between them. In 64 bits, as arithmetic.c. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "base/arithmetic.h"

static int64_t down(int64_t x, int32_t s) { return x >= 0 ? x >> s : ~(~x >> s); } /* x / 2^s, rounded down */

static int64_t cut16(int64_t x) { return x < INT16_MIN ? INT16_MIN : x > INT16_MAX ? INT16_MAX : x; }

bool scale_is_power(float scale, int *e) {
  static const double NEARLY = 1e-3;
  const double exponent = log2((double)scale), nearest = round(exponent);
  *e = (int)nearest;
  return fabs(exponent - nearest) < NEARLY;
}

/* ---- sigmoid and tanh ---- */
static const double CURVE_UNITS = 24 << 9; /* of sigmoid; of tanh, of twice its number, 24 << 8 */

bool curve_fits(float in_scale) { return (double)in_scale * CURVE_UNITS < 0x1p16; }

/* Scales that are nearly powers of two count as such, where products need no shift. */
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

/* Half as far from the function as the line to the next point would be in its middle: the line misses as much
 * there as at its ends. */
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
                at = down(q * curve->factor + half, curve->shift), size = at < 0 ? -at : at, n = size >> bits;
  int64_t y = curve_end(curve);
  if (n < CURVE_STEPS) {
    const int64_t from = curve_point((int32_t)n), to = curve_point((int32_t)n + 1);
    y = from * (1 << bits) + (size - n * (1 << bits)) * (to - from);
  }
  y -= CURVE_MIDDLE * (1 << bits);
  return down((at < 0 ? -1 - y : y) + curve_start(curve) + (1 << (shift - 1)), shift);
}

/* ---- softmax ---- */
static double exponential_at(double x) { return exp(x); }
static double reciprocal_at(double x) { return 1 / (1 + x); }

/* Points as those of curve_point, rounded step by step. */
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
  const int64_t n = down(place, LINES_BITS), rest = place - n * (1 << LINES_BITS);
  const int16_t from = table[n + LINES / 2], to = table[n + LINES / 2 + 1];
  return from + (int32_t)down((to - from) * rest + (1 << (LINES_BITS - 1)), LINES_BITS);
}

int32_t softmax_wide_exponential(const int16_t exponential[LINES + 1], int64_t below) {
  return line_at(exponential, cut16(below + INT16_MAX));
}

static int32_t bits_of(int32_t sum) { /* how many it has */
  int32_t n = 0;
  while (n < 31 && sum >> n) n++;
  return n;
}

int32_t softmax_wide_reciprocal(const int16_t reciprocal[LINES + 1], int32_t sum) {
  const int64_t leading = down((int64_t)sum * (INT64_C(1) << (31 - bits_of(sum))) + (1 << 13), 14);
  return line_at(reciprocal, cut16(leading - (1 << 16) - (1 << 15)));
}

int32_t softmax_wide_value(int32_t exponential, int32_t sum, int32_t reciprocal) {
  const int32_t shift = bits_of(sum) - 1;
  const int64_t q = down((int64_t)exponential * reciprocal + (INT64_C(1) << (shift - 1)), shift);
  return q < 0 ? 0 : (int32_t)cut16(q);
}
