// dsp_sum.c: sums and differences of two values of 8 bits of one shape, in 32 bits:
// SPDX-License-Identifier: Apache-2.0
//
//     each operand   (q - zero) * 2^20, times its factor, at most 1/2, rounded
//     their sum      times the factor of the result, rounded
//
// Roundings are those of dsp_finish.c. An operand is shifted by two more bits for `single`, so that what is
// cut off by the upper half of a product has none that count.
#include "schedule/dsp.h"

enum { ROOM = 2, LEAST_SHIFT = 2, MOST_SHIFT = 22, STEP = 4 };

static bool same_shape(const Shape *a, const Shape *b) {
  const Extent x = shape_extent(*a), y = shape_extent(*b);
  return x.h == y.h && x.w == y.w && x.c == y.c;
}

const char *dsp_sum_refused(const Lower *l) {
  const Node *node = l->node;
  const Int8Pair *p = node->detail;
  const Addition *a = &p->addition;
  if (p->product) return "a product";
  if (p->rounding == ROUNDING_FLOAT) return "rounding float";
  if (!same_shape(&node->in[0]->shape, &node->shape) || !same_shape(&node->in[1]->shape, &node->shape))
    return "an operand is repeated";
  if (a->a.e > 0 || a->b.e > 0 || a->a.e < -MOST_SHIFT || a->b.e < -MOST_SHIFT)
    return "a scale that is far from the other one";
  if (-a->out.e < LEAST_SHIFT || -a->out.e > MOST_SHIFT) return "a result of another size than its operands";
  return NULL;
}

Cycles dsp_sum_cycles(const Lower *l) {
  const double outputs = (double)shape_row_elements(l->node->shape);
  return dsp_cycles(l, (DspWork){.loads = 2 * outputs, .stores = outputs, .others = 16 * outputs},
                    (DspWork){0});
}

static Val i32(Nest *b, int64_t value) { return num_i32(b, (int32_t)value); }

/* x * 2^20, an operand less its zero, times its factor m / 2^(31+s). */
static Val scaled(Nest *b, Rounding rounding, Val x, Multiplier factor) {
  const int s = -factor.e;
  if (rounding == ROUNDING_SINGLE) {
    const Val wide = mul(i32(b, INT64_C(1) << (ADDITION_BITS + ROOM)), x);
    return nest_primitive(
        b, &primitive_shift_right,
        nest_primitive(b, &primitive_high_sum, i32(b, INT64_C(1) << s), wide, i32(b, factor.m)),
        i32(b, s + 1), NULL);
  }
  const Val wide = mul(i32(b, INT64_C(1) << (ADDITION_BITS + 1)), x), m = i32(b, factor.m);
  return s ? dsp_shifted_away(b, wide, wide, m, i32(b, INT64_C(1) << (s - 1)), i32(b, s))
           : nest_primitive(b, &primitive_high_product_rounded, wide, m, NULL);
}

static Val finished(Nest *b, const Int8Pair *p, Val sum) {
  const Multiplier factor = p->addition.out;
  const bool single = p->rounding == ROUNDING_SINGLE;
  const int shift = single ? -factor.e - 1 : -factor.e;
  const Val plus = i32(b, (INT64_C(1) << (shift - 1)) + (int64_t)p->stored.zero * (INT64_C(1) << shift));
  if (single)
    return nest_primitive(b, &primitive_shift_right,
                          nest_primitive(b, &primitive_high_sum, plus, sum, i32(b, factor.m)), i32(b, shift),
                          NULL);
  return dsp_shifted_away(b, sum, add(sum, sum), i32(b, factor.m), plus, i32(b, shift));
}

static void element(Lower *l, const Ix *y, const Ix *x, const Ix *c) {
  Nest *b = l->b;
  const Int8Pair *p = l->node->detail;
  Val side[2];
  for (int k = 0; k < 2; k++)
    side[k] =
        scaled(b, p->rounding, sub(int8_load(l, l->in[k], y, x, c), num_i32(b, l->node->in[k]->quant->zero)),
               k ? p->addition.b : p->addition.a);
  const Val sum = p->addition.b.real < 0 ? sub(side[0], side[1]) : add(side[0], side[1]);
  lower_store(l, convert(dsp_cut(b, finished(b, p, sum), p->stored), I8), y, x, c, 1, 1);
}

bool schedule_dsp_sum(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  const int64_t step = e.c % STEP == 0 ? STEP : 1;
  lower_about(l, "8 bits, in 32 bits, rounding %s",
              rounding_name(((const Int8Pair *)l->node->detail)->rounding));
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w)
      NEST_FOR(b, group, e.c / step)
        for (int64_t i = 0; i < step; i++) {
          const Ix c = group * step + i;
          element(l, &y, &x, &c);
        }
  return true;
}
