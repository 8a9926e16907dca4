/* integer_primitives.h: Named integer primitives of nests. The interpreter runs them, and generated code
 * contains copies of them. Each primitive is one self-contained function. The macro INLINE must be defined
 * before. */
// SPDX-License-Identifier: MIT-0
#include <stdint.h>

/* x * m * 2^(e - 31), rounded once, ties upwards. */
INLINE int32_t cnn_requantize_single(int32_t x, int32_t m, int32_t e) {
  return (int32_t)(((int64_t)x * m + (INT64_C(1) << (30 - e))) >> (31 - e));
}

/* x * m * 2^(e - 31), rounded twice: after the product (ties upwards) and after the shift (ties away from
 * zero). */
INLINE int32_t cnn_requantize_double(int32_t x, int32_t m, int32_t e) {
  const int32_t left = e > 0 ? e : 0, right = e < 0 ? -e : 0;
  const int64_t h = ((int64_t)x * ((int64_t)m << left) + (INT64_C(1) << 30)) >> 31;
  return (int32_t)(right ? (h + (INT64_C(1) << (right - 1)) - (h < 0)) >> right : h);
}

/* Like requantize_single, but x * 2^e may exceed int32; the result is clamped to +-2^30. */
INLINE int32_t cnn_requantize_far_single(int32_t x, int32_t m, int32_t e) {
  const int64_t y = ((int64_t)x * m + (INT64_C(1) << (30 - e))) >> (31 - e);
  return (int32_t)(y < -(1 << 30) ? -(1 << 30) : y > 1 << 30 ? 1 << 30 : y);
}

/* Like requantize_double, but x * 2^e may exceed int32; the result is clamped to +-2^30. */
INLINE int32_t cnn_requantize_far_double(int32_t x, int32_t m, int32_t e) {
  const int32_t left = e > 0 ? e : 0, right = e < 0 ? -e : 0;
  const int64_t h = ((int64_t)x * m + (INT64_C(1) << (30 - left))) >> (31 - left);
  const int64_t y = right ? (h + (INT64_C(1) << (right - 1)) - (h < 0)) >> right : h;
  return (int32_t)(y < -(1 << 30) ? -(1 << 30) : y > 1 << 30 ? 1 << 30 : y);
}

/* x * s, clamped to +-2^17, rounded to nearest, ties to even: adding 3 * 2^22 removes the fraction bits. */
INLINE int32_t cnn_requantize_float(int32_t x, float s) {
  const float y = (float)x * s, cut = y < -131072.0f ? -131072.0f : y > 131072.0f ? 131072.0f : y;
  const float nearest = cut + 12582912.0f;
  return (int32_t)(nearest - 12582912.0f);
}

/* x / scale, clamped to +-2^17, rounded to nearest, ties to even; NaN becomes the minimum. */
INLINE int32_t cnn_quantize_float(float x, float scale) {
  const float y = x / scale, cut = !(y > -131072.0f) ? -131072.0f : y > 131072.0f ? 131072.0f : y;
  const float nearest = cut + 12582912.0f;
  return (int32_t)(nearest - 12582912.0f);
}

/* x * m * 2^(e - 31) for |x| < 2^47, rounded once, ties upwards, clamped to +-2^30: the lower 16 bits of x
 * are multiplied separately. */
INLINE int32_t cnn_requantize_wide(int64_t x, int32_t m, int32_t e) {
  const int64_t low = ((x & 0xffff) * m + (INT64_C(1) << (30 - e))) >> 16;
  const int64_t y = ((x >> 16) * m + low) >> (15 - e);
  return (int32_t)(y < -(1 << 30) ? -(1 << 30) : y > 1 << 30 ? 1 << 30 : y);
}

/* x * m * 2^(e - 15) with a 15-bit factor m, rounded once, ties upwards, clamped to +-2^30. */
INLINE int32_t cnn_requantize_reduced(int64_t x, int32_t m, int32_t e) {
  const int64_t y = (x * m + (INT64_C(1) << (14 - e))) >> (15 - e);
  return (int32_t)(y < -(1 << 30) ? -(1 << 30) : y > 1 << 30 ? 1 << 30 : y);
}

/* x * (mantissa * 2^e), computed in double, rounded to nearest, ties away from zero, clamped to +-2^30. */
INLINE int32_t cnn_requantize_exact(int64_t x, int64_t mantissa, int32_t e) {
  double factor = (double)mantissa;
  for (; e < -30; e += 30) factor /= 1073741824.0;
  factor = e < 0 ? factor / (double)(1 << -e) : factor * (double)(1 << e);
  const double y = (double)x * factor, cut = y < -1073741824.0  ? -1073741824.0
                                             : y > 1073741824.0 ? 1073741824.0
                                                                : y;
  const int32_t whole = (int32_t)cut;
  const double rest = cut - (double)whole;
  return whole + (rest >= 0.5) - (rest <= -0.5);
}

/* x * s, clamped to +-2^17, rounded to nearest, ties to even. */
INLINE int32_t cnn_requantize_wide_float(int64_t x, float s) {
  const float y = (float)x * s, cut = y < -131072.0f ? -131072.0f : y > 131072.0f ? 131072.0f : y;
  const float nearest = cut + 12582912.0f;
  return (int32_t)(nearest - 12582912.0f);
}

/* x / 2^s, rounded to nearest, ties upwards, clamped to +-2^30. */
INLINE int32_t cnn_shift_wide(int64_t x, int32_t s) {
  const int64_t y = (x + (INT64_C(1) << (s - 1))) >> s;
  return (int32_t)(y < -(1 << 30) ? -(1 << 30) : y > 1 << 30 ? 1 << 30 : y);
}

/* x / 2^s, rounded down. */
INLINE int32_t cnn_shift_right(int32_t x, int32_t s) { return x >> s; }

/* sum / n, rounded to nearest, ties away from zero; without a branch on the sign. */
INLINE int32_t cnn_average(int32_t sum, int32_t n) {
  const int32_t sign = sum >> 31;
  return (sum + ((n / 2 ^ sign) - sign)) / n;
}

/* sum / n, rounded to nearest, ties to even; without a branch. */
INLINE int32_t cnn_average_even(int32_t sum, int32_t n) {
  const int32_t sign = sum >> 31, q = sum / n, rest = ((sum % n) ^ sign) - sign,
                away = 2 * rest + (q & 1) > n;
  return q + ((away ^ sign) - sign);
}

/* Leading zeros of a positive 32-bit number. */
INLINE int32_t cnn_leading_zeros(int32_t x) {
#if defined(__GNUC__) || defined(__clang__)
  return __builtin_clz((uint32_t)x | 1);
#else
  int32_t zeros = 0;
  while (zeros < 31 && !((uint32_t)x >> (31 - zeros))) zeros++;
  return zeros;
#endif
}

/* 1 / (1 + x) in Q0.31, where sum = 2^k * (1 + x) has `zeros` leading zeros: three Newton steps, as in
 * gemmlowp. */
INLINE int32_t cnn_softmax_reciprocal(int32_t sum, int32_t zeros) {
  const int32_t half = (int32_t)(((uint32_t)sum << zeros) >> 1), one = 1 << 29;
  int32_t x = 1515870810 + (int32_t)(((int64_t)half * -1010580540 + (1 << 30)) >> 31);
  for (int i = 0; i < 3; i++) {
    const int32_t rest = one - (int32_t)(((int64_t)half * x + (1 << 30)) >> 31);
    x += (int32_t)(((int64_t)x * rest + (1 << 30)) >> 31) * 4;
  }
  return x >= 1 << 30 ? INT32_MAX : x * 2;
}

/* x as an int16 from -32768 (x = 0) to 32767 (x near 1), where sum = 2^k * (1 + x). */
INLINE int32_t cnn_softmax_place(int32_t sum, int32_t zeros) {
  const int64_t leading = (((sum * (INT64_C(1) << zeros)) >> 1) + (1 << 13)) >> 14, place = leading - 98304;
  return (int32_t)(place > 32767 ? 32767 : place < -32768 ? -32768 : place);
}

/* exponential / sum in Q15, from 1 / (1 + x) and the number of leading zeros of sum = 2^k * (1 + x). */
INLINE int32_t cnn_softmax_share_wide(int32_t exponential, int32_t reciprocal, int32_t zeros) {
  const int32_t shift = 31 - zeros;
  const int64_t share = ((int64_t)exponential * reciprocal + ((INT64_C(1) << shift) >> 1)) >> shift;
  return (int32_t)(share > 32767 ? 32767 : share < 0 ? 0 : share);
}

/* exponential / sum in units of 1/256, minus 128, from 1 / (1 + x) and the number of leading zeros of sum =
 * 2^k * (1 + x). */
INLINE int32_t cnn_softmax_share(int32_t exponential, int32_t reciprocal, int32_t zeros) {
  const int32_t p = (int32_t)(((int64_t)exponential * reciprocal + (1 << 30)) >> 31);
  const int32_t shift = zeros > 3 ? 34 - zeros : 31, share = ((p >> shift) + 1) >> 1;
  return share > 255 ? 127 : share - 128;
}

/* exp(x) in Q15 for x <= 0, as in 16-bit gemmlowp; x has (15 - whole) fraction bits. A polynomial computes
 * exp(low), where low is x modulo 1/4, minus 1/4; then each set bit of low - x multiplies the result by a
 * factor. */
INLINE int32_t cnn_exponential_halves(int32_t x, int32_t whole) {
  const int32_t factor[7] = {25520, 19875, 12055, 4435, 600, 11, 0};
  const int32_t fraction = 15 - whole, quarter = 1 << (fraction - 2), low = (x & (quarter - 1)) - quarter;
  int32_t y = low * (1 << whole), p[4];
  y = (int16_t)((y < INT16_MIN ? INT16_MIN : y) + (1 << 12));
  p[0] = (y * y + (1 << 14)) >> 15;
  p[1] = (p[0] * y + (p[0] * y >= 0 ? 1 << 14 : 1 - (1 << 14))) / (1 << 15);
  p[2] = (p[0] * p[0] + (1 << 14)) >> 15;
  p[3] = ((p[2] + 2) >> 2) + p[1];
  p[3] = (p[3] * 10923 + (p[3] >= 0 ? 1 << 14 : 1 - (1 << 14))) / (1 << 15) + p[0];
  y += (p[3] + 1 - (p[3] < 0)) >> 1;
  y = 28918 + (28918 * y + (y >= 0 ? 1 << 14 : 1 - (1 << 14))) / (1 << 15);
  y = y > INT16_MAX ? INT16_MAX : y;
  for (int i = 0; i < whole + 2 && i < 7; i++)
    if ((low - x) >> (fraction - 2 + i) & 1) y = (y * factor[i] + (1 << 14)) >> 15;
  return !x ? INT16_MAX : whole > 5 && x < -(1 << (fraction + 5)) ? 0 : y;
}

/* 2 / (1 + x) in Q13 for x from 0 to 1 in Q15: three Newton steps. */
INLINE int32_t cnn_reciprocal_halves(int32_t x) {
  const int32_t half = (x + (1 << 15)) / 2;
  int32_t y = half * -15420;
  y = 23130 + (y + 1 - (1 << 14)) / (1 << 15);
  for (int i = 0; i < 3; i++) {
    const int32_t rest = (1 << 13) - ((half * y + (1 << 14)) >> 15), step = y * rest;
    y += (step + (step >= 0 ? 1 << 14 : 1 - (1 << 14))) / (1 << 15) * 4;
  }
  return y;
}
