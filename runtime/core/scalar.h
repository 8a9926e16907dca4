/* scalar.h: Scalar math functions of the core. They need no math library, and compute the same bits on all
 * platforms. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_CORE_SCALAR_H
#define CNN_CORE_SCALAR_H
#include <stdint.h>
#include <string.h>

double cnn_exp(double x);                    /* relative error below 1e-15 if the result is normal */
double cnn_log(double x);                    /* x > 0 */
double cnn_power(double x, double y);        /* x >= 0 */
double cnn_power_whole(double x, int64_t n); /* n >= 0; computed by repeated squaring */
double cnn_cos_turn(double p);               /* cos(pi * p) for 0 <= p <= 1 */
double cnn_sqrt(double x);

/* Square root, rounded correctly to float. With -fno-math-errno on x86 with SSE2 and on AArch64, the function
 * compiles to the square root instruction, which the compiler can vectorize. Elsewhere, Newton's method
 * computes 1/sqrt in double from a bitwise estimate. If the square root of a float is between 1 and 2, it is
 * at least 2^-50 away from each midpoint of neighboring floats. So Newton's method gives the same bits as the
 * instruction. */
#if defined __NO_MATH_ERRNO__ && (defined __SSE2__ || defined __aarch64__)
static inline float cnn_sqrt_float(float value) { return __builtin_sqrtf(value); }
#else
static inline float cnn_sqrt_float(float value) {
  double x = (double)value;
  int64_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits = 0x5FE6EB50C7B537A9 - (bits >> 1);
  double y;
  memcpy(&y, &bits, sizeof y);
  double half = 0.5 * x;
  y *= 1.5 - half * y * y;
  y *= 1.5 - half * y * y;
  y *= 1.5 - half * y * y;
  y *= 1.5 - half * y * y;
  double root = x * y;
  return value <= 3.402823466e+38f ? (float)root : value; /* infinity and NaN are returned unchanged */
}
#endif
#endif
