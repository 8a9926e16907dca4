// compare.c: Comparisons of netcheck: an unexpected NaN is an error; kinks are distinguished from wrong
// gradients.
// SPDX-License-Identifier: Apache-2.0
#include "compare.h"
#include <CUnit/CUnit.h>
#include <math.h>

static void test_numbers(void) {
  const double want[] = {1, -4, 0.5}, got[] = {1, -4.004, 0.5}, bad[] = {1, NAN, 0.5},
               infinite[] = {1, INFINITY, 0.5}, zero[] = {0, 0, 0};
  CU_ASSERT_DOUBLE_EQUAL(numbers_error(got, want, 3, 0), 0.001, 1e-12);
  CU_ASSERT_DOUBLE_EQUAL(numbers_error(got, want, 3, 40), 0.0001, 1e-12);
  CU_ASSERT(numbers_error(zero, zero, 3, 0) <= 0);
  CU_ASSERT(isinf(numbers_error(bad, want, 3, 0)));
  CU_ASSERT(isinf(numbers_error(want, bad, 3, 0)));
  CU_ASSERT(isinf(numbers_error(bad, bad, 3, 0)));
  CU_ASSERT(isinf(numbers_error(infinite, want, 3, 0)));
  CU_ASSERT(isinf(numbers_error(want, infinite, 3, 0)));
  CU_ASSERT(numbers_error(infinite, infinite, 3, 0) <= 0); /* equal infinities */
  const float floats[] = {1, NAN, 0.5f};
  CU_ASSERT(isinf(floats_error(floats, want, 3, 0)));
}

static void test_loss(void) { /* the elements after a NaN do not hide the NaN */
  CU_ASSERT(isinf(number_error(NAN, 1)));
  CU_ASSERT(isinf(number_error(1, NAN)));
  CU_ASSERT(isinf(number_error(NAN, NAN)));
  CU_ASSERT(isinf(worse(NAN, 0)));
  CU_ASSERT(isinf(worse(0, NAN)));
  CU_ASSERT(isinf(worse(worse(number_error(NAN, 1), 0), 1e-9)));
  CU_ASSERT_DOUBLE_EQUAL(worse(1, 2), 2, 0);
  CU_ASSERT_DOUBLE_EQUAL(number_error(202, 200), 0.01, 1e-12);
}

static void test_special(void) {
  const double want[] = {NAN, INFINITY, -INFINITY, 1e300, 2, 0},
               close[] = {NAN, INFINITY, -INFINITY, INFINITY, 2.002, 0};
  CU_ASSERT_DOUBLE_EQUAL(special_error(close, want, 6, 0), 0.001, 1e-12);
  for (int i = 0; i < 6; i++) {
    const double other[] = {0, NAN, -INFINITY, INFINITY};
    for (int k = 0; k < 4; k++) {
      double got[6];
      for (int j = 0; j < 6; j++) got[j] = close[j];
      got[i] = other[k];
      const bool same = (i == 0 && k == 1) || (i == 2 && k == 2) || (i == 3 && k == 3) ||
                        (i == 1 && k == 3) || (i == 5 && k == 0);
      const double error = special_error(got, want, 6, 0);
      if (i == 4 && k == 0) CU_ASSERT(error >= 1);
      if (i != 4 || k) CU_ASSERT(same ? error < 0.01 : isinf(error));
    }
  }
}

static double smooth(void *context, double x) {
  (void)context;
  return x * x * x + 3 * x;
}

static double corner(void *context, double x) { return fabs(x - *(const double *)context) + 0.25 * x; }

static double nowhere(void *context, double x) {
  (void)context;
  return x > 0 ? NAN : x;
}

static void a_kink_is_distinguished_from_a_wrong_gradient(void) {
  double error;
  CU_ASSERT(slope_judge(smooth, NULL, 2, 15, 15, 1e-6, &error) == SLOPE_RIGHT);
  CU_ASSERT(slope_judge(smooth, NULL, 2, 15.01, 15, 1e-6, &error) == SLOPE_WRONG);
  CU_ASSERT_DOUBLE_EQUAL(error, 0.01 / 15, 1e-6);
  CU_ASSERT(slope_judge(smooth, NULL, 2, NAN, 15, 1e-6, &error) == SLOPE_WRONG);
  CU_ASSERT(slope_judge(nowhere, NULL, 1, 1, 1, 1e-6, &error) == SLOPE_WRONG);
  for (double at = -3e-5; at < 3.1e-5; at += 1e-7) { /* a corner near 0 */
    const double right = at < 0 ? 1.25 : -0.75;
    const bool corner_is_far = fabs(at) > 1e-7;
    const Slope slope = slope_judge(corner, &at, 0, right, 1, 1e-6, &error);
    CU_ASSERT(corner_is_far ? slope == SLOPE_RIGHT : slope != SLOPE_WRONG);
    const Slope wrong = slope_judge(corner, &at, 0, right + 0.01, 1, 1e-6, &error);
    if (fabs(at) > 1.1e-5) CU_ASSERT(wrong == SLOPE_WRONG);
  }
}

static void test_share(void) { /* a few kinks are ignored; more kinks are an error */
  Slopes slopes = {0};
  for (int i = 0; i < 60; i++) slopes_add(&slopes, SLOPE_RIGHT, 1e-9);
  for (int i = 0; i < 4; i++) slopes_add(&slopes, SLOPE_KINK, 1);
  CU_ASSERT(slopes_good(&slopes, 1e-6));
  slopes_add(&slopes, SLOPE_KINK, 1);
  CU_ASSERT(!slopes_good(&slopes, 1e-6));
  Slopes wrong = {0};
  slopes_add(&wrong, SLOPE_WRONG, 0.1);
  for (int i = 0; i < 60; i++) slopes_add(&wrong, SLOPE_RIGHT, 1e-9);
  CU_ASSERT(!slopes_good(&wrong, 1e-6));
}

CU_TestInfo suite_compare[] = {
    {"NaN, differences and their scale", test_numbers},
    {"a loss that is NaN", test_loss},
    {"NaN and infinities at the expected positions", test_special},
    {"a kink is distinguished from a wrong gradient", a_kink_is_distinguished_from_a_wrong_gradient},
    {"many kinks are an error", test_share},
    CU_TEST_INFO_NULL,
};
