// int8_recurrent_words.c: Sums and roundings of an int8 lstm on boards, whose CPUs multiply two pairs of
// int16 in one instruction.
// SPDX-License-Identifier: Apache-2.0
//
// As in schedule/mcu/dsp_direct.c, each 16-bit half of a weight word contains 256*wB + wA, for two gates A
// and B of a unit. The sum of products with these halves is mix = 256*SB + SA; the sum of products with their
// low bytes is SA. So SB = (mix - SA) / 256, which is exact modulo 2^32 if |SB| < 2^23. The weights determine
// whether that holds. Biases are added afterwards.
//
// Roundings are those of schedule/mcu/dsp_finish.c, with zero point 0.
#include <stdlib.h>
#include <string.h>
#include "base/number.h"
#include "ops/int8/int8_recurrent.h"

enum {
  GATES = 4,
  PAIRS = GATES / 2,
  QUAD = 4, /* channels of two words */
  MOST_TOGETHER = 8,
  LEAST_SINGLE = 2,
  LEAST_DOUBLE = 1,
  MOST_SHIFT = 30 /* the upper half of a product is less than 2^30 */
};
static const int64_t MOST_PART = (INT64_C(1) << 23) - 1, MOST_SUM = (INT64_C(1) << 30) - 1;

/* ---- bounds ---- */
static int32_t lstm_weight(const Int8Recurrent *p, int gate, int64_t u, int64_t k) {
  return k < p->r.outputs ? p->weight[(gate * p->r.units + u) * p->r.outputs + k] : 0;
}

/* The 16-bit half with the weights of gates 2*pair and 2*pair + 1. The result may need more than 16 bits. */
static int32_t lstm_half(const Int8Recurrent *p, int pair, int64_t u, int64_t k) {
  enum { BYTE = 256 };
  return BYTE * lstm_weight(p, 2 * pair + 1, u, k) + lstm_weight(p, 2 * pair, u, k);
}

static int64_t most_sum(const Int8Recurrent *p, int gate, int64_t u) {
  int64_t most = 0;
  for (int64_t k = 0; k < p->r.outputs; k++) most += llabs(lstm_weight(p, gate, u, k)) * -INT8_MIN;
  return most;
}

static bool lstm_pairs_fit(const Int8Recurrent *p) {
  for (int64_t u = 0; u < p->r.units; u++)
    for (int pair = 0; pair < PAIRS; pair++) {
      if (most_sum(p, 2 * pair + 1, u) > MOST_PART) return false;
      for (int64_t k = 0; k < p->r.outputs; k++)
        if (lstm_half(p, pair, u, k) < INT16_MIN) return false;
    }
  return true;
}

static bool is_quick(Rounding rounding, Multiplier factor) {
  const int least = rounding == ROUNDING_SINGLE ? LEAST_SINGLE : LEAST_DOUBLE;
  return rounding != ROUNDING_FLOAT && -factor.e >= least && -factor.e <= MOST_SHIFT;
}

static bool sums_are_quick(const Int8Recurrent *p, const int32_t *bias) {
  const int64_t units = p->r.units;
  for (int64_t s = 0; s < GATES * units; s++)
    if (!is_quick(p->rounding, p->factor[s]) ||
        most_sum(p, (int)(s / units), s % units) + llabs(bias[s]) > MOST_SUM)
      return false;
  return true;
}

bool int8_recurrent_has_words(const Lower *l, const Int8Recurrent *p, const int32_t *bias) {
  return l->target->dsp && l->layout->dsp && !l->plain && !l->updatable && p->r.cell == CELL_LSTM &&
         !p->wide && !p->litert && lstm_pairs_fit(p) && sums_are_quick(p, bias) &&
         is_quick(p->rounding, p->forget) && is_quick(p->rounding, p->add) && is_quick(p->rounding, p->out);
}

/* ---- constants ---- */
static int32_t shift_by(Rounding rounding, Multiplier factor) {
  return rounding == ROUNDING_SINGLE ? -factor.e - 1 : -factor.e;
}

static RecurrentWords words_of_weights(Lower *l, const Int8Recurrent *p) {
  const int64_t units = p->r.units, words = ceil_divide(p->r.outputs, QUAD) * 2,
                dim[3] = {units, words, PAIRS};
  int32_t *weight = NEW_ARRAY(l->arena, int32_t, units * words * PAIRS), *to = weight;
  for (int64_t u = 0; u < units; u++)
    for (int64_t word = 0; word < words; word++)
      for (int pair = 0; pair < PAIRS; pair++) {
        const int64_t k = word / 2 * QUAD + word % 2; /* bytes are widened in the order 0 2 1 3 */
        *to++ = int8_halves(lstm_half(p, pair, u, k), lstm_half(p, pair, u, k + 2));
      }
  return (RecurrentWords){.words = words, .weight = lower_constants(l, "halves", I32, 3, dim, weight)};
}

RecurrentWords int8_recurrent_words(Lower *l, const Int8Recurrent *p, const int32_t *bias) {
  enum { STEPS = 4 };
  RecurrentWords made = words_of_weights(l, p);
  const int64_t sums = GATES * p->r.units, dim[2] = {sums, STEPS};
  int32_t *steps = NEW_ARRAY(l->arena, int32_t, sums *STEPS);
  for (int64_t s = 0; s < sums; s++) {
    const int32_t shift = shift_by(p->rounding, p->factor[s]);
    const int32_t of[STEPS] = {bias[s], p->factor[s].m, INT32_C(1) << (shift - 1), shift};
    memcpy(steps + s * STEPS, of, sizeof of);
  }
  made.steps = lower_constants(l, "steps", I32, 2, dim, steps);
  return made;
}

/* ---- sums ---- */
void int8_recurrent_window(Lower *l, RecurrentWords *words, Buf *h, int64_t outputs) {
  Nest *b = l->b;
  const int64_t whole = outputs / QUAD, rest = outputs % QUAD;
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

/* Adds the products of two words of h with the weights. One instruction loads both words of h, and also two
 * words of the weights. */
static void lstm_add_words(Lower *l, const RecurrentWords *words, Buf *mix, Buf *own, const Ix *u,
                           const Ix *at) {
  Nest *b = l->b;
  Val x[2], w[2][PAIRS];
  for (int i = 0; i < 2; i++)
    x[i] = nest_let(b, nest_text(b, "x%d", i), nest_load(b, nest_at(b, words->window, *at + i), 1));
  for (int i = 0; i < 2; i++)
    for (int pair = 0; pair < PAIRS; pair++)
      w[i][pair] = nest_let(b, nest_text(b, "w%d", PAIRS * i + pair),
                            nest_load(b, nest_at(b, words->weight, *u, *at + i, pair), 1));
  for (int i = 0; i < 2; i++)
    for (int pair = 0; pair < PAIRS; pair++) {
      const Ref both = nest_at(b, mix, pair), low = nest_at(b, own, pair);
      nest_store(b, both, nest_primitive(b, &primitive_dot2_here, nest_get(b, both), x[i], w[i][pair]));
      const Val byte = nest_let(b, "v", nest_primitive(b, &primitive_even_bytes, w[i][pair], NULL, NULL));
      nest_store(b, low, nest_primitive(b, &primitive_dot2_here, nest_get(b, low), x[i], byte));
    }
}

void int8_recurrent_sums(Lower *l, const RecurrentWords *words, const Ix *u, Val sum[]) {
  enum { BYTE_BITS = 8 };
  Nest *b = l->b;
  const int64_t pairs = PAIRS;
  Buf *mix = nest_buf(b, REGS, "mix", (Type){I32, 1}, 1, &pairs),
      *own = nest_buf(b, REGS, "own", (Type){I32, 1}, 1, &pairs);
  for (int pair = 0; pair < PAIRS; pair++) {
    nest_store(b, nest_at(b, mix, pair), num_i32(b, 0));
    nest_store(b, nest_at(b, own, pair), num_i32(b, 0));
  }
  int64_t together = MOST_TOGETHER;
  while (words->words % together) together -= 2;
  NEST_FOR(b, k, words->words / together)
    for (int64_t word = 0; word < together; word += 2) {
      const Ix at = k * together + word;
      lstm_add_words(l, words, mix, own, u, &at);
    }
  for (int pair = 0; pair < PAIRS; pair++) {
    const Val low = nest_get(b, nest_at(b, own, pair));
    sum[2 * pair] = nest_let(b, "low", low);
    sum[2 * pair + 1] = nest_let(b, "high",
                                 nest_primitive(b, &primitive_rest256, nest_get(b, nest_at(b, mix, pair)),
                                                low, num_i32(b, BYTE_BITS)));
  }
}

/* ---- roundings ---- */
static Val lstm_quick(Nest *b, Rounding rounding, Val x, Val m, Val plus, Val shift) {
  const Val high = rounding == ROUNDING_SINGLE
                       ? nest_primitive(b, &primitive_high_sum, plus, x, m)
                       : nest_primitive(b, &primitive_high_sum_rounded,
                                        nest_primitive(b, &primitive_less_sign, plus, x, NULL), add(x, x), m);
  return nest_primitive(b, &primitive_shift_right, high, shift, NULL);
}

Val int8_recurrent_rounded_sum(Lower *l, const RecurrentWords *words, Rounding rounding, Val sum,
                               const Ix *s) {
  Nest *b = l->b;
  static const char *const names[] = {"bias", "m", "plus", "shift"};
  Val step[4];
  for (int i = 0; i < 4; i++)
    step[i] = nest_let(b, names[i], nest_load(b, nest_at(b, words->steps, *s, i), 1));
  return lstm_quick(b, rounding, nest_let(b, "sum", add(sum, step[0])), step[1], step[2], step[3]);
}

Val int8_recurrent_rounded(Lower *l, Rounding rounding, Val x, Multiplier factor) {
  Nest *b = l->b;
  const int32_t shift = shift_by(rounding, factor);
  return lstm_quick(b, rounding, nest_let(b, "product", x), num_i32(b, factor.m),
                    num_i32(b, INT32_C(1) << (shift - 1)), num_i32(b, shift));
}
