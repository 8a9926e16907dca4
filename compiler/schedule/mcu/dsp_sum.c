// dsp_sum.c: Sums of int8 values of equal shape, and differences of two such values, in int32:
// SPDX-License-Identifier: Apache-2.0
//
//     each operand   (q - zero) * 2^bits, times its factor (at most 1/2), rounded
//     their sum      times the factor of the result, rounded
//
// The sum or difference of two values is instead computed as one linear function of both values, if this
// gives the same bytes (ops/int8/linear_sum.c). Otherwise, rounding is the same as in dsp_finish.c. For
// `single`, an operand is shifted by two more bits, so that the bits below the upper half of a product cannot
// change the quotient.
//
// Example: `x: 14x14x8 -> a = conv(16, 1x1) -> conv(16, 1x1) -> add(a)` --target=armv7e-m,
// lines 2-9 of add1:
//
//     for (int y = 0; y < 14; y++)
//       for (int x = 0; x < 14; x++)
//         for (int group = 0; group < 4; group++) {
//           out[y][x][4*group] = (int8_t)n_clamp8(n_shift_right(-82208360 + 6710886 * (int32_t)in[y] ...
//           out[y][x][4*group + 1] = (int8_t)n_clamp8(n_shift_right(-82208360 + 6710886 * (int32_t)i ...
//           out[y][x][4*group + 2] = (int8_t)n_clamp8(n_shift_right(-82208360 + 6710886 * (int32_t)i ...
//           out[y][x][4*group + 3] = (int8_t)n_clamp8(n_shift_right(-82208360 + 6710886 * (int32_t)i ...
//         }
#include "base/number.h"
#include "schedule/mcu/dsp.h"

enum { ROOM = 2, LEAST_SHIFT = 2, MOST_SHIFT = 22, STEP = 4 };

static bool same_shape(const Shape *a, const Shape *b) {
  const Extent x = shape_extent(*a), y = shape_extent(*b);
  return x.h == y.h && x.w == y.w && x.c == y.c;
}

static bool operands_fit(const Addition *a) {
  for (int k = 0; k < a->count; k++)
    if (a->addend[k].factor.e > 0 || a->addend[k].factor.e < -MOST_SHIFT) return false;
  return true;
}

static bool result_fits(const Addition *a) { return -a->out.e >= LEAST_SHIFT && -a->out.e <= MOST_SHIFT; }

static bool dsp_sum_is_linear(const Lower *l, LinearSum *linear) {
  return !l->updatable && linear_sum(l->node, l->node->detail, linear);
}

static const char *dsp_sum_refused(const Lower *l, const Choice *choice) {
  (void)choice;
  if (l->target->lanes > 1) return "the reference loops are vectorized";
  const Node *node = l->node;
  const Int8Combine *p = node->detail;
  const Addition *a = &p->addition;
  if (p->product) return "a product";
  if (l->updatable && p->rounding != ROUNDING_SINGLE) return "--updatable with a rounding other than single";
  if (p->rounding == ROUNDING_FLOAT) return "rounding float";
  for (int k = 0; k < node->nin; k++) {
    if (!same_shape(&node->in[k]->shape, &node->shape)) return "an operand is repeated";
  }
  LinearSum linear;
  if (dsp_sum_is_linear(l, &linear)) return NULL;
  if (!lower_assumes(l, operands_fit(a))) return "the scale of an operand differs much from the others";
  return lower_assumes(l, result_fits(a)) ? NULL
                                          : "the scale of the result differs much from those of the operands";
}

static Cycles dsp_sum_cycles(const Lower *l, const Target *target, const Choice *choice) {
  (void)target;
  (void)choice;
  const double outputs = (double)shape_row_elements(l->node->shape);
  LinearSum linear;
  const int n = l->node->nin, others = dsp_sum_is_linear(l, &linear) ? 2 + n : 8 + 4 * n;
  return dsp_cycles(l, (DspWork){.loads = n * outputs, .stores = outputs, .others = others * outputs},
                    (DspWork){0});
}

static Val i32(Nest *b, int64_t value) { return num_i32(b, (int32_t)value); }

/* x * 2^bits times the operand's factor m / 2^(31+s), where x is operand k minus its zero point. */
static Val dsp_sum_scaled(Lower *l, Rounding rounding, Val x, int bits, Multiplier factor, int k) {
  Nest *b = l->b;
  const int s = (int)smaller(larger(-factor.e, 0), MOST_SHIFT);
  if (rounding == ROUNDING_SINGLE) {
    const Val wide = mul(i32(b, INT64_C(1) << (bits + ROOM)), x),
              half = lower_number(l, nest_text(b, "half_%d", k), INT32_C(1) << s),
              by = lower_number(l, nest_text(b, "factor_%d", k), factor.m),
              shift = lower_number(l, nest_text(b, "shift_%d", k), s + 1);
    const Val sum = nest_primitive(b, &primitive_high_sum, half, wide, by);
    return nest_primitive(b, &primitive_shift_right, sum, shift, NULL);
  }
  const Val wide = mul(i32(b, INT64_C(1) << (bits + 1)), x), m = i32(b, factor.m);
  return s ? dsp_shifted_away(b, wide, wide, m, i32(b, INT64_C(1) << (s - 1)), i32(b, s))
           : nest_primitive(b, &primitive_high_product_rounded, wide, m, NULL);
}

static Val dsp_sum_finished(Lower *l, const Int8Combine *p, Val sum) {
  Nest *b = l->b;
  const Multiplier factor = p->addition.out;
  const bool single = p->rounding == ROUNDING_SINGLE;
  const int most = (int)smaller(larger(-factor.e, LEAST_SHIFT), MOST_SHIFT), shift = single ? most - 1 : most;
  const int64_t half = (INT64_C(1) << (shift - 1)) + (int64_t)p->stored.zero * (INT64_C(1) << shift);
  const Val plus = lower_number(l, "plus", (int32_t)half), m = lower_number(l, "factor", factor.m),
            by = lower_number(l, "shift", shift);
  if (single)
    return nest_primitive(b, &primitive_shift_right, nest_primitive(b, &primitive_high_sum, plus, sum, m), by,
                          NULL);
  return dsp_shifted_away(b, sum, add(sum, sum), m, plus, by);
}

static void dsp_sum_element(Lower *l, const LinearSum *linear, const Ix *y, const Ix *x, const Ix *c) {
  const Int8Combine *p = l->node->detail;
  const Addition *a = &p->addition;
  if (linear) {
    const Val sum =
        linear_sum_value(l, linear, int8_load(l, l->in[0], y, x, c), int8_load(l, l->in[1], y, x, c));
    lower_store(l, convert(dsp_cut(l, sum, p->stored), I8), y, x, c, 1, 1);
    return;
  }
  Val sum = NULL;
  for (int k = 0; k < a->count; k++) {
    const Val q = sub(int8_load(l, l->in[k], y, x, c), int8_zero(l, k)),
              part = dsp_sum_scaled(l, p->rounding, q, a->bits, a->addend[k].factor, k);
    sum = !sum ? part : a->addend[k].minus ? sub(sum, part) : add(sum, part);
  }
  lower_store(l, convert(dsp_cut(l, dsp_sum_finished(l, p, sum), p->stored), I8), y, x, c, 1, 1);
}

static bool dsp_sum_build(Lower *l) {
  Nest *b = l->b;
  const Int8Combine *p = l->node->detail;
  const Extent e = shape_extent(l->node->shape);
  const int64_t step = e.c % STEP == 0 ? STEP : 1;
  LinearSum linear;
  const bool is_linear = dsp_sum_is_linear(l, &linear);
  lower_needs(l, is_linear || (operands_fit(&p->addition) && result_fits(&p->addition)),
              "scales of similar size");
  lower_about(l, "int8, 32-bit sums, rounding %s%s", rounding_name(p->rounding),
              is_linear ? ", the sum as one linear function of its operands" : "");
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w)
      NEST_FOR(b, group, e.c / step)
        for (int64_t i = 0; i < step; i++) {
          const Ix c = group * step + i;
          dsp_sum_element(l, is_linear ? &linear : NULL, &y, &x, &c);
        }
  return true;
}

static bool dsp_sum_takes(const Lower *l) { return dsp_takes(l) && l->node->op == &op_int8_combine; }

const Schedule schedule_dsp_sum = {.name = "32-bit sums",
                                   .tuning_name = "direct",
                                   .families = FAMILY_BIT(FAMILY_INT8),
                                   .takes = dsp_sum_takes,
                                   .refused = dsp_sum_refused,
                                   .cycles = dsp_sum_cycles,
                                   .build = dsp_sum_build,
                                   .small = dsp_form_small};
