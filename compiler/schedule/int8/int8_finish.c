// int8_finish.c: Vectorized requantization of sums to int8, for each rounding mode.
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include "schedule/int8/int8_words.h"
#include "base/number.h"

/* Sums over the weights of a filter. sizes: the sum of |weight|; signs: the sum of the weights themselves. */
typedef struct Total {
  int64_t sizes, signs;
} Total;

static Total total_of(const Int8Product *p, const Correlation *k, int64_t filter) {
  const int64_t terms = k->l * k->kernel[0] * k->kernel[1];
  Total total = {0};
  for (int64_t i = 0; i < terms; i++) {
    total.sizes += abs(p->weight[filter * terms + i]);
    total.signs += p->weight[filter * terms + i];
  }
  return total;
}

static int64_t bias_of(const Lower *l, Dot dot, const Int8Product *p, const Total *total, int64_t filter) {
  return p->bias[filter] - (l->node->in[0]->quant->zero + words_lift(dot)) * total->signs;
}

/* Whether all partial sums, and the sums shifted left by the requantization, fit into int32. */
static bool finish_fits(const Lower *l, Dot dot, const Int8Product *p, const Correlation *k) {
  const int64_t element = words_lift(dot) ? UINT8_MAX : -INT8_MIN; /* largest absolute element of a word */
  const int64_t zero = l->node->in[0]->quant->zero, far = larger(zero - INT8_MIN, INT8_MAX - zero);
  for (int64_t f = 0; f < k->small.c; f++) {
    const Total total = total_of(p, k, f);
    const int64_t most = llabs((long long)p->bias[f]) + far * total.sizes;
    if (llabs((long long)bias_of(l, dot, p, &total, f)) + element * total.sizes > INT32_MAX) return false;
    if (!int8_steps_fit(p->rounding, p->factor[f], most)) return false;
  }
  return true;
}

bool finish_may(const Lower *l, Dot dot, const Int8Product *p, const Correlation *k) {
  return lower_assumes(l, finish_fits(l, dot, p, k));
}

/* Index of a filter in the arrays of constants. With quads, the channels of four vectors alternate: lane i of
 * vector v has channel 4i + v. */
static int64_t int8_finish_place_of(const Finish *finish, const Correlation *k, int64_t filter) {
  const int64_t quad = WORD_BYTES * finish->unit, f = filter % k->s;
  return filter / k->s * finish->vectors * finish->unit +
         (finish->quads ? f / quad * quad + f % WORD_BYTES * finish->unit + f % quad / WORD_BYTES : f);
}

/* Computes a constant for a filter. by_filter stores the constants of all filters, padded with zeros to whole
 * vectors. */
typedef int32_t OfFilter(const Lower *, const Finish *, const Int8Product *, const Correlation *,
                         int64_t filter);
static Buf *by_filter(Lower *l, const Finish *finish, const Int8Product *p, const Correlation *k,
                      const char *name, OfFilter *of) {
  const int64_t dim[2] = {k->groups * finish->vectors, finish->unit};
  int32_t *values = NEW_ARRAY(l->arena, int32_t, dim[0] * dim[1]);
  for (int64_t f = 0; f < k->small.c; f++)
    values[int8_finish_place_of(finish, k, f)] = of(l, finish, p, k, f);
  return lower_constants(l, name, I32, 2, dim, values);
}

static int32_t bias_value(const Lower *l, const Finish *finish, const Int8Product *p, const Correlation *k,
                          int64_t f) {
  const Total total = total_of(p, k, f);
  const int64_t taps = k->kernel[0] * k->kernel[1];
  uint32_t bias = (uint32_t)bias_of(l, finish->dot, p, &total, f);
  for (int64_t tap = 0; tap < taps && finish->inner; tap++)
    bias -= (uint32_t)inner_of_weights(&p->weight[f * k->l * taps + tap], k->l, taps);
  return (int32_t)bias;
}
#define STEP(member)                                                                                         \
  static int32_t member##_value(const Lower *l, const Finish *finish, const Int8Product *p,                  \
                                const Correlation *k, int64_t f) {                                           \
    return (void)l, (void)finish, (void)k, int8_steps(p->rounding, p->factor[f]).member;                     \
  }
STEP(left)
STEP(m)
STEP(shift)

/* Whether the rounding constant, half of 2^shift, can include the zero point, so that one addition adds both.
 * This requires ROUNDING_SINGLE, small shifts in all filters, and a model that is not updatable. */
static bool holds_zero(const Lower *l, const Int8Product *p, const Correlation *k) {
  enum { MOST_SHIFT = 22 }; /* the upper half of sum * factor is below 2^30, so no sum overflows */
  for (int64_t f = 0; f < k->small.c; f++)
    if (int8_steps(p->rounding, p->factor[f]).shift > MOST_SHIFT) return false;
  return p->rounding == ROUNDING_SINGLE && !l->updatable;
}

static int32_t half_value(const Lower *l, const Finish *finish, const Int8Product *p, const Correlation *k,
                          int64_t f) {
  const Steps s = int8_steps(p->rounding, p->factor[f]);
  (void)l, (void)k;
  return (int32_t)(s.half + (p->stored.zero - finish->stored.zero) * (INT64_C(1) << s.shift));
}

static Buf *real_factors(Lower *l, const Finish *finish, const Correlation *k, const Int8Product *p) {
  const int64_t dim[2] = {k->groups * finish->vectors, finish->unit};
  float *values = NEW_ARRAY(l->arena, float, dim[0] * dim[1]);
  for (int64_t f = 0; f < k->small.c; f++) values[int8_finish_place_of(finish, k, f)] = p->factor[f].real;
  return lower_constants(l, "rounding_factor", F32, 2, dim, values);
}

Buf *finish_bias(Lower *l, const Finish *finish, const Int8Product *p, const Correlation *k,
                 const char *suffix) {
  const char *name = words_lift(finish->dot) ? "bias_of_bytes"
                     : finish->inner         ? "bias_of_inner"
                                             : "bias_of_signed";
  return by_filter(l, finish, p, k, nest_text(l->b, "%s%s", name, suffix), bias_value);
}

static Finish int8_finish_begin(Lower *l, Dot dot, const Int8Product *p, const Correlation *k, int unit,
                                bool inner, bool quads) {
  Finish f = {.dot = dot,
              .inner = inner,
              .quads = quads,
              .rounding = p->rounding,
              .stored = p->stored,
              .unit = unit,
              .vectors = ceil_divide(k->s, unit)};
  bool shifted = l->updatable;
  lower_needs(l, finish_fits(l, dot, p, k), "sums within int32, also while they are requantized");
  for (int64_t i = 0; i < k->small.c; i++) shifted |= int8_steps(p->rounding, p->factor[i]).left > 0;
  f.bias = finish_bias(l, &f, p, k, "");
  if (p->rounding == ROUNDING_FLOAT) {
    f.factor = real_factors(l, &f, k, p);
    return f;
  }
  f.factor = by_filter(l, &f, p, k, "rounding_factor", m_value);
  if (holds_zero(l, p, k)) f.stored.zero = 0;
  f.half = by_filter(l, &f, p, k, "rounding_half", half_value);
  f.shift = by_filter(l, &f, p, k, "rounding_shift", shift_value);
  if (shifted) f.left = by_filter(l, &f, p, k, "rounding_left", left_value);
  return f;
}

Finish finish_begin(Lower *l, Dot dot, const Int8Product *p, const Correlation *k, int unit, bool inner) {
  return int8_finish_begin(l, dot, p, k, unit, inner, false);
}
Finish finish_quads(Lower *l, Dot dot, const Int8Product *p, const Correlation *k, int unit) {
  return int8_finish_begin(l, dot, p, k, unit, false, true);
}

static Val int8_finish_rounded(Lower *l, const Finish *f, Val sum, const Ix *vector, const Ix *lane) {
  Nest *b = l->b;
  const int lanes = sum->type.lanes;
#define OF(member) nest_load(b, nest_at(b, f->member, *vector, *lane), lanes)
  const Val factor = OF(factor);
  return f->rounding == ROUNDING_FLOAT
             ? nest_primitive(b, &primitive_requantize_float, sum, factor, NULL)
             : int8_stepped(l, f->rounding, sum, f->left ? OF(left) : NULL, factor, OF(half), OF(shift));
#undef OF
}

Val finish_vector(Lower *l, const Finish *f, Val sum, const Ix *vector, const Ix *lane) {
  return int8_stored(l, f->stored, int8_finish_rounded(l, f, sum, vector, lane));
}

Val finish_words(Lower *l, const Finish *f, Val sum, const Ix *vector, const Ix *lane) {
  Val q = int8_finish_rounded(l, f, sum, vector, lane);
  if (int8_adds_zero(l, f->stored)) q = add(q, int8_stored_zero(l, f->stored));
  if (int8_cuts_above(l, f->stored)) q = vmin(q, int8_highest(l, f->stored));
  return int8_cuts_below(l, f->stored) ? vmax(q, int8_lowest(l, f->stored)) : q;
}
