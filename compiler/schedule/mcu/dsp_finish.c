// dsp_finish.c: Requantization to int8 or int16, in int32 where the factors and sums permit:
// SPDX-License-Identifier: Apache-2.0
//
//     single  (upper half of x*m + c) / 2^(s-1)                    c = 2^(s-2) + zero * 2^(s-1)   2 <= s
//     double  (upper half of 2x*m, rounded, + c - (x < 0)) / 2^s   c = 2^(s-1) + zero * 2^s
//
// where the factor is m / 2^(31+s). The bits below the upper half cannot change the quotient of `single`,
// because c is added to the upper half as an integer. `double` rounds ties away from zero, depending on the
// sign of the rounded product. The code uses the sign of x instead. The two signs differ only if x < 0 and
// the rounded product is 0; then c - 1 and c have the same quotient, because s is at least 1.
#include "base/number.h"
#include "schedule/mcu/dsp.h"

enum { LEAST_SINGLE = 2, LEAST_DOUBLE = 1, MOST_SHIFT = 22 };

static DspFilter filter_of(const Int8Product *p, const Correlation *k, int64_t filter, int64_t zero) {
  const int64_t terms = k->l * k->kernel[0] * k->kernel[1], low = INT8_MIN - zero, high = INT8_MAX - zero;
  DspFilter made = {.lo = p->bias[filter], .hi = p->bias[filter]};
  for (int64_t i = 0; i < terms; i++) { /* padding adds 0, which is between low and high */
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

static bool may_be_quick(const Lower *l, int64_t filters, const DspFilter *filter) {
  const Int8Product *p = l->node->detail;
  return p->rounding != ROUNDING_FLOAT && lower_assumes(l, quick(p, filters, filter));
}

const DspFilter *dsp_filters(const Lower *l) {
  const Node *product = l->node;
  const Int8Product *p = product->detail;
  Correlation k = int8_geometry(product);
  if (product->op == &op_int8_transposed) { /* the bounds include all weights of a filter, although each
                                               output uses only some of them */
    const int64_t filters = k.l;
    k.l = k.s;
    k.s = filters;
  }
  const int64_t zero = product->in[0]->quant->zero, filters = k.groups * k.s;
  DspFilter *filter = NEW_ARRAY(l->arena, DspFilter, filters);
  for (int64_t f = 0; f < filters; f++) filter[f] = if_constant(p, f, filter_of(p, &k, f, zero));
  for (int64_t f = 0; f < filters && !may_be_quick(l, filters, filter); f++)
    filter[f] = filter_of(p, &k, f, zero);
  return filter;
}

enum { STEPS = 3, PAIR = 2 * STEPS, FACTOR = 0, PLUS = 1, SHIFT = 2 };

/* Index of a filter's FACTOR, PLUS or SHIFT in the array of the requantization steps of all filters. A pair
 * stores the factor and `plus` of the first filter, both shifts, then the factor and `plus` of the second
 * filter. */
static int64_t step_place(bool pairs, int64_t filter, int step) {
  static const int in_pair[2][STEPS] = {{0, 1, 2}, {4, 5, 3}};
  return pairs ? filter / 2 * PAIR + in_pair[filter % 2][step] : filter * STEPS + step;
}

/* Whether there are several filters, all with the same factor, which the model then stores once. False if a
 * filter is constant, because that filter needs other steps. Also false for updatable weights, because their
 * factors may change. */
static bool one_factor(const Lower *l, int64_t filters, const DspFilter *filter) {
  const Int8Product *p = l->node->detail;
  if (l->updatable) return false;
  for (int64_t f = 0; f < filters; f++)
    if (filter[f].constant || p->factor[f].m != p->factor[0].m || p->factor[f].e != p->factor[0].e)
      return false;
  return filters > 1;
}

/* Small constants contain no `plus`, because it is computed from the shift. But `plus` of a constant filter
 * depends on the filter's value, so a layer with such a filter needs large constants. */
bool dsp_finish_shrinks(const Lower *l, int64_t filters, const DspFilter *filter) {
  if (l->updatable) return false; /* with other weights, a filter may be constant */
  for (int64_t f = 0; f < filters; f++)
    if (filter[f].constant) return false;
  return may_be_quick(l, filters, filter) && !one_factor(l, filters, filter);
}

static int32_t dsp_finish_shift_of(const Int8Product *p, int64_t filter) {
  return p->rounding == ROUNDING_SINGLE ? -p->factor[filter].e - 1 : -p->factor[filter].e;
}

static DspFinish small_finish(Lower *l, const Int8Product *p, int64_t filters) {
  int32_t *factor = NEW_ARRAY(l->arena, int32_t, filters);
  int8_t *shift = NEW_ARRAY(l->arena, int8_t, filters);
  for (int64_t f = 0; f < filters; f++) {
    factor[f] = p->factor[f].m;
    shift[f] = (int8_t)dsp_finish_shift_of(p, f);
  }
  return (DspFinish){.rounding = p->rounding,
                     .stored = p->stored,
                     .quick = true,
                     .small = true,
                     .of = {.factor = lower_constants(l, "factor", I32, 1, &filters, factor),
                            .exponent = lower_constants(l, "shift", I8, 1, &filters, shift)}};
}

static DspFinish quick_finish(Lower *l, const Int8Product *p, int64_t filters, const DspFilter *filter,
                              bool pairs) {
  const bool same = one_factor(l, filters, filter);
  const bool paired = pairs && !same;
  const int64_t count = same ? 1 : filters;
  const int64_t rows = paired ? (count + 1) / 2 : count, columns = paired ? PAIR : STEPS;
  int32_t *steps = NEW_ARRAY(l->arena, int32_t, rows *columns);
  for (int64_t f = 0; f < count; f++) {
    const int32_t shift =
        filter[f].constant ? 1 : (int32_t)smaller(larger(dsp_finish_shift_of(p, f), 1), MOST_SHIFT);
    steps[step_place(paired, f, FACTOR)] = filter[f].constant ? 0 : p->factor[f].m;
    steps[step_place(paired, f, PLUS)] =
        filter[f].constant ? 2 * filter[f].value
                           : (INT32_C(1) << (shift - 1)) + p->stored.zero * (INT32_C(1) << shift);
    steps[step_place(paired, f, SHIFT)] = shift;
  }
  return (DspFinish){.rounding = p->rounding,
                     .stored = p->stored,
                     .quick = true,
                     .same = same,
                     .steps = lower_constants(l, "steps", I32, 2, (int64_t[]){rows, columns}, steps)};
}

DspFinish dsp_finish(Lower *l, int64_t filters, const DspFilter *filter, bool pairs) {
  const Int8Product *p = l->node->detail;
  const bool fast = may_be_quick(l, filters, filter);
  if (fast) lower_needs(l, quick(p, filters, filter), "factors from 2^-22 to 2^-2, sums below 2^30");
  if (l->choice.small && dsp_finish_shrinks(l, filters, filter)) return small_finish(l, p, filters);
  if (fast) return quick_finish(l, p, filters, filter, pairs);
  return (DspFinish){.rounding = p->rounding, .stored = p->stored, .of = int8_factors(l, filters)};
}

static Val step_at(Lower *l, const DspFinish *finish, const Ix *row, int64_t column) {
  Nest *b = l->b;
  const Ix at = finish->same ? NEST_Z : *row;
  return nest_load(b, nest_at(b, finish->steps, at, column), 1);
}

/* The factor of filter f; finish->small must be set. */
static Val small_factor(Lower *l, const DspFinish *finish, const Ix *f) {
  Nest *b = l->b;
  return nest_let(b, "m", nest_load(b, nest_at(b, finish->of.factor, *f), 1));
}

static Val small_shift(Lower *l, const DspFinish *finish, const Ix *f) {
  Nest *b = l->b;
  return nest_let(b, "s", convert(nest_load(b, nest_at(b, finish->of.exponent, *f), 1), I32));
}

static Val small_plus(Lower *l, const DspFinish *finish, Val shift) {
  Nest *b = l->b;
  const Val twice = nest_primitive(b, &primitive_shift_left,
                                   lower_number(l, "twice_zero", 2 * finish->stored.zero + 1), shift, NULL);
  return nest_let(b, "plus", nest_primitive(b, &primitive_shift_right, twice, num_i32(b, 1), NULL));
}

/* Step `step` (FACTOR, PLUS or SHIFT) of filter `which` of pair p. */
static Val pair_step(Lower *l, const DspFinish *finish, const char *name, const Ix *p, int which, int step) {
  return nest_let(l->b, name,
                  step_at(l, finish, p, step_place(!finish->same, finish->same ? 0 : which, step)));
}

void dsp_pair_shifts(Lower *l, const DspFinish *finish, const Ix *p, int from, int to, Val shift[2]) {
  for (int i = from; i < to; i++) {
    const Ix f = *p * 2 + i;
    shift[i] = finish->small ? small_shift(l, finish, &f) : pair_step(l, finish, "s", p, i, SHIFT);
  }
}

DspSteps dsp_pair_steps(Lower *l, const DspFinish *finish, const Ix *p, int which, const Val shift[2]) {
  const Ix f = *p * 2 + which;
  if (finish->small)
    return (DspSteps){.factor = small_factor(l, finish, &f),
                      .plus = small_plus(l, finish, shift[which]),
                      .shift = shift[which]};
  return (DspSteps){.factor = pair_step(l, finish, "m", p, which, FACTOR),
                    .plus = pair_step(l, finish, "plus", p, which, PLUS),
                    .shift = shift[which]};
}

Val dsp_cut(Lower *l, Val q, Stored stored) {
  if (l->node->elem == I8 && !int8_cuts_below(l, stored) && !int8_cuts_above(l, stored))
    return nest_primitive(l->b, &primitive_clamp8, q, NULL, NULL);
  if (l->node->elem == I16 && !l->updatable && stored.lo == INT16_MIN && stored.hi == INT16_MAX)
    return nest_primitive(l->b, &primitive_clamp16, q, NULL, NULL);
  return int8_cut(l, stored, q);
}

Val dsp_shifted_away(Nest *b, Val sign, Val twice, Val m, Val plus, Val shift) {
  const Val least = nest_primitive(b, &primitive_less_sign, plus, sign, NULL);
  return nest_primitive(b, &primitive_shift_right,
                        nest_primitive(b, &primitive_high_sum_rounded, least, twice, m), shift, NULL);
}

Val dsp_stepped(Lower *l, const DspFinish *finish, const DspSteps *steps, Val sum) {
  Nest *b = l->b;
  Val q;
  if (finish->rounding == ROUNDING_SINGLE)
    q = nest_primitive(b, &primitive_shift_right,
                       nest_primitive(b, &primitive_high_sum, steps->plus, sum, steps->factor), steps->shift,
                       NULL);
  else
    q = dsp_shifted_away(
        b, sum, finish->doubled ? sum : nest_primitive(b, &primitive_shift_left, sum, num_i32(b, 1), NULL),
        steps->factor, steps->plus, steps->shift);
  return convert(dsp_cut(l, q, finish->stored), l->node->elem);
}

DspSteps dsp_steps(Lower *l, const DspFinish *finish, const Ix *f) {
  if (finish->small) {
    const Val shift = small_shift(l, finish, f);
    return (DspSteps){small_factor(l, finish, f), small_plus(l, finish, shift), shift};
  }
  return (DspSteps){step_at(l, finish, f, FACTOR), step_at(l, finish, f, PLUS), step_at(l, finish, f, SHIFT)};
}

Val dsp_finished(Lower *l, const DspFinish *finish, Val sum, const Ix *f) {
  if (!finish->quick) {
    const Val q = add(int8_factored(l, &finish->of, sum, f), int8_stored_zero(l, finish->stored));
    return convert(dsp_cut(l, q, finish->stored), l->node->elem);
  }
  const DspSteps steps = dsp_steps(l, finish, f);
  return dsp_stepped(l, finish, &steps, sum);
}
