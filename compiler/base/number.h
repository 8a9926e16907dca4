/* number.h: Integer functions, and conversions between float and the 16-bit types bf16 and f16, which C11
 * does not have. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_NUMBER_H
#define CNNC_NUMBER_H
#include <stdint.h>
#include <string.h>

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* a / b rounded down and up; b is positive. */
static inline int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b < 0); }
static inline int64_t ceil_divide(int64_t a, int64_t b) { return -floor_divide(-a, b); }

/* The greatest common divisor of two nonnegative numbers; gcd(0, n) is n. */
static inline int64_t common_divisor(int64_t a, int64_t b) {
  while (b) {
    const int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/* The least common multiple of positive numbers. */
static inline int64_t least_multiple(int64_t a, int64_t b) { return a / common_divisor(a, b) * b; }

/* The product, or INT64_MAX on overflow; neither factor is negative. */
static inline int64_t bounded_product(int64_t a, int64_t b) {
  int64_t product;
  return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

/* Rounds to bf16, the upper half of a float: to nearest, ties to even; NaN stays NaN. */
static inline uint16_t bf16_bits(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  if (x != x) return (uint16_t)(u >> 16 | 0x40);
  return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
static inline double bf16_value(uint16_t bits) {
  const uint32_t u = (uint32_t)bits << 16;
  float x;
  memcpy(&x, &u, sizeof x);
  return (double)x;
}
static inline double bf16_nearest(double x) { return bf16_value(bf16_bits((float)x)); }

/* Rounds to f16, IEEE's half precision: to nearest, ties to even; 65520 and more become infinite, NaN stays
 * NaN. */
static inline uint16_t f16_bits(float x) {
  enum { INFINITE = 0x7c00, LEAST_INFINITE = 0x477ff000, LEAST_NORMAL = 0x38800000, BIAS = 0x38000000 };
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  const uint32_t sign = u >> 16 & 0x8000, size = u & 0x7fffffff;
  if (size > 0x7f800000) return (uint16_t)(sign | INFINITE | 0x200);
  if (size >= LEAST_INFINITE) return (uint16_t)(sign | INFINITE);
  if (size >= LEAST_NORMAL) return (uint16_t)(sign | (size - BIAS + 0xfff + (size >> 13 & 1)) >> 13);
  /* Adding 0.5 rounds to a multiple of 2^-24, because this is the spacing of floats between 0.5 and 1.
   * Subnormal f16 numbers have the same spacing. */
  const float half = 0.5f;
  float sum = (x < 0 ? -x : x) + half;
  uint32_t bits, from;
  memcpy(&bits, &sum, sizeof bits);
  memcpy(&from, &half, sizeof from);
  return (uint16_t)(sign | (bits - from));
}
static inline double f16_value(uint16_t bits) {
  uint32_t u = (uint32_t)(bits & 0x7fff) << 13;
  float x;
  memcpy(&x, &u, sizeof x);
  x *= 0x1p112f;
  memcpy(&u, &x, sizeof u);
  if ((bits & 0x7c00) == 0x7c00) u |= 0x7f800000;
  u |= (uint32_t)(bits & 0x8000) << 16;
  memcpy(&x, &u, sizeof x);
  return (double)x;
}
static inline double f16_nearest(double x) { return f16_value(f16_bits((float)x)); }
#endif
