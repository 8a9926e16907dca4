// dsp_finish.c: how sums become 8 bits, in 32 bits where the factors allow:
// SPDX-License-Identifier: Apache-2.0
//
//     single   (upper half of x*m + c) / 2^(s-1)     c = 2^(s-2) + zero * 2^(s-1)    2 <= s
//     double   h = upper half of 2x*m, rounded;  (h - (h < 0) + c) / 2^s             c = 2^(s-1) + zero * 2^s
//
// where the factor is m / 2^(31+s). Below the upper half there is nothing that could change the quotient of
// `single`, for what is added to it is a whole number of upper halves.
#include "schedule/dsp.h"

enum { LEAST_SINGLE = 2, LEAST_DOUBLE = 1, MOST_SHIFT = 22 };

static DspFilter filter_of(const Int8Product *p, const Correlation *k, int64_t filter, int64_t zero) {
  const int64_t terms = k->l * k->kernel[0] * k->kernel[1], low = INT8_MIN - zero, high = INT8_MAX - zero;
  DspFilter made = {.lo = p->bias[filter], .hi = p->bias[filter]};
  for (int64_t i = 0; i < terms; i++) { /* padding is 0, which lies between low and high */
    const int64_t w = p->weight[filter * terms + i];
    made.lo += w > 0 ? w * low : w * high;
    made.hi += w > 0 ? w * high : w * low;
  }
  return made;
}

static DspFilter if_constant(const Int8Product *p, int64_t filter, DspFilter made) {
  const Multiplier factor = p->factor[filter];
  const int32_t value = stored_put(p->stored, multiplier_apply(p->rounding, made.lo, factor));
  const bool constant = value == stored_put(p->stored, multiplier_apply(p->rounding, made.hi, factor));
  return constant ? (DspFilter){.constant = true, .value = value} : made;
}

static bool quick_factor(Rounding rounding, Multiplier factor, const DspFilter *filter) {
  const int64_t half = INT64_C(1) << 30;
  if (filter->constant) return true;
  if (rounding == ROUNDING_SINGLE) return -factor.e >= LEAST_SINGLE && -factor.e <= MOST_SHIFT;
  return -factor.e >= LEAST_DOUBLE && -factor.e <= MOST_SHIFT && filter->lo > -half && filter->hi < half;
}

static bool quick(const Int8Product *p, int64_t filters, const DspFilter *filter) {
  if (p->rounding == ROUNDING_FLOAT) return false;
  for (int64_t f = 0; f < filters; f++)
    if (!quick_factor(p->rounding, p->factor[f], &filter[f])) return false;
  return true;
}

const DspFilter *dsp_filters(Arena *arena, const Node *product) {
  const Int8Product *p = product->detail;
  const Correlation k = int8_geometry(product);
  const int64_t zero = product->in[0]->quant->zero, filters = k.groups * k.s;
  DspFilter *filter = NEW_ARRAY(arena, DspFilter, filters);
  for (int64_t f = 0; f < filters; f++) filter[f] = if_constant(p, f, filter_of(p, &k, f, zero));
  for (int64_t f = 0; f < filters && !quick(p, filters, filter); f++) filter[f] = filter_of(p, &k, f, zero);
  return filter;
}

static DspFinish quick_finish(Lower *l, const Int8Product *p, int64_t filters, const DspFilter *filter) {
  int32_t *m = NEW_ARRAY(l->arena, int32_t, filters), *plus = NEW_ARRAY(l->arena, int32_t, filters),
          *shift = NEW_ARRAY(l->arena, int32_t, filters);
  const bool single = p->rounding == ROUNDING_SINGLE;
  for (int64_t f = 0; f < filters; f++) {
    const Multiplier factor = p->factor[f];
    m[f] = filter[f].constant ? 0 : factor.m;
    shift[f] = filter[f].constant ? 1 : single ? -factor.e - 1 : -factor.e;
    plus[f] = (INT32_C(1) << (shift[f] - 1)) + p->stored.zero * (INT32_C(1) << shift[f]);
    if (filter[f].constant) plus[f] = 2 * filter[f].value;
  }
  return (DspFinish){.rounding = p->rounding,
                     .stored = p->stored,
                     .quick = true,
                     .factor = lower_constants(l, "factor", I32, 1, &filters, m),
                     .plus = lower_constants(l, "plus", I32, 1, &filters, plus),
                     .shift = lower_constants(l, "shift", I32, 1, &filters, shift)};
}

DspFinish dsp_finish(Lower *l, int64_t filters, const DspFilter *filter) {
  const Int8Product *p = l->node->detail;
  if (quick(p, filters, filter)) return quick_finish(l, p, filters, filter);
  const Int8Factors factors = int8_factors(l, filters);
  return (DspFinish){
      .rounding = p->rounding, .stored = p->stored, .factor = factors.factor, .shift = factors.exponent};
}

static Val constant(Nest *b, Buf *of, const Ix *f) { return nest_load(b, nest_at(b, of, *f), 1); }

Val dsp_cut(Nest *b, Val q, Stored stored) {
  if (stored.lo == INT8_MIN && stored.hi == INT8_MAX)
    return nest_primitive(b, &primitive_clamp8, q, NULL, NULL);
  return vmax(vmin(q, num_i32(b, stored.hi)), num_i32(b, stored.lo));
}

Val dsp_finished(Lower *l, const DspFinish *finish, Val sum, const Ix *f) {
  Nest *b = l->b;
  if (!finish->quick) {
    const Int8Factors factors = {finish->factor, finish->shift};
    const Val q = add(int8_factored(l, &factors, sum, f), num_i32(b, finish->stored.zero));
    return convert(dsp_cut(b, q, finish->stored), I8);
  }
  const Val m = constant(b, finish->factor, f), plus = constant(b, finish->plus, f),
            shift = constant(b, finish->shift, f);
  Val q;
  if (finish->rounding == ROUNDING_SINGLE)
    q = nest_primitive(b, &primitive_shift_right, nest_primitive(b, &primitive_high_sum, plus, sum, m), shift,
                       NULL);
  else
    q = nest_primitive(
        b, &primitive_shift_away,
        nest_primitive(b, &primitive_high_product_rounded, finish->doubled ? sum : add(sum, sum), m, NULL),
        plus, shift);
  return convert(dsp_cut(b, q, finish->stored), I8);
}
