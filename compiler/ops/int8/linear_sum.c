// linear_sum.c: The sum or difference of two int8 values as one linear function of both, in int32.
// SPDX-License-Identifier: Apache-2.0
//
// By definition each operand is rescaled and rounded; then the sum of the results is rescaled and rounded.
// This needs three int64 products. Without the roundings the sum is linear in the operands a and b, so
//
//     RSH(factor[0]*a + factor[1]*b + constant, shift)
//
// (RSH: base/arithmetic.h) is close to the defined sum if the factors use all bits of int32. cnnc searches
// for factors near the exact factors, and for a constant, such that every pair of operands gives the same
// byte as the definition. There are only 65,536 pairs, so all of them are tested.
#include <math.h>
#include <stdlib.h>
#include "base/number.h"
#include "ops/int8/int8.h"

enum { BYTES = 256, NEAR = 3, MOST_SHIFT = 30 };

typedef struct Search {
  int8_t byte[BYTES][BYTES]; /* the defined sum of each pair of operands */
  Stored stored;
  LinearSum found;
} Search;

static void define_bytes(Search *s, const Int8Combine *p, const int32_t zero[2]) {
  int64_t part[2][BYTES];
  for (int32_t k = 0; k < 2; k++)
    for (int32_t i = 0; i < BYTES; i++)
      part[k][i] = addition_part(p->rounding, &p->addition, k, i + INT8_MIN - zero[k]);
  for (int a = 0; a < BYTES; a++)
    for (int b = 0; b < BYTES; b++) {
      const int64_t rounded = addition_rounded(p->rounding, &p->addition, part[0][a] + part[1][b]);
      s->byte[a][b] = (int8_t)stored_put(p->stored, rounded);
    }
}

/* Searches for a constant with which the factors give the defined byte for every pair of operands; each pair
 * bounds the constant. Returns false if it finds none. */
static bool find_constant(Search *s) {
  const int64_t unit = INT64_C(1) << s->found.shift;
  int64_t least = INT32_MIN, most = INT32_MAX;
  for (int32_t a = 0; a < BYTES; a++)
    for (int32_t b = 0; b < BYTES; b++) {
      const int64_t byte = s->byte[a][b], sum = (int64_t)s->found.factor[0] * (a + INT8_MIN) +
                                                (int64_t)s->found.factor[1] * (b + INT8_MIN);
      if (byte > s->stored.lo) least = larger(least, byte * unit - sum);
      if (byte < s->stored.hi) most = smaller(most, (byte + 1) * unit - 1 - sum);
      if (least > most) return false;
    }
  const int64_t sizes = llabs((long long)s->found.factor[0]) + llabs((long long)s->found.factor[1]),
                constant = least + (most - least) / 2;
  if (-INT8_MIN * sizes + llabs((long long)constant) > INT32_MAX) return false;
  s->found.constant = (int32_t)constant;
  return true;
}

static double multiplier_value(Multiplier m) { return ldexp(m.m, m.e - 31); }

/* Sets the shift and the factors nearest to the exact factors. Returns false if not even a shift of one bit
 * fits. */
static bool start(Search *s, const Int8Combine *p, const int32_t zero[2]) {
  double exact[2], most = 2;
  for (int k = 0; k < 2; k++) {
    const Addend *addend = &p->addition.addend[k];
    exact[k] = ldexp(multiplier_value(addend->factor) * multiplier_value(p->addition.out), p->addition.bits);
    if (addend->minus) exact[k] = -exact[k];
    most += fabs(exact[k]) * (-INT8_MIN + abs(zero[k]));
  }
  most += abs(p->stored.zero);
  int shift; /* the largest shift with most * 2^shift <= INT32_MAX, at most MOST_SHIFT */
  frexp(INT32_MAX / most, &shift);
  shift = (int)smaller(shift - 1, MOST_SHIFT);
  if (shift < 1) return false;
  s->found.shift = shift;
  for (int k = 0; k < 2; k++) s->found.factor[k] = (int32_t)lround(ldexp(exact[k], shift));
  return true;
}

bool linear_sum(const Node *node, const Int8Combine *p, LinearSum *to) {
  if (p->product || p->wide || p->addition.count != 2 || p->rounding == ROUNDING_FLOAT) return false;
  const int32_t zero[2] = {node->in[0]->quant->zero, node->in[1]->quant->zero};
  Search s = {.stored = p->stored};
  if (!start(&s, p, zero)) return false;
  define_bytes(&s, p, zero);
  const LinearSum nearest = s.found;
  for (int far = 0; far <= NEAR; far++) /* the nearest factors first */
    for (int a = -far; a <= far; a++)
      for (int b = -far; b <= far; b++) {
        if (abs(a) != far && abs(b) != far) continue;
        s.found.factor[0] = nearest.factor[0] + a;
        s.found.factor[1] = nearest.factor[1] + b;
        if (!find_constant(&s)) continue;
        *to = s.found;
        return true;
      }
  return false;
}

Val linear_sum_value(Lower *l, const LinearSum *linear, Val a, Val b) {
  const Val constant = lower_number(l, "constant", linear->constant),
            first = mul(lower_number(l, "factor_0", linear->factor[0]), a),
            second = mul(lower_number(l, "factor_1", linear->factor[1]), b),
            sum = add(add(constant, first), second);
  return nest_primitive(l->b, &primitive_shift_right, sum, lower_number(l, "shift", linear->shift), NULL);
}
