/* scalar.c: Exponential, logarithm, power, cosine and square root in double, without a math library. */
// SPDX-License-Identifier: MIT-0
#include "scalar.h"

static const double LN2_HIGH = 6.93147180369123816490e-01,
                    LN2_LOW = 1.90821492927058770002e-10; /* their sum is ln 2; the high part has 32 bits */

static double power_of_two(int64_t exponent) { /* exponent: -1022 .. 1023 */
  uint64_t bits = (uint64_t)(exponent + 1023) << 52;
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* exp(x) = 2^k * exp(r) with |r| <= ln(2)/2, where 14 terms of the series are enough. */
double cnn_exp(double x) {
  if (x != x) return x;
  if (x > 709.78) return 1e308 * 10;
  if (x < -745.13) return 0;
  double turns = x * 1.44269504088896340736;
  int64_t k = (int64_t)(turns < 0 ? turns - 0.5 : turns + 0.5);
  double r = (x - (double)k * LN2_HIGH) - (double)k * LN2_LOW;
  double sum = 1;
  for (int i = 14; i >= 1; i--) sum = 1 + sum * r / i;
  int64_t half = k / 2; /* two factors, so that subnormal results are correct */
  return sum * power_of_two(half) * power_of_two(k - half);
}

/* x = m * 2^e with m near 1; log(m) = 2 atanh(s), s = (m - 1)/(m + 1). */
double cnn_log(double x) {
  int64_t exponent = 0;
  if (!(x > 0)) return x < 0 ? x - x : -1e308 * 10;
  if (x < 2.2250738585072014e-308) {
    x *= 18014398509481984.0; /* 2^54 */
    exponent = -54;
  }
  if (x > 1.7976931348623157e308) return x;
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  exponent += (int64_t)(bits >> 52) - 1023;
  bits = (bits & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000;
  double m;
  memcpy(&m, &bits, sizeof m);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    exponent++;
  }
  double s = (m - 1) / (m + 1), square = s * s, sum = 0;
  for (int i = 23; i >= 3; i -= 2) sum = (sum + 1.0 / i) * square;
  return (double)exponent * LN2_HIGH + (2 * s + 2 * s * sum + (double)exponent * LN2_LOW);
}

double cnn_power(double x, double y) {
  if (y == 0) return 1;
  if (x == 0) return 0;
  return cnn_exp(y * cnn_log(x));
}

double cnn_power_whole(double x, int64_t n) {
  double result = 1;
  for (; n > 0; n >>= 1) {
    if (n & 1) result *= x;
    x *= x;
  }
  return result;
}

double cnn_cos_turn(double p) {
  const double pi = 3.14159265358979323846;
  if (p > 0.5) return -cnn_cos_turn(1 - p);
  if (p <= 0.25) { /* the Taylor series of the cosine */
    double square = -(p * pi) * (p * pi), sum = 1;
    for (int i = 18; i >= 2; i -= 2) sum = 1 + sum * square / (i * (i - 1));
    return sum;
  }
  double x = (0.5 - p) * pi, square = -x * x, sum = 1; /* cos(a) = sin(pi/2 - a) */
  for (int i = 19; i >= 3; i -= 2) sum = 1 + sum * square / (i * (i - 1));
  return x * sum;
}

double cnn_sqrt(double x) {
  if (!(x > 0) || x > 1.7976931348623157e308)
    return x; /* zero, infinity, NaN; callers pass no negative numbers */
  double scale = 1;
  if (x < 1e-290) {
    x *= 18014398509481984.0; /* 2^54 */
    scale = 1.0 / 134217728;  /* 2^-27 */
  }
  int64_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits = 0x5FE6EB50C7B537A9 - (bits >> 1);
  double y;
  memcpy(&y, &bits, sizeof y);
  for (int i = 0; i < 5; i++) y *= 1.5 - 0.5 * x * y * y;
  double root = x * y;
  root -= 0.5 * y * (root * root - x);
  return root * scale;
}
