// int8_finish.c: sums of products become 8 bits, vector by vector, by each rounding.
// SPDX-License-Identifier: Apache-2.0
//
// With x * m a product of 32 by 32 bits, `single` is (x*m / 2^32 + half) / 2^shift, each rounded down, where
// e
// <= -2; else x is shifted before by so much that it is. `double` takes 2 * x * 2^max(e, 0): then x*m / 2^31
// rounded is the upper half rounded.
#include <stdlib.h>
#include "schedule/int8_words.h"
#include "base/number.h"

static int32_t shift_before(Rounding rounding, Multiplier factor) {
  if (rounding == ROUNDING_DOUBLE) return 1 + (factor.e > 0 ? factor.e : 0);
  return rounding == ROUNDING_SINGLE && factor.m && factor.e > -2 ? factor.e + 2 : 0;
}

/* The sums of |weight| and of weight of a filter. */
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

static int64_t bias_of(const Lower *l, const Int8Product *p, const Total *total, int64_t filter) {
  return p->bias[filter] - (l->node->in[0]->quant->zero + words_lift(l)) * total->signs;
}

bool finish_fits(const Lower *l, const Int8Product *p, const Correlation *k) {
  const int64_t zero = l->node->in[0]->quant->zero, far = larger(zero - INT8_MIN, INT8_MAX - zero);
  for (int64_t f = 0; f < k->small.c; f++) {
    const Total total = total_of(p, k, f);
    const int64_t most = llabs((long long)p->bias[f]) + far * total.sizes;
    if (llabs((long long)bias_of(l, p, &total, f)) + words_most(l) * total.sizes > INT32_MAX) return false;
    if (most << shift_before(p->rounding, p->factor[f]) > INT32_MAX) return false;
  }
  return true;
}

/* By channel, with zeros up to whole vectors. */
typedef int32_t OfFilter(const Lower *, const Int8Product *, const Correlation *, int64_t filter);
static Buf *by_filter(Lower *l, const Finish *finish, const Correlation *k, const char *name, OfFilter *of) {
  const Int8Product *p = l->node->detail;
  const int64_t dim[2] = {k->groups * finish->vectors, finish->unit};
  int32_t *values = NEW_ARRAY(l->arena, int32_t, dim[0] * dim[1]);
  for (int64_t f = 0; f < k->small.c; f++)
    values[f / k->s * finish->vectors * finish->unit + f % k->s] = of(l, p, k, f);
  return lower_constants(l, name, I32, 2, dim, values);
}

static int32_t bias_value(const Lower *l, const Int8Product *p, const Correlation *k, int64_t f) {
  const Total total = total_of(p, k, f);
  return (int32_t)bias_of(l, p, &total, f);
}
static int32_t factor_value(const Lower *l, const Int8Product *p, const Correlation *k, int64_t f) {
  return (void)l, (void)k, p->factor[f].m;
}
static int32_t left_value(const Lower *l, const Int8Product *p, const Correlation *k, int64_t f) {
  return (void)l, (void)k, shift_before(p->rounding, p->factor[f]);
}
/* Of what is left of a factor: 2^-shift. */
static int32_t shift_value(const Lower *l, const Int8Product *p, const Correlation *k, int64_t f) {
  const Multiplier factor = p->factor[f];
  if (p->rounding == ROUNDING_DOUBLE) return factor.e < 0 ? -factor.e : 0;
  return factor.m ? left_value(l, p, k, f) - factor.e - 1 : 1;
}
static int32_t half_value(const Lower *l, const Int8Product *p, const Correlation *k, int64_t f) {
  const int32_t shift = shift_value(l, p, k, f);
  return shift ? INT32_C(1) << (shift - 1) : 0;
}

static Buf *real_factors(Lower *l, const Finish *finish, const Correlation *k, const Int8Product *p) {
  const int64_t dim[2] = {k->groups * finish->vectors, finish->unit};
  float *values = NEW_ARRAY(l->arena, float, dim[0] * dim[1]);
  for (int64_t f = 0; f < k->small.c; f++)
    values[f / k->s * finish->vectors * finish->unit + f % k->s] = p->factor[f].real;
  return lower_constants(l, "rounding_factor", F32, 2, dim, values);
}

Finish finish_begin(Lower *l, const Int8Product *p, const Correlation *k, int unit) {
  Finish f = {.rounding = p->rounding, .stored = p->stored, .unit = unit, .vectors = ceil_divide(k->s, unit)};
  bool shifted = false;
  for (int64_t i = 0; i < k->small.c; i++)
    shifted = shifted || shift_before(p->rounding, p->factor[i]) > (p->rounding == ROUNDING_DOUBLE);
  f.bias = by_filter(l, &f, k, l->target->dot == DOT_BYTES ? "bias_of_bytes" : "bias_of_halves", bias_value);
  if (p->rounding == ROUNDING_FLOAT) {
    f.factor = real_factors(l, &f, k, p);
    return f;
  }
  f.factor = by_filter(l, &f, k, "rounding_factor", factor_value);
  f.half = by_filter(l, &f, k, "rounding_half", half_value);
  f.shift = by_filter(l, &f, k, "rounding_shift", shift_value);
  if (shifted) f.left = by_filter(l, &f, k, "rounding_left", left_value);
  return f;
}

Val finish_stored(Lower *l, Stored stored, Val rounded) {
  Nest *b = l->b;
  const Val q = add(rounded, num_i32(b, stored.zero));
  return convert(vmax(vmin(q, num_i32(b, stored.hi)), num_i32(b, stored.lo)), I8);
}

Val finish_vector(Lower *l, const Finish *f, Val sum, const Ix *vector, const Ix *lane) {
  Nest *b = l->b;
  const int lanes = sum->type.lanes;
#define OF(member) nest_load(b, nest_at(b, f->member, *vector, *lane), lanes)
  const Val factor = OF(factor);
  if (f->rounding == ROUNDING_FLOAT)
    return finish_stored(l, f->stored, nest_primitive(b, &primitive_requantize_float, sum, factor, NULL));
  if (f->left) sum = nest_primitive(b, &primitive_shift_left, sum, OF(left), NULL);
  else if (f->rounding == ROUNDING_DOUBLE) sum = add(sum, sum);
  Val r;
  if (f->rounding == ROUNDING_SINGLE) {
    r = nest_primitive(b, &primitive_high_product, sum, factor, NULL);
    r = nest_primitive(b, &primitive_shift_right, add(r, OF(half)), OF(shift), NULL);
  } else {
    r = nest_primitive(b, &primitive_high_product_rounded, sum, factor, NULL);
    r = nest_primitive(b, &primitive_shift_halves_away, r, OF(half), OF(shift));
  }
#undef OF
  return finish_stored(l, f->stored, r);
}
