/* primitive.c: The primitives of integer_primitives.h and word_primitives.h, with functions for the
 * interpreter; the table of all primitives. */
// SPDX-License-Identifier: Apache-2.0
#include "nest/primitive.h"
#include <string.h>
#define INLINE static inline
#include "nest/integer_primitives.h"
#include "nest/word_primitives.h"

static int32_t whole_number(double x) { return (int32_t)x; }

static int32_t run_single(const double *a) {
  return cnn_requantize_single(whole_number(a[0]), whole_number(a[1]), whole_number(a[2]));
}
static int32_t run_double(const double *a) {
  return cnn_requantize_double(whole_number(a[0]), whole_number(a[1]), whole_number(a[2]));
}
static int32_t run_far_single(const double *a) {
  return cnn_requantize_far_single(whole_number(a[0]), whole_number(a[1]), whole_number(a[2]));
}
static int32_t run_far_double(const double *a) {
  return cnn_requantize_far_double(whole_number(a[0]), whole_number(a[1]), whole_number(a[2]));
}
static int32_t run_float(const double *a) { return cnn_requantize_float(whole_number(a[0]), (float)a[1]); }
static int32_t run_quantize(const double *a) { return cnn_quantize_float((float)a[0], (float)a[1]); }
static int32_t run_shift(const double *a) { return cnn_shift_right(whole_number(a[0]), whole_number(a[1])); }
static int32_t run_average(const double *a) { return cnn_average(whole_number(a[0]), whole_number(a[1])); }
static int32_t run_average_even(const double *a) {
  return cnn_average_even(whole_number(a[0]), whole_number(a[1]));
}
static int32_t run_zeros(const double *a) { return cnn_leading_zeros(whole_number(a[0])); }
static int32_t run_reciprocal(const double *a) {
  return cnn_softmax_reciprocal(whole_number(a[0]), whole_number(a[1]));
}
static int32_t run_share(const double *a) {
  return cnn_softmax_share(whole_number(a[0]), whole_number(a[1]), whole_number(a[2]));
}
static int32_t run_place(const double *a) {
  return cnn_softmax_place(whole_number(a[0]), whole_number(a[1]));
}
static int32_t run_share_wide(const double *a) {
  return cnn_softmax_share_wide(whole_number(a[0]), whole_number(a[1]), whole_number(a[2]));
}

static int32_t run_wide(const double *a) {
  return cnn_requantize_wide((int64_t)a[0], whole_number(a[1]), whole_number(a[2]));
}
static int32_t run_reduced(const double *a) {
  return cnn_requantize_reduced((int64_t)a[0], whole_number(a[1]), whole_number(a[2]));
}
static int32_t run_exact(const double *a) {
  return cnn_requantize_exact((int64_t)a[0], (int64_t)a[1], whole_number(a[2]));
}
static int32_t run_wide_float(const double *a) {
  return cnn_requantize_wide_float((int64_t)a[0], (float)a[1]);
}
static int32_t run_shift_wide(const double *a) { return cnn_shift_wide((int64_t)a[0], whole_number(a[1])); }

static int32_t run_dot_bytes(const double *a) {
  return cnn_dot_bytes(whole_number(a[0]), whole_number(a[1]), whole_number(a[2]));
}
static int32_t run_dot_signed(const double *a) {
  return cnn_dot_signed(whole_number(a[0]), whole_number(a[1]), whole_number(a[2]));
}
static int32_t run_dot_halves(const double *a) {
  return cnn_dot_halves(whole_number(a[0]), whole_number(a[1]), whole_number(a[2]));
}
static int32_t run_even_bytes(const double *a) { return cnn_even_bytes(whole_number(a[0])); }
static int32_t run_odd_bytes(const double *a) { return cnn_odd_bytes(whole_number(a[0])); }
static int32_t run_max_bytes(const double *a) {
  return cnn_max_bytes(whole_number(a[0]), whole_number(a[1]));
}
static int32_t run_bytes_up(const double *a) { return cnn_bytes_up(whole_number(a[0])); }
static int32_t run_push_byte(const double *a) {
  return cnn_push_byte(whole_number(a[0]), whole_number(a[1]));
}
static int32_t run_push_half(const double *a) {
  return cnn_push_half(whole_number(a[0]), whole_number(a[1]));
}
static int32_t run_even_of_two(const double *a) {
  return cnn_even_of_two(whole_number(a[0]), whole_number(a[1]));
}
static int32_t run_odd_of_two(const double *a) {
  return cnn_odd_of_two(whole_number(a[0]), whole_number(a[1]));
}
static int32_t run_cut_halves(const double *a) {
  return cnn_cut_halves(whole_number(a[0]), whole_number(a[1]));
}
static int32_t run_cut_bytes(const double *a) {
  return cnn_cut_bytes(whole_number(a[0]), whole_number(a[1]));
}
static int32_t run_high(const double *a) { return cnn_high_product(whole_number(a[0]), whole_number(a[1])); }
static int32_t run_high_rounded(const double *a) {
  return cnn_high_product_rounded(whole_number(a[0]), whole_number(a[1]));
}
static int32_t run_halves_away(const double *a) {
  return cnn_shift_halves_away(whole_number(a[0]), whole_number(a[1]), whole_number(a[2]));
}
static int32_t run_shift_left(const double *a) {
  return cnn_shift_left(whole_number(a[0]), whole_number(a[1]));
}

static int32_t run_exponential_halves(const double *a) {
  return cnn_exponential_halves(whole_number(a[0]), whole_number(a[1]));
}
static int32_t run_reciprocal_halves(const double *a) { return cnn_reciprocal_halves(whole_number(a[0])); }

const Primitive
    primitive_requantize_single = {"requantize_single", 3, {I32, I32, I32}, run_single, false},
    primitive_requantize_double = {"requantize_double", 3, {I32, I32, I32}, run_double, false},
    primitive_requantize_far_single = {"requantize_far_single", 3, {I32, I32, I32}, run_far_single, false},
    primitive_requantize_far_double = {"requantize_far_double", 3, {I32, I32, I32}, run_far_double, false},
    primitive_requantize_float = {"requantize_float", 2, {I32, F32}, run_float, true},
    primitive_quantize_float = {"quantize_float", 2, {F32, F32}, run_quantize, true},
    primitive_shift_right = {"shift_right", 2, {I32, I32}, run_shift, true},
    primitive_average = {"average", 2, {I32, I32}, run_average, true},
    primitive_average_even = {"average_even", 2, {I32, I32}, run_average_even, true},
    primitive_leading_zeros = {"leading_zeros", 1, {I32}, run_zeros, false},
    primitive_softmax_reciprocal = {"softmax_reciprocal", 2, {I32, I32}, run_reciprocal, false},
    primitive_softmax_share = {"softmax_share", 3, {I32, I32, I32}, run_share, false},
    primitive_softmax_place = {"softmax_place", 2, {I32, I32}, run_place, false},
    primitive_softmax_share_wide = {"softmax_share_wide", 3, {I32, I32, I32}, run_share_wide, false},
    primitive_requantize_wide = {"requantize_wide", 3, {I64, I32, I32}, run_wide, false},
    primitive_requantize_reduced = {"requantize_reduced", 3, {I64, I32, I32}, run_reduced, false},
    primitive_requantize_wide_float = {"requantize_wide_float", 2, {I64, F32}, run_wide_float, false},
    primitive_requantize_exact = {"requantize_exact", 3, {I64, I64, I32}, run_exact, false},
    primitive_shift_wide = {"shift_wide", 2, {I64, I32}, run_shift_wide, false},
    primitive_exponential_halves = {"exponential_halves", 2, {I32, I32}, run_exponential_halves, false},
    primitive_reciprocal_halves = {"reciprocal_halves", 1, {I32}, run_reciprocal_halves, false};

const Primitive
    primitive_dot_bytes = {"dot_bytes", 3, {I32, I32, I32}, run_dot_bytes, true},
    primitive_dot_pairs = {"dot_pairs", 3, {I32, I32, I32}, run_dot_bytes, true},
    primitive_dot_signed = {"dot_signed", 3, {I32, I32, I32}, run_dot_signed, true},
    primitive_dot_across = {"dot_across", 3, {I32, I32, I32}, run_dot_signed, false},
    primitive_dot_halves = {"dot_halves", 3, {I32, I32, I32}, run_dot_halves, true},
    primitive_even_bytes = {"even_bytes", 1, {I32}, run_even_bytes, true},
    primitive_odd_bytes = {"odd_bytes", 1, {I32}, run_odd_bytes, true},
    primitive_max_bytes = {"max_bytes", 2, {I32, I32}, run_max_bytes, true},
    primitive_bytes_up = {"bytes_up", 1, {I32}, run_bytes_up, true},
    primitive_push_byte = {"push_byte", 2, {I32, I32}, run_push_byte, true},
    primitive_push_half = {"push_half", 2, {I32, I32}, run_push_half, true},
    primitive_even_of_two = {"even_of_two", 2, {I32, I32}, run_even_of_two, true},
    primitive_odd_of_two = {"odd_of_two", 2, {I32, I32}, run_odd_of_two, true},
    primitive_cut_halves = {"cut_halves", 2, {I32, I32}, run_cut_halves, true},
    primitive_cut_bytes = {"cut_bytes", 2, {I32, I32}, run_cut_bytes, true},
    primitive_high_product = {"high_product", 2, {I32, I32}, run_high, true},
    primitive_high_product_rounded = {"high_product_rounded", 2, {I32, I32}, run_high_rounded, true},
    primitive_shift_halves_away = {"shift_halves_away", 3, {I32, I32, I32}, run_halves_away, true},
    primitive_shift_left = {"shift_left", 2, {I32, I32}, run_shift_left, true};

const Primitive *const primitive_table[PRIMITIVES] = {&primitive_requantize_single,
                                                      &primitive_requantize_double,
                                                      &primitive_requantize_far_single,
                                                      &primitive_requantize_far_double,
                                                      &primitive_requantize_float,
                                                      &primitive_quantize_float,
                                                      &primitive_shift_right,
                                                      &primitive_average,
                                                      &primitive_average_even,
                                                      &primitive_leading_zeros,
                                                      &primitive_softmax_reciprocal,
                                                      &primitive_softmax_share,
                                                      &primitive_softmax_place,
                                                      &primitive_softmax_share_wide,
                                                      &primitive_requantize_wide,
                                                      &primitive_requantize_reduced,
                                                      &primitive_requantize_wide_float,
                                                      &primitive_requantize_exact,
                                                      &primitive_shift_wide,
                                                      &primitive_exponential_halves,
                                                      &primitive_reciprocal_halves,
                                                      &primitive_dot_bytes,
                                                      &primitive_dot_pairs,
                                                      &primitive_dot_signed,
                                                      &primitive_dot_across,
                                                      &primitive_dot_halves,
                                                      &primitive_even_bytes,
                                                      &primitive_odd_bytes,
                                                      &primitive_max_bytes,
                                                      &primitive_bytes_up,
                                                      &primitive_push_byte,
                                                      &primitive_push_half,
                                                      &primitive_even_of_two,
                                                      &primitive_odd_of_two,
                                                      &primitive_cut_halves,
                                                      &primitive_cut_bytes,
                                                      &primitive_high_product,
                                                      &primitive_high_product_rounded,
                                                      &primitive_shift_halves_away,
                                                      &primitive_shift_left,
                                                      &primitive_word,
                                                      &primitive_put_word,
                                                      &primitive_add_even8,
                                                      &primitive_add_odd8,
                                                      &primitive_low_halves,
                                                      &primitive_rest256,
                                                      &primitive_high_sum,
                                                      &primitive_high_sum_rounded,
                                                      &primitive_less_sign,
                                                      &primitive_clamp8,
                                                      &primitive_clamp16,
                                                      &primitive_high_halves,
                                                      &primitive_low_high,
                                                      &primitive_high_low,
                                                      &primitive_dot2_here,
                                                      &primitive_add_halves,
                                                      &primitive_sub_halves,
                                                      &primitive_wrap_sum,
                                                      &primitive_wrap_difference,
                                                      &primitive_part576};

bool primitive_across(const Primitive *primitive) { return primitive == &primitive_dot_across; }
