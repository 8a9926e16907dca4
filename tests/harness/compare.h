/* compare.h: Error measures between computed and reference numbers. NaN is an infinite error. */
// SPDX-License-Identifier: Apache-2.0
#ifndef TEST_COMPARE_H
#define TEST_COMPARE_H
#include <stdbool.h>
#include <stdint.h>

double worse(double error, double other); /* the larger of two errors; infinite if one of them is NaN */

/* The largest difference, relative to the largest expected number, or to `least` if all are smaller.
 * Infinite for a NaN on either side. */
double numbers_error(const double *got, const double *want, int64_t n, double least);
double floats_error(const float *got, const double *want, int64_t n, double least);

/* Like numbers_error, but NaN and infinities are expected: the numbers must be NaN or infinite exactly where
 * the expected numbers, rounded to float, are NaN or infinite. */
double special_error(const double *got, const double *want, int64_t n, double least);
/* Limit of the errors that the next two functions return, for results that are computed from values rounded
 * to bf16. */
#define BF16_ROUNDING 0x1p-8
double bf16_error(const double *got, const double *want, int64_t n, double least);
double bf16_floats_error(const float *got, const double *want, int64_t n, double least);
double special_floats_error(const float *got, const double *want, int64_t n, double least);

/* The difference, relative to 1 or the expected number, whichever is larger. */
double number_error(double got, double want);

/* ---- comparison of a gradient with difference quotients ---- */
typedef double Function(void *context, double x);
typedef enum Slope { SLOPE_RIGHT, SLOPE_KINK, SLOPE_WRONG } Slope;

/* Whether `gradient` is the derivative of f at x. KINK: f has no derivative there, or differences cannot
 * decide. *error: the smallest error found, in units of `scale`; it is also set if the gradient is right. */
Slope slope_judge(Function *f, void *context, double x, double gradient, double scale, double limit,
                  double *error);

/* Counts of slope_judge's results, and the largest error. The error does not include kinks, but only a few
 * kinks are permitted. */
typedef struct Slopes {
  int64_t judged, kinks;
  double error;
} Slopes;
void slopes_add(Slopes *, Slope, double error);
bool slopes_good(const Slopes *, double limit);
#endif
