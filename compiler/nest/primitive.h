/* primitive.h: Named primitives of nests: functions of up to three numbers for which a target may have an
 * instruction. A primitive on scalars is one function of integer_primitives.h, word_primitives.h or
 * dsp_primitives.h. The interpreter runs this function, and generated code contains its text, so both compute
 * identical results. (The interpreter does not run `word` and `put_word`.) Vector forms
 * (emit/prelude_vectors.c) work lane by lane, except that of dot_across. dot_pairs and dot_across have only a
 * vector form. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PRIMITIVE_H
#define CNNC_PRIMITIVE_H
#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/elem.h"

typedef struct Primitive {
  const char *name; /* "requantize_single" */
  int arguments;
  Elem takes[3]; /* element types of the arguments; the result is I32 */
  int32_t (*run)(const double *argument);
  bool lanes; /* the primitive is also defined for vectors, lane by lane */
} Primitive;

extern const Primitive primitive_requantize_single, primitive_requantize_double,
    primitive_requantize_far_single, primitive_requantize_far_double, primitive_requantize_float,
    primitive_quantize_float, primitive_shift_right, primitive_average, primitive_average_even,
    primitive_leading_zeros, primitive_softmax_reciprocal, primitive_softmax_share, primitive_softmax_place,
    primitive_softmax_share_wide;
/* Primitives on 64-bit sums. */
extern const Primitive primitive_requantize_wide, primitive_requantize_reduced,
    primitive_requantize_wide_float, primitive_requantize_exact, primitive_shift_wide;
/* gemmlowp's 16-bit functions. */
extern const Primitive primitive_exponential_halves, primitive_reciprocal_halves;
/* Primitives on packed words: four bytes or two halves per word, the first in the lowest bits. */
extern const Primitive primitive_dot_bytes, primitive_dot_pairs, primitive_dot_signed, primitive_dot_across,
    primitive_dot_halves, primitive_even_bytes, primitive_odd_bytes, primitive_max_bytes, primitive_bytes_up,
    primitive_push_byte, primitive_push_half, primitive_even_of_two, primitive_odd_of_two,
    primitive_cut_halves, primitive_cut_bytes, primitive_high_product, primitive_high_product_rounded,
    primitive_shift_halves_away, primitive_shift_left;
/* primitive_dsp.c */
extern const Primitive primitive_word, primitive_put_word, primitive_add_even8, primitive_add_odd8,
    primitive_low_halves, primitive_rest256, primitive_high_sum, primitive_high_sum_rounded,
    primitive_less_sign, primitive_clamp8, primitive_clamp16, primitive_high_halves, primitive_low_high,
    primitive_high_low, primitive_dot2_here, primitive_add_halves, primitive_sub_halves, primitive_wrap_sum,
    primitive_wrap_difference, primitive_part576;
enum { PRIMITIVES = 60 };
extern const Primitive *const primitive_table[PRIMITIVES];
/* Whether the primitive is dot_across: it adds the products of all lanes of two vectors to its first
 * argument, a scalar. */
bool primitive_across(const Primitive *);
const char *primitive_text(Arena *,
                           const Primitive *); /* the C text of the primitive: its comment and its function */
#endif
