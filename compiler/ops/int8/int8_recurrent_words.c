// int8_recurrent_words.c: Sums and roundings of int8 recurrent layers on boards, whose CPUs multiply two
// pairs of int16 in one instruction.
// SPDX-License-Identifier: Apache-2.0
//
// As in schedule/mcu/dsp_direct.c, each 16-bit half of a weight word contains 256*wB + wA, for two gates A
// and B of a unit. SA and SB are the sums of these gates. The sum of products with the halves is mix = 256*SB
// + SA; the sum of products with their low bytes is SA. So SB = (mix - SA) / 256, which is exact modulo 2^32
// if |SB| < 2^23. Whether this bound holds depends on the weights. The weights of a gate without a partner
// are bytes, four in a word. Biases are added afterwards.
//
// Roundings are the same as in schedule/mcu/dsp_finish.c, with zero point 0. Factors of at least 1/2
// (ROUNDING_SINGLE: 1/4) need no second shift: the sum is shifted to the left first, and the upper half of
// the product is rounded.
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/number.h"
#include "ops/int8/int8_recurrent.h"

enum {
  QUAD = 4, /* number of channels in two words */
  MOST_TOGETHER = 8,
  LEAST_SINGLE = 2,
  LEAST_DOUBLE = 1,
  MOST_LEFT = 16,
  MOST_SHIFT = 30 /* the upper half of a product is less than 2^30 */
};
static const int64_t MOST_PART = (INT64_C(1) << 23) - 1, MOST_SUM = (INT64_C(1) << 30) - 1;

/* ---- bounds ---- */
static int32_t h_weight(const Int8Recurrent *p, int gate, int64_t u, int64_t k) {
  return k < p->r.outputs ? p->weight[(gate * p->r.units + u) * p->r.outputs + k] : 0;
}

/* The weights of two gates as one half of a word. gate_pairs_fit checks whether this number fits into 16
 * bits. */
static int32_t half_of_gates(const Int8Recurrent *p, int gate, int64_t u, int64_t k) {
  enum { BYTE = 256 };
  return BYTE * h_weight(p, gate + 1, u, k) + h_weight(p, gate, u, k);
}

static int64_t most_sum(const Int8Recurrent *p, int gate, int64_t u) {
  int64_t most = 0;
  for (int64_t k = 0; k < p->r.outputs; k++) most += llabs(h_weight(p, gate, u, k)) * -INT8_MIN;
  return most;
}

/* Number of gates that read h. In gru with reset=before, the last gate does not read h: it reads r*h, after
 * the other gates. */
static int gates_of_h(const Int8Recurrent *p) { return (int)p->r.gates - (p->r.before ? 1 : 0); }

static bool gate_pairs_fit(const Int8Recurrent *p) {
  for (int64_t u = 0; u < p->r.units; u++)
    for (int gate = 0; gate + 1 < gates_of_h(p); gate += 2) {
      if (most_sum(p, gate + 1, u) > MOST_PART) return false;
      for (int64_t k = 0; k < p->r.outputs; k++)
        if (half_of_gates(p, gate, u, k) < INT16_MIN) return false;
    }
  return true;
}

static int least_shift(Rounding rounding) {
  return rounding == ROUNDING_SINGLE ? LEAST_SINGLE : LEAST_DOUBLE;
}
static bool goes_left(Rounding rounding, Multiplier factor) { return -factor.e < least_shift(rounding); }

/* Can a product of two int16 values be rounded in int32? */
static bool is_quick(Rounding rounding, Multiplier factor) {
  return rounding != ROUNDING_FLOAT && !goes_left(rounding, factor) && -factor.e <= MOST_SHIFT;
}

/* Can sum s, whose absolute value is at most `most`, be rounded in int32? All sums of a gate must be shifted
 * in the same direction. */
static bool sum_is_quick(const Int8Recurrent *p, int64_t s, int64_t most) {
  const Multiplier factor = p->factor[s];
  const bool left = goes_left(p->rounding, factor);
  if (left != goes_left(p->rounding, p->factor[s / p->r.units * p->r.units])) return false;
  return factor.e <= MOST_LEFT && -factor.e <= MOST_SHIFT && most <= MOST_SUM >> larger(factor.e, 0);
}

static bool sums_are_quick(const Int8Recurrent *p, const int32_t *bias) {
  const int64_t units = p->r.units;
  if (p->rounding == ROUNDING_FLOAT) return false;
  for (int64_t s = 0; s < p->r.gates * units; s++)
    if (!sum_is_quick(p, s, most_sum(p, (int)(s / units), s % units) + llabs(bias[s]))) return false;
  return true;
}

static bool products_are_quick(const Int8Recurrent *p) {
  if (p->r.cell == CELL_LSTM && !(is_quick(p->rounding, p->forget) && is_quick(p->rounding, p->add)))
    return false;
  return !(p->r.cell == CELL_LSTM || p->r.relu) || is_quick(p->rounding, p->out);
}

bool int8_recurrent_has_words(const Lower *l, const Int8Recurrent *p, const int32_t *bias) {
  return l->target->dsp && l->layout->dsp && !l->plain && !l->updatable && !p->wide && !p->litert &&
         gate_pairs_fit(p) && sums_are_quick(p, bias) && products_are_quick(p);
}

/* ---- constants ---- */
static int32_t shift_by(Rounding rounding, Multiplier factor) {
  return rounding == ROUNDING_SINGLE ? -factor.e - 1 : -factor.e;
}

/* Words of the weights of gates first, first + 1, ...: [units][words][pairs]. */
static Buf *words_of_pairs(Lower *l, const Int8Recurrent *p, const RecurrentWords *of) {
  const int64_t units = p->r.units, pairs = of->gates / 2, dim[3] = {units, of->words, pairs};
  int32_t *weight = NEW_ARRAY(l->arena, int32_t, units * of->words * pairs), *to = weight;
  for (int64_t u = 0; u < units; u++)
    for (int64_t word = 0; word < of->words; word++)
      for (int pair = 0; pair < pairs; pair++) {
        const int64_t k = word / 2 * QUAD + word % 2; /* bytes are widened in the order 0 2 1 3 */
        const int gate = of->first + 2 * pair;
        *to++ = int8_halves(half_of_gates(p, gate, u, k), half_of_gates(p, gate, u, k + 2));
      }
  return lower_constants(l, "halves", I32, 3, dim, weight);
}

/* Words of four weights of the last gate, which has no partner: [units][words/2]. */
static Buf *words_of_bytes(Lower *l, const Int8Recurrent *p, const RecurrentWords *of) {
  const int64_t units = p->r.units, words = of->words / 2, dim[2] = {units, words};
  const int gate = of->first + of->gates - 1;
  int32_t *weight = NEW_ARRAY(l->arena, int32_t, units *words), *to = weight;
  for (int64_t u = 0; u < units; u++)
    for (int64_t word = 0; word < words; word++, to++)
      for (int i = 0; i < QUAD; i++) {
        const uint32_t byte = (uint8_t)h_weight(p, gate, u, word * QUAD + i);
        *to = (int32_t)((uint32_t)*to | byte << (CHAR_BIT * i));
      }
  return lower_constants(l, "bytes", I32, 2, dim, weight);
}

static Buf *steps_of_sums(Lower *l, const Int8Recurrent *p, const int32_t *bias) {
  enum { STEPS = 4 };
  const int64_t sums = p->r.gates * p->r.units, dim[2] = {sums, STEPS};
  int32_t *steps = NEW_ARRAY(l->arena, int32_t, sums *STEPS);
  for (int64_t s = 0; s < sums; s++) {
    const bool left = goes_left(p->rounding, p->factor[s]);
    const int32_t shift = shift_by(p->rounding, p->factor[s]),
                  of[STEPS] = {bias[s], p->factor[s].m, left ? 0 : INT32_C(1) << (shift - 1),
                               left ? INT32_C(1) << (p->factor[s].e + 1) : shift};
    memcpy(steps + s * STEPS, of, sizeof of);
  }
  return lower_constants(l, "steps", I32, 2, dim, steps);
}

void int8_recurrent_words(Lower *l, const Int8Recurrent *p, const int32_t *bias, RecurrentWords made[2]) {
  const RecurrentWords whole = {
      .p = p, .words = ceil_divide(p->r.outputs, QUAD) * 2, .steps = steps_of_sums(l, p, bias)};
  const int split = gates_of_h(p);
  for (int part = 0; part < 2; part++) {
    made[part] = whole;
    made[part].first = part ? split : 0;
    made[part].gates = part ? (int)p->r.gates - split : split;
    if (made[part].gates / 2) made[part].halves = words_of_pairs(l, p, &made[part]);
    if (made[part].gates % 2) made[part].bytes = words_of_bytes(l, p, &made[part]);
  }
}

/* ---- sums ---- */
void int8_recurrent_window(Lower *l, RecurrentWords *words, Buf *h) {
  Nest *b = l->b;
  const int64_t outputs = words->p->r.outputs, whole = outputs / QUAD, rest = outputs % QUAD;
  words->window = nest_buf(b, STACK, "window", (Type){I32, 1}, 1, &words->words);
  NEST_FOR(b, k, whole) {
    const Val bytes = nest_let(b, "bytes", nest_load_words(b, nest_at(b, h, k * QUAD), 1));
    nest_store(b, nest_at(b, words->window, k * 2),
               nest_primitive(b, &primitive_even_bytes, bytes, NULL, NULL));
    nest_store(b, nest_at(b, words->window, k * 2 + 1),
               nest_primitive(b, &primitive_odd_bytes, bytes, NULL, NULL));
  }
  for (int odd = 0; odd < 2 && rest; odd++) {
    Val half[2];
    for (int i = 0; i < 2; i++) {
      const int64_t k = odd + 2 * i;
      half[i] = k < rest ? convert(nest_load(b, nest_at(b, h, NEST_Z + (whole * QUAD + k)), 1), I32)
                         : num_i32(b, 0);
    }
    nest_store(b, nest_at(b, words->window, NEST_Z + (whole * 2 + odd)),
               nest_primitive(b, &primitive_low_halves, half[0], half[1], NULL));
  }
}

typedef struct WordSums {
  Buf *mix, *own; /* one sum per pair of gates; mix: 256*SB + SA; own: SA */
  Buf *last;      /* the sum of the gate without a partner */
} WordSums;

static Buf *zero_sums(Nest *b, const char *name, int64_t n) {
  Buf *sums = nest_buf(b, REGS, name, (Type){I32, 1}, 1, &n);
  for (int64_t i = 0; i < n; i++) nest_store(b, nest_at(b, sums, i), num_i32(b, 0));
  return sums;
}

static void add_dot2(Nest *b, Ref sum, Val x, Val w) {
  nest_store(b, sum, nest_primitive(b, &primitive_dot2_here, nest_get(b, sum), x, w));
}

/* Adds the products of the weights with x, which is two words of h. All weights are loaded first, so that one
 * instruction can load two words. */
static void add_gate_pairs(Lower *l, const RecurrentWords *words, const WordSums *sums, const Ix *u,
                           const Ix *at, const Val x[2]) {
  enum { MOST_PAIRS = 2 };
  Nest *b = l->b;
  const int pairs = words->gates / 2;
  Val w[2][MOST_PAIRS];
  for (int i = 0; i < 2; i++)
    for (int pair = 0; pair < pairs; pair++)
      w[i][pair] = nest_let(b, nest_text(b, "w%d", pairs * i + pair),
                            nest_load(b, nest_at(b, words->halves, *u, *at + i, pair), 1));
  for (int i = 0; i < 2; i++)
    for (int pair = 0; pair < pairs; pair++) {
      add_dot2(b, nest_at(b, sums->mix, pair), x[i], w[i][pair]);
      add_dot2(b, nest_at(b, sums->own, pair), x[i],
               nest_let(b, "v", nest_primitive(b, &primitive_even_bytes, w[i][pair], NULL, NULL)));
    }
}

static void add_gate_bytes(Lower *l, const RecurrentWords *words, const WordSums *sums, const Ix *u,
                           const Ix *at, const Val x[2]) {
  Nest *b = l->b;
  const Val w = nest_let(b, "bytes", nest_load(b, nest_at(b, words->bytes, *u, *at), 1));
  add_dot2(b, nest_at(b, sums->last, 0), x[0],
           nest_let(b, "even", nest_primitive(b, &primitive_even_bytes, w, NULL, NULL)));
  add_dot2(b, nest_at(b, sums->last, 0), x[1],
           nest_let(b, "odd", nest_primitive(b, &primitive_odd_bytes, w, NULL, NULL)));
}

static void add_all_words(Lower *l, const RecurrentWords *words, const WordSums *sums, const Ix *u) {
  Nest *b = l->b;
  int64_t together = MOST_TOGETHER;
  while (words->words % together) together -= 2;
  NEST_FOR(b, k, words->words / together)
    for (int64_t word = 0; word < together; word += 2) {
      const Ix at = k * together + word, quad = k * (together / 2) + word / 2;
      Val x[2];
      for (int i = 0; i < 2; i++)
        x[i] = nest_let(b, nest_text(b, "x%d", i), nest_load(b, nest_at(b, words->window, at + i), 1));
      if (words->halves) add_gate_pairs(l, words, sums, u, &at, x);
      if (words->bytes) add_gate_bytes(l, words, sums, u, &quad, x);
    }
}

void int8_recurrent_sums(Lower *l, const RecurrentWords *words, const Ix *u, Val sum[]) {
  enum { BYTE_BITS = 8 };
  Nest *b = l->b;
  const int pairs = words->gates / 2;
  WordSums sums = {0};
  if (pairs) sums.mix = zero_sums(b, "mix", pairs);
  if (pairs) sums.own = zero_sums(b, "own", pairs);
  if (words->bytes) sums.last = zero_sums(b, "last", 1);
  add_all_words(l, words, &sums, u);
  for (int pair = 0; pair < pairs; pair++) {
    const Val low = nest_get(b, nest_at(b, sums.own, pair));
    sum[2 * pair] = nest_let(b, "low", low);
    sum[2 * pair + 1] =
        nest_let(b, "high",
                 nest_primitive(b, &primitive_rest256, nest_get(b, nest_at(b, sums.mix, pair)), low,
                                num_i32(b, BYTE_BITS)));
  }
  if (words->bytes) sum[words->gates - 1] = nest_let(b, "only", nest_get(b, nest_at(b, sums.last, 0)));
}

/* ---- roundings ---- */
static Val shifted_right(Nest *b, Rounding rounding, Val x, Val m, Val plus, Val shift) {
  const Val high = rounding == ROUNDING_SINGLE
                       ? nest_primitive(b, &primitive_high_sum, plus, x, m)
                       : nest_primitive(b, &primitive_high_sum_rounded,
                                        nest_primitive(b, &primitive_less_sign, plus, x, NULL), add(x, x), m);
  return nest_primitive(b, &primitive_shift_right, high, shift, NULL);
}

Val int8_recurrent_rounded_sum(Lower *l, const RecurrentWords *words, Val sum, int gate, const Ix *u) {
  Nest *b = l->b;
  const Int8Recurrent *p = words->p;
  const bool left = goes_left(p->rounding, p->factor[gate * p->r.units]);
  const char *const names[] = {"bias", "m", left ? NULL : "plus", left ? "times" : "shift"};
  const Ix s = *u + gate * p->r.units;
  Val step[4];
  for (int i = 0; i < 4; i++)
    if (names[i]) step[i] = nest_let(b, names[i], nest_load(b, nest_at(b, words->steps, s, i), 1));
  const Val x = nest_let(b, "sum", add(sum, step[0]));
  if (!left) return shifted_right(b, p->rounding, x, step[1], step[2], step[3]);
  return nest_primitive(b, &primitive_high_sum_rounded, num_i32(b, 0), mul(x, step[3]), step[1]);
}

Val int8_recurrent_rounded(Lower *l, Rounding rounding, Val x, Multiplier factor) {
  Nest *b = l->b;
  const int32_t shift = shift_by(rounding, factor);
  return shifted_right(b, rounding, nest_let(b, "product", x), num_i32(b, factor.m),
                       num_i32(b, INT32_C(1) << (shift - 1)), num_i32(b, shift));
}
