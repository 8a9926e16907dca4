/* compare.h: how far numbers are from those that are wanted. NaN is as far away as can be. */
// SPDX-License-Identifier: Apache-2.0
#ifndef TEST_COMPARE_H
#define TEST_COMPARE_H
#include <stdbool.h>
#include <stdint.h>

double worse(double error, double other); /* the larger; infinite where one is NaN */

/* The largest difference, relative to the largest wanted number, or to `least` where all are smaller.
   Infinite for a NaN on either side. */
double numbers_error(const double *got, const double *want, int64_t n, double least);
double floats_error(const float *got, const double *want, int64_t n, double least);

/* The same where NaN and infinities are wanted, too: they must stand where they are wanted in floats, and
   nowhere else. */
double special_error(const double *got, const double *want, int64_t n, double least);
double special_floats_error(const float *got, const double *want, int64_t n, double least);

/* Relative to 1 or the wanted number, whichever is larger. */
double number_error(double got, double want);

/* ---- a gradient against differences ---- */
typedef double Function(void *context, double x);
typedef enum Slope { SLOPE_RIGHT, SLOPE_KINK, SLOPE_WRONG } Slope;

/* Is `gradient` the derivative of f at x? KINK: f has none there, or one of those that are not to be told
   from none by differences.
 * scale: what errors are relative to; error: what is left, also where it is right. */
Slope slope_judge(Function *f, void *context, double x, double gradient, double scale, double limit,
                  double *error);

/* Kinks may be passed over, but not many of them. */
typedef struct Slopes {
  int64_t judged, kinks;
  double error;
} Slopes;
void slopes_add(Slopes *, Slope, double error);
bool slopes_good(const Slopes *, double limit);
#endif
