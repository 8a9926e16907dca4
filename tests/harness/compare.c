/* compare.c: Differences of numbers; comparison of gradients with difference quotients. */
// SPDX-License-Identifier: Apache-2.0
#include "compare.h"
#include <math.h>
#include <stdlib.h>

double worse(double error, double other) {
  if (isnan(error) || isnan(other)) return HUGE_VAL;
  return error > other ? error : other;
}

static double relative(double error, double largest) {
  return largest > 0 && isfinite(error) ? error / largest : error;
}

/* Equal infinities are no difference: with --stream, results before the first input row may be infinite. */
double numbers_error(const double *got, const double *want, int64_t n, double least) {
  double error = 0, largest = least;
  for (int64_t i = 0; i < n; i++) {
    if (got[i] == want[i] && isinf(want[i])) continue;
    error = worse(error, fabs(got[i] - want[i]));
    if (fabs(want[i]) > largest) largest = fabs(want[i]);
  }
  return relative(error, largest);
}

/* The difference of two numbers. If `want`, rounded to float, is NaN or infinite, the difference is 0 if
 * `got`, rounded to float, is the same, and infinite if not. */
static double finite_error(double got, double want) {
  const float nearest = (float)want;
  if (isnan(nearest)) return isnan(got) ? 0 : HUGE_VAL;
  if (isinf(nearest)) return (float)got == nearest ? 0 : HUGE_VAL;
  return worse(0, fabs(got - want));
}

double special_error(const double *got, const double *want, int64_t n, double least) {
  double error = 0, largest = least;
  for (int64_t i = 0; i < n; i++) {
    error = worse(error, finite_error(got[i], want[i]));
    if (isfinite((float)want[i]) && fabs(want[i]) > largest) largest = fabs(want[i]);
  }
  return relative(error, largest);
}

typedef double Compare(const double *got, const double *want, int64_t n, double least);

static double of_floats(Compare *compare, const float *got, const double *want, int64_t n, double least) {
  double *wide = malloc(sizeof *wide * (size_t)(n + 1));
  if (!wide) return HUGE_VAL;
  for (int64_t i = 0; i < n; i++) wide[i] = (double)got[i];
  const double error = compare(wide, want, n, least);
  free(wide);
  return error;
}

double floats_error(const float *got, const double *want, int64_t n, double least) {
  return of_floats(numbers_error, got, want, n, least);
}

/* A sum close to the middle between two bf16 numbers may be rounded to either number, and then all values
 * computed from this sum differ as well. This is rare, so the root mean square of the errors is far below the
 * largest error. The result is half the largest error or RARE times the root mean square, whichever is
 * larger. */
double bf16_error(const double *got, const double *want, int64_t n, double least) {
  static const double RARE = 4;
  double squares = 0, largest = least;
  for (int64_t i = 0; i < n; i++) {
    squares += (got[i] - want[i]) * (got[i] - want[i]);
    largest = fmax(largest, fabs(want[i]));
  }
  return worse(numbers_error(got, want, n, least) / 2, relative(RARE * sqrt(squares / (double)n), largest));
}

double bf16_floats_error(const float *got, const double *want, int64_t n, double least) {
  return of_floats(bf16_error, got, want, n, least);
}

double special_floats_error(const float *got, const double *want, int64_t n, double least) {
  return of_floats(special_error, got, want, n, least);
}

double number_error(double got, double want) { return worse(0, fabs(got - want) / fmax(1, fabs(want))); }

/* ---- slopes ---- */
enum { STEPS = 4 };
/* First step of the difference quotients, multiplied by |x| if |x| > 1: with a smaller step, the rounding of
 * f hides the small slopes of byte inputs. The next steps are 1/10, 1/100 ... of the first, because a kink
 * may be nearer to x than the first step. */
static const double first_step = 1e-5;

Slope slope_judge(Function *f, void *context, double x, double gradient, double scale, double limit,
                  double *error) {
  const double first = first_step * fmax(1, fabs(x));
  double up[STEPS], down[STEPS], h = first;
  *error = HUGE_VAL;
  for (int i = 0; i < STEPS; i++, h /= 10) {
    up[i] = f(context, x + h);
    down[i] = f(context, x - h);
    const double e = fabs((up[i] - down[i]) / (2 * h) - gradient) / scale;
    if (e < *error) *error = e;
    if (*error <= limit) return SLOPE_RIGHT;
  }
  const double middle = f(context, x);
  if (!isfinite(middle) || !isfinite(gradient)) {
    *error = HUGE_VAL;
    return SLOPE_WRONG;
  }
  /* f is considered to have a kink near x if two slopes differ by more than half of the error: the slopes on
   * both sides of x, or the slopes for a smaller and a larger step. Differences due to the rounding of f do
   * not count. */
  const double h1 = first / 10, h2 = first / 100;
  const double right = (up[1] - middle) / h1, left = (middle - down[1]) / h1;
  const double nearer = (up[2] - down[2]) / (2 * h2), wider = (up[1] - down[1]) / (2 * h1);
  const double widest = (up[0] - down[0]) / (2 * first);
  const double noise = 1e-15 * (1 + fabs(middle)) / h2 / scale, least = fmax(0.5 * *error, noise);
  const bool bent = fabs(right - left) / scale > least;
  const bool scattered = fabs(nearer - wider) / scale > least || fabs(wider - widest) / scale > least;
  if (!bent && !scattered) return SLOPE_WRONG;
  return SLOPE_KINK;
}

void slopes_add(Slopes *slopes, Slope slope, double error) {
  slopes->judged++;
  if (slope == SLOPE_KINK) slopes->kinks++;
  else slopes->error = worse(slopes->error, error);
}

bool slopes_good(const Slopes *slopes, double limit) {
  return slopes->error <= limit && slopes->kinks <= 1 + slopes->judged / 20;
}
