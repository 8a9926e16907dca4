/* primitive_dsp.c: The primitives of dsp_primitives.h, with functions for the interpreter. */
// SPDX-License-Identifier: Apache-2.0
#include "nest/primitive.h"
#define INLINE static inline
#include "nest/dsp_primitives.h"

static int32_t whole_word(double x) { return (int32_t)x; }

static int32_t run_dot2_here(const double *a) {
  return cnn_dot2_here(whole_word(a[0]), whole_word(a[1]), whole_word(a[2]));
}
static int32_t run_add_even8(const double *a) { return cnn_add_even8(whole_word(a[0]), whole_word(a[1])); }
static int32_t run_add_odd8(const double *a) { return cnn_add_odd8(whole_word(a[0]), whole_word(a[1])); }
static int32_t run_low_halves(const double *a) { return cnn_low_halves(whole_word(a[0]), whole_word(a[1])); }
static int32_t run_high_halves(const double *a) {
  return cnn_high_halves(whole_word(a[0]), whole_word(a[1]));
}
static int32_t run_low_high(const double *a) {
  return cnn_low_high(whole_word(a[0]), whole_word(a[1]), whole_word(a[2]));
}
static int32_t run_high_low(const double *a) {
  return cnn_high_low(whole_word(a[0]), whole_word(a[1]), whole_word(a[2]));
}
static int32_t run_add_halves(const double *a) { return cnn_add_halves(whole_word(a[0]), whole_word(a[1])); }
static int32_t run_sub_halves(const double *a) { return cnn_sub_halves(whole_word(a[0]), whole_word(a[1])); }
static int32_t run_wrap_sum(const double *a) {
  return cnn_wrap_sum(whole_word(a[0]), whole_word(a[1]), whole_word(a[2]));
}
static int32_t run_wrap_difference(const double *a) {
  return cnn_wrap_difference(whole_word(a[0]), whole_word(a[1]));
}
static int32_t run_part576(const double *a) { return cnn_part576(whole_word(a[0]), whole_word(a[1])); }
static int32_t run_rest256(const double *a) {
  return cnn_rest256(whole_word(a[0]), whole_word(a[1]), whole_word(a[2]));
}
static int32_t run_high_sum(const double *a) {
  return cnn_high_sum(whole_word(a[0]), whole_word(a[1]), whole_word(a[2]));
}
static int32_t run_high_sum_rounded(const double *a) {
  return cnn_high_sum_rounded(whole_word(a[0]), whole_word(a[1]), whole_word(a[2]));
}
static int32_t run_less_sign(const double *a) { return cnn_less_sign(whole_word(a[0]), whole_word(a[1])); }
static int32_t run_clamp8(const double *a) { return cnn_clamp8(whole_word(a[0])); }
static int32_t run_clamp16(const double *a) { return cnn_clamp16(whole_word(a[0])); }

const Primitive primitive_dot2_here = {"dot2_here", 3, {I32, I32, I32}, run_dot2_here, false},
                primitive_add_even8 = {"add_even8", 2, {I32, I32}, run_add_even8, false},
                primitive_add_odd8 = {"add_odd8", 2, {I32, I32}, run_add_odd8, false},
                primitive_low_halves = {"low_halves", 2, {I32, I32}, run_low_halves, true},
                primitive_high_halves = {"high_halves", 2, {I32, I32}, run_high_halves, true},
                primitive_low_high = {"low_high", 3, {I32, I32, I32}, run_low_high, false},
                primitive_high_low = {"high_low", 3, {I32, I32, I32}, run_high_low, false},
                primitive_add_halves = {"add_halves", 2, {I32, I32}, run_add_halves, true},
                primitive_sub_halves = {"sub_halves", 2, {I32, I32}, run_sub_halves, true},
                primitive_wrap_sum = {"wrap_sum", 3, {I32, I32, I32}, run_wrap_sum, true},
                primitive_wrap_difference = {"wrap_difference", 2, {I32, I32}, run_wrap_difference, true},
                primitive_part576 = {"part576", 2, {I32, I32}, run_part576, true},
                primitive_rest256 = {"rest256", 3, {I32, I32, I32}, run_rest256, false},
                primitive_high_sum = {"high_sum", 3, {I32, I32, I32}, run_high_sum, false},
                primitive_high_sum_rounded = {"high_sum_rounded",
                                              3,
                                              {I32, I32, I32},
                                              run_high_sum_rounded,
                                              false},
                primitive_less_sign = {"less_sign", 2, {I32, I32}, run_less_sign, false},
                primitive_clamp8 = {"clamp8", 1, {I32}, run_clamp8, false},
                primitive_clamp16 = {"clamp16", 1, {I32}, run_clamp16, false},
                /* The interpreter never runs these primitives: they are only the C text that loads and stores
                 * a word. */
    primitive_word = {.name = "word"}, primitive_put_word = {.name = "put_word"};
