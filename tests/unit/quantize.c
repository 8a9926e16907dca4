// quantize.c: Compares int8 arithmetic with gemmlowp, TFLite, ruy and XNNPACK on the same numbers
// (tests/golden/int8.py), including ties and bounds.
// SPDX-License-Identifier: Apache-2.0
#include "graph/graph.h"
#include "base/arithmetic.h"
#include <CUnit/CUnit.h>
#include <math.h>
#include "base/random.h"
#include "nest/primitive.h"
#include "ops/int8/int8.h"

struct application {
  int64_t x;
  int32_t m, e;
  int64_t rounded_twice, rounded_once;
};
struct floating {
  int64_t x;
  float s;
  int64_t y;
};
struct factor {
  double real;
  int32_t m, e;
};
struct added {
  float a, b, out;
  int64_t x, y, sum[ROUNDINGS];
};
enum { SUMMED = 5 };
struct summed {
  int count;
  float scale[SUMMED], out;
  int64_t x[SUMMED], sum[ROUNDINGS];
};
struct normalized {
  float scale;
  int q[10], p[10];
};
#include "../golden/int8.inc"
#define COUNT(rows) ((int)(sizeof(rows) / sizeof *(rows)))

static void test_applications(void) {
  int wrong = 0;
  for (const struct application *a = applications; a < applications + COUNT(applications); a++) {
    const Multiplier factor = {.m = a->m, .e = a->e};
    wrong += multiplier_apply(ROUNDING_DOUBLE, a->x, factor) != a->rounded_twice;
    wrong += multiplier_apply(ROUNDING_SINGLE, a->x, factor) != a->rounded_once;
  }
  CU_ASSERT_EQUAL(wrong, 0);
  CU_ASSERT(COUNT(applications) > 2000);
  for (const struct floating *f = floatings; f < floatings + COUNT(floatings); f++)
    CU_ASSERT_EQUAL(multiplier_apply(ROUNDING_FLOAT, f->x, (Multiplier){.real = f->s}), f->y);
}

static int64_t cut(int64_t x) { /* clamps a number as nests do, to bounds far outside int16 */
  static const int64_t MOST = 1 << 30;
  return x < -MOST ? -MOST : x > MOST ? MOST : x;
}

static void factors_beyond_32_bits(void) {
  int wrong = 0;
  for (const struct application *a = far_applications; a < far_applications + COUNT(far_applications); a++) {
    const Multiplier factor = {.m = a->m, .e = a->e};
    const double argument[] = {(double)a->x, a->m, a->e};
    wrong += multiplier_apply(ROUNDING_DOUBLE, a->x, factor) != a->rounded_twice;
    wrong += multiplier_apply(ROUNDING_SINGLE, a->x, factor) != a->rounded_once;
    wrong += primitive_requantize_far_double.run(argument) != cut(a->rounded_twice);
    wrong += primitive_requantize_far_single.run(argument) != cut(a->rounded_once);
  }
  CU_ASSERT_EQUAL(wrong, 0);
  CU_ASSERT(COUNT(far_applications) > 1500);
}

static void factors_on_64_bit_sums(void) {
  int wrong = 0;
  for (const struct application *a = wide_applications; a < wide_applications + COUNT(wide_applications);
       a++) {
    const Multiplier factor = {.m = a->m, .e = a->e};
    wrong += multiplier_apply_wide(ROUNDING_DOUBLE, a->x, factor) != a->rounded_twice;
    wrong += multiplier_apply_wide(ROUNDING_SINGLE, a->x, factor) != a->rounded_once;
  }
  CU_ASSERT_EQUAL(wrong, 0);
  CU_ASSERT(COUNT(wide_applications) > 2000);
  for (const struct application *a = wide_applications; a < wide_applications + COUNT(wide_applications);
       a++) {
    const double upper = multiplier_reduced((Multiplier){.m = a->m, .e = a->e}), x = (double)a->x;
    wrong += primitive_requantize_wide.run((double[]){x, a->m, a->e}) != cut(a->rounded_once);
    wrong += primitive_requantize_reduced.run((double[]){x, upper, a->e}) != cut(a->rounded_twice);
  }
  CU_ASSERT_EQUAL(wrong, 0);
  CU_ASSERT_EQUAL(multiplier_apply_wide(ROUNDING_FLOAT, 5, (Multiplier){.real = 0.5f}), 2);
  CU_ASSERT_EQUAL(multiplier_apply_wide(ROUNDING_FLOAT, INT64_C(1) << 46, (Multiplier){.real = 1}), 1 << 17);
}

/* The factors 1/2 and 1/4 give results that end in 1/2, which the roundings treat differently. */
static void test_ties(void) {
  static const int64_t x[] = {-5, -3, -1, 1, 3, 5}, single[] = {-2, -1, 0, 1, 2, 3},
                       away[] = {-3, -2, -1, 1, 2, 3}, even[] = {-2, -2, 0, 0, 2, 2};
  const Multiplier half = multiplier_of(0.5), quarter = multiplier_of(0.25);
  CU_ASSERT_EQUAL(half.e, 0);
  CU_ASSERT_EQUAL(half.m, 1 << 30);
  for (int i = 0; i < COUNT(x); i++) {
    CU_ASSERT_EQUAL(multiplier_apply(ROUNDING_SINGLE, x[i], half), single[i]);
    CU_ASSERT_EQUAL(multiplier_apply(ROUNDING_FLOAT, x[i], half), even[i]);
    /* the product is rounded upwards; there is no second rounding */
    CU_ASSERT_EQUAL(multiplier_apply(ROUNDING_DOUBLE, x[i], half), single[i]);
    /* the second rounding, at the shift, is away from zero */
    CU_ASSERT_EQUAL(multiplier_apply(ROUNDING_DOUBLE, 2 * x[i], quarter), away[i]);
    CU_ASSERT_EQUAL(multiplier_apply(ROUNDING_SINGLE, 2 * x[i], quarter), single[i]);
  }
}

/* Checks the functions of LiteRT's lstm for every int16 number, in eval and in nests. */
static void test_fixed_functions(void) {
  int wrong = 0;
  for (int32_t q = INT16_MIN; q <= INT16_MAX; q++) {
    const double below = q < 0 ? q : -q;
    for (int32_t whole = 0; whole <= FIXED_WHOLE_MOST; whole++) {
      const double part = primitive_exponential_halves.run((double[]){below, whole + 1});
      const int32_t y = 4 * (primitive_reciprocal_halves.run(&part) - 8192), size = y > 32767 ? 32767 : y;
      wrong += fixed_tanh(q, whole) != (q > 0 ? size : q < 0 ? -size : 0);
    }
    const double part = primitive_exponential_halves.run((double[]){below, FIXED_WHOLE});
    const int32_t y = 2 * primitive_reciprocal_halves.run(&part), size = y > 32767 ? 32767 : y;
    wrong += fixed_logistic(q) != (q > 0 ? size : q < 0 ? 32767 - size : 16384);
    wrong += fabs((double)fixed_logistic(q) / 32768 - 1 / (1 + exp(-q / 4096.0))) > 2e-4;
    wrong += fabs((double)fixed_tanh(q, FIXED_WHOLE) / 32768 - tanh(q / 4096.0)) > 6e-4;
  }
  CU_ASSERT_EQUAL(wrong, 0);
}

static void test_factors(void) {
  for (const struct factor *f = factors; f < factors + COUNT(factors); f++) {
    const Multiplier factor = multiplier_of(f->real);
    CU_ASSERT_EQUAL(factor.m, f->m);
    CU_ASSERT_EQUAL(factor.e, f->e);
    CU_ASSERT_EQUAL(factor.real, (float)f->real);
  }
  CU_ASSERT(multiplier_of(INFINITY).e > MULTIPLIER_MOST);
  CU_ASSERT(multiplier_of(1e300).e > MULTIPLIER_MOST);
  CU_ASSERT(multiplier_of_scales(3e38f, 3e38f, 1e-38f, true).e > MULTIPLIER_MOST);
  CU_ASSERT_EQUAL(multiplier_of(4).e, 3);
  const Multiplier large = multiplier_reaching(multiplier_of(0x1p31), 2), small = multiplier_of(0x1p29);
  CU_ASSERT(large.m == INT32_MAX && large.e == MULTIPLIER_MOST && large.far);
  CU_ASSERT(!multiplier_reaching(small, 1).far && multiplier_reaching(small, 2).far);
  CU_ASSERT(!multiplier_reaching(multiplier_of(1), INT32_MAX / 4).far);
  for (int r = 0; r < ROUNDINGS; r++)
    for (int x = -2; x <= 2; x++) {
      const int64_t far = multiplier_apply((Rounding)r, x, multiplier_of(INFINITY));
      CU_ASSERT(x ? (x < 0 ? far < INT16_MIN : far > INT16_MAX) : far == 0);
    }
  /* a dense layer with one weight scale: the product of the input scale and the weight scale is a float */
  const float in = 0.1f, weight = 0.3f, out = 0.7f;
  CU_ASSERT_EQUAL(multiplier_of_scales(in, weight, out, true).m,
                  multiplier_of((double)(in * weight) / (double)out).m);
  CU_ASSERT_EQUAL(multiplier_of_scales(in, weight, out, false).m,
                  multiplier_of((double)in * (double)weight / (double)out).m);
  CU_ASSERT_NOT_EQUAL(multiplier_of_scales(in, weight, out, true).m,
                      multiplier_of_scales(in, weight, out, false).m);
}

static void test_bounds(void) {
  const Stored none = stored_of(0.1f, 5, false, BOUND_NONE), relu = stored_of(0.1f, 5, false, BOUND_RELU),
               relu6 = stored_of(0.1f, 5, false, BOUND_RELU6),
               wide = stored_of(0.01f, -128, false, BOUND_RELU6);
  CU_ASSERT(none.lo == -128 && none.hi == 127);
  CU_ASSERT(relu.lo == 5 && relu.hi == 127);
  CU_ASSERT(relu6.lo == 5 && relu6.hi == 65);
  CU_ASSERT(wide.lo == -128 && wide.hi == 127);
  CU_ASSERT_EQUAL(stored_put(relu6, 60), 65);
  CU_ASSERT_EQUAL(stored_put(relu6, 61), 65);
  CU_ASSERT_EQUAL(stored_put(relu6, -1), 5);
  CU_ASSERT_EQUAL(quantize_real(0.25, 0.1f, none), 7); /* 0.1f is more than one tenth */
  CU_ASSERT_EQUAL(quantize_real(0.25, 0.5f, none), 6);
  CU_ASSERT_EQUAL(quantize_real(-0.25, 0.5f, none), 4);
  CU_ASSERT_EQUAL(quantize_real(1e30, 0.5f, none), 127);
  CU_ASSERT_EQUAL(quantize_real(-1e30, 0.5f, none), -128);
  CU_ASSERT_EQUAL(quantize_real(NAN, 0.5f, none), -128);
  CU_ASSERT(sum_fits(INT32_MAX - 256, 0));
  CU_ASSERT(!sum_fits(INT32_MAX - 255, 0));
  CU_ASSERT(sum_fits((INT32_MAX - 256) / 4, 2));
  CU_ASSERT(!sum_fits((INT32_MAX - 256) / 4 + 1, 2));
  CU_ASSERT(!sum_fits(INT64_MAX, -31));
}

static int64_t rounded_sum(Rounding rounding, const Addition *sum, const int64_t *x) {
  int64_t parts = 0;
  for (int32_t k = 0; k < sum->count; k++) parts += addition_part(rounding, sum, k, x[k]);
  return addition_rounded(rounding, sum, parts);
}

static void test_additions(void) {
  for (const struct added *a = additions; a < additions + COUNT(additions); a++) {
    Addend addend[] = {{.scale = a->a}, {.scale = a->b}},
           less[] = {addend[0], {.scale = a->b, .minus = true}};
    const Addition sum = addition_of(addend, 2, a->out, false),
                   difference = addition_of(less, 2, a->out, false);
    const int64_t both[] = {a->x, a->y}, first[] = {a->x, 0};
    CU_ASSERT(sum.floats_round);
    for (int r = 0; r < ROUNDINGS; r++) {
      CU_ASSERT_EQUAL(rounded_sum((Rounding)r, &sum, both), a->sum[r]);
      CU_ASSERT_EQUAL(rounded_sum((Rounding)r, &difference, first), rounded_sum((Rounding)r, &sum, first));
    }
  }
  Addend equal[] = {{.scale = 1}, {.scale = 1, .minus = true}}, far[] = {{.scale = 1}, {.scale = 0x1p-30f}};
  CU_ASSERT(addition_of(equal, 2, 0x1p-15f, false).floats_round);
  CU_ASSERT(!addition_of(equal, 2, 0x1p-16f, false).floats_round);
  CU_ASSERT(addition_of(far, 2, 1, false).floats_round && far[1].whole == 0);
  CU_ASSERT(addition_of(far, 2, 0x1p30f, false).floats_round);
  const Addition difference = addition_of(equal, 2, 1, false);
  static const int64_t above[] = {100, 30}, below[] = {-100, 30};
  for (int r = 0; r < ROUNDINGS; r++) {
    CU_ASSERT_EQUAL(rounded_sum((Rounding)r, &difference, above), 70);
    CU_ASSERT_EQUAL(rounded_sum((Rounding)r, &difference, below), -130);
  }
}

/* Sums of three to five addends. The sum of MANY addends with the largest values must not overflow. */
static void test_sums(void) {
  enum { MANY = MOST_INPUTS };
  static Addend many[MANY];
  for (const struct summed *s = sums; s < sums + COUNT(sums); s++) {
    Addend addend[SUMMED];
    for (int k = 0; k < s->count; k++) addend[k] = (Addend){.scale = s->scale[k]};
    const Addition sum = addition_of(addend, s->count, s->out, false);
    for (int r = 0; r < ROUNDINGS; r++) CU_ASSERT_EQUAL(rounded_sum((Rounding)r, &sum, s->x), s->sum[r]);
  }
  for (int wide = 0; wide < 2; wide++) {
    const int64_t most = wide ? 1 << 15 : 255;
    for (int k = 0; k < MANY; k++) many[k] = (Addend){.scale = 1};
    const Addition sum = addition_of(many, MANY, MANY, wide);
    for (int r = 0; r < ROUNDINGS; r++) {
      int64_t parts = 0;
      for (int32_t k = 0; k < MANY; k++) parts += addition_part((Rounding)r, &sum, k, most);
      CU_ASSERT(addition_fits((Rounding)r, &sum, most));
      const int64_t more = r == ROUNDING_FLOAT ? INT64_C(1) << (sum.shift - 1) : 256;
      CU_ASSERT((wide && r == ROUNDING_FLOAT) || parts + more <= INT32_MAX);
      CU_ASSERT(r == ROUNDING_FLOAT || parts <= addition_most(&sum, most));
      CU_ASSERT(addition_rounded((Rounding)r, &sum, parts) >= most - 1);
      CU_ASSERT(addition_rounded((Rounding)r, &sum, parts) <= most + 1);
    }
  }
}

/* The byte that the definition of a sum gives. */
static int32_t byte_of_sum(const Int8Combine *p, const int32_t zero[2], int32_t a, int32_t b) {
  const int64_t x[] = {a - zero[0], b - zero[1]};
  return stored_put(p->stored, rounded_sum(p->rounding, &p->addition, x));
}

/* The number of pairs of bytes for which the linear function differs from byte_of_sum. */
static int wrong_bytes(const Int8Combine *p, const int32_t zero[2], const LinearSum *f) {
  int wrong = 0;
  for (int32_t a = INT8_MIN; a <= INT8_MAX; a++)
    for (int32_t b = INT8_MIN; b <= INT8_MAX; b++) {
      const int64_t sum = (int64_t)f->factor[0] * a + (int64_t)f->factor[1] * b + f->constant;
      Stored cut = p->stored;
      cut.zero = 0;
      wrong += sum < INT32_MIN || sum > INT32_MAX;
      wrong += stored_put(cut, sum >> f->shift) != byte_of_sum(p, zero, a, b);
    }
  return wrong;
}

/* Sums and differences with random scales and zero points. Most of these sums are computed by one linear
 * function, which must give the bytes of the definition. */
static void test_linear_sums(void) {
  enum { SUMS = 120 };
  uint32_t drawn = 0;
  int found = 0;
  for (int i = 0; i < SUMS; i++) {
    Quant quant[2];
    Node operand[2] = {{.quant = &quant[0]}, {.quant = &quant[1]}}, *in[] = {&operand[0], &operand[1]};
    int32_t zero[2];
    Addend addend[2];
    for (int k = 0; k < 2; k++) {
      zero[k] = quant[k].zero = (int32_t)(256 * random_uniform(5, 6, drawn++)) + INT8_MIN;
      addend[k] = (Addend){.scale = 0.01f + 0.05f * random_uniform(5, 6, drawn++), .minus = k && i % 4 == 3};
    }
    const float out = 0.02f + 0.08f * random_uniform(5, 6, drawn++);
    const Int8Combine p = {.rounding = i % 2 ? ROUNDING_SINGLE : ROUNDING_DOUBLE,
                           .stored = stored_of(out, i % 7 - 3, false, i % 3 ? BOUND_NONE : BOUND_RELU),
                           .addition = addition_of(addend, 2, out, false)};
    const Node node = {.in = in, .nin = 2};
    LinearSum linear;
    if (!linear_sum(&node, &p, &linear)) continue;
    found++;
    CU_ASSERT_EQUAL(wrong_bytes(&p, zero, &linear), 0);
  }
  CU_ASSERT(found > SUMS * 9 / 10);
}

static void test_averages(void) {
  CU_ASSERT_EQUAL(average_of(7, 2), 4);
  CU_ASSERT_EQUAL(average_of(-7, 2), -4);
  CU_ASSERT_EQUAL(average_of(4, 3), 1);
  CU_ASSERT_EQUAL(average_of(-4, 3), -1);
  CU_ASSERT_EQUAL(average_of(5, 3), 2);
  CU_ASSERT_EQUAL(average_of(-5, 3), -2);
  CU_ASSERT_EQUAL(average_of(0, 9), 0);
  CU_ASSERT_EQUAL(average_of(-128 * 49, 49), -128);
  for (int64_t n = 1; n <= 12; n++)
    for (int64_t sum = -40; sum <= 40; sum++)
      CU_ASSERT_EQUAL(average_even(sum, n), (int64_t)nearbyint((double)sum / (double)n));
}

static double doubled(const void *context, double x) {
  (void)context;
  return 2 * x;
}

static void test_tables(void) {
  int8_t table[256];
  const Stored out = stored_of(0.5f, -10, false, BOUND_NONE);
  table_of(table, 0.25f, 3, 0.5f, out, doubled, NULL);
  for (int q = -128; q < 128; q++) {
    const int want = q - 3 - 10;
    CU_ASSERT_EQUAL(table[q + 128], want < -128 ? -128 : want > 127 ? 127 : want);
  }
  table_requantize(table, ROUNDING_SINGLE, 0.25f, 3, 0.5f, out);
  CU_ASSERT_EQUAL(table[128 + 4], -9); /* 1/2 is rounded up to 1 */
  CU_ASSERT_EQUAL(table[128 + 2], -10);
  table_requantize(table, ROUNDING_FLOAT, 0.25f, 3, 0.5f, out);
  CU_ASSERT_EQUAL(table[128 + 4], -10);
  for (int r = 0; r < ROUNDINGS; r++) {
    table_requantize(table, (Rounding)r, 0.37f, -7, 0.37f, stored_of(0.37f, -7, false, BOUND_NONE));
    for (int i = 0; i < 256; i++) CU_ASSERT_EQUAL(table[i], i - 128);
  }
}

static void test_softmax(void) {
  for (const struct normalized *s = softmaxes; s < softmaxes + COUNT(softmaxes); s++) {
    int32_t exponential[256], sum = 0;
    int largest = -128;
    softmax_table(exponential, s->scale);
    for (int i = 0; i < 10; i++) largest = s->q[i] > largest ? s->q[i] : largest;
    for (int i = 0; i < 10; i++) sum += softmax_part(exponential[largest - s->q[i]]);
    const int32_t reciprocal = softmax_reciprocal(sum);
    for (int i = 0; i < 10; i++)
      CU_ASSERT_EQUAL(softmax_value(exponential[largest - s->q[i]], sum, reciprocal), s->p[i]);
  }
  CU_ASSERT(softmax_scale_fits(0x1p-25f));
  CU_ASSERT(!softmax_scale_fits(0x1p-26f));
}

static void test_names(void) {
  Rounding rounding;
  for (int r = 0; r < ROUNDINGS; r++)
    CU_ASSERT(rounding_find(rounding_name((Rounding)r), &rounding) && rounding == (Rounding)r);
  CU_ASSERT(!rounding_find("Single", &rounding));
}

CU_TestInfo suite_quantize[] = {{"products of sums and factors", test_applications},
                                {"products of far sums and factors", factors_beyond_32_bits},
                                {"products of 64-bit sums and factors", factors_on_64_bit_sums},
                                {"ties", test_ties},
                                {"functions of int16 values", test_fixed_functions},
                                {"factors of scales", test_factors},
                                {"bounds of values and sums", test_bounds},
                                {"additions", test_additions},
                                {"sums", test_sums},
                                {"sums as one linear function", test_linear_sums},
                                {"averages", test_averages},
                                {"tables", test_tables},
                                {"softmax", test_softmax},
                                {"names of roundings", test_names},
                                CU_TEST_INFO_NULL};
