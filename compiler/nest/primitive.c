// primitive.c: what nests compute by name: the table, and the text of each.
// SPDX-License-Identifier: Apache-2.0
#include "nest/primitive.h"
#include <string.h>
#define INLINE static inline
#include "nest/integer_primitives.h"

static const char all_texts[] =
#include "nest/integer_primitives_text.inc"
#include "nest/dsp_primitives_text.inc"
    ;

static int32_t whole(double x) { return (int32_t)x; }

static int32_t run_single(const double *a) {
  return cnn_requantize_single(whole(a[0]), whole(a[1]), whole(a[2]));
}
static int32_t run_double(const double *a) {
  return cnn_requantize_double(whole(a[0]), whole(a[1]), whole(a[2]));
}
static int32_t run_float(const double *a) { return cnn_requantize_float(whole(a[0]), (float)a[1]); }
static int32_t run_quantize(const double *a) { return cnn_quantize_float((float)a[0], (float)a[1]); }
static int32_t run_shift(const double *a) { return cnn_shift_right(whole(a[0]), whole(a[1])); }
static int32_t run_average(const double *a) { return cnn_average(whole(a[0]), whole(a[1])); }
static int32_t run_reciprocal(const double *a) { return cnn_softmax_reciprocal(whole(a[0])); }
static int32_t run_share(const double *a) { return cnn_softmax_share(whole(a[0]), whole(a[1]), whole(a[2])); }

const Primitive primitive_requantize_single = {"requantize_single", 3, {I32, I32, I32}, run_single},
                primitive_requantize_double = {"requantize_double", 3, {I32, I32, I32}, run_double},
                primitive_requantize_float = {"requantize_float", 2, {I32, F32}, run_float},
                primitive_quantize_float = {"quantize_float", 2, {F32, F32}, run_quantize},
                primitive_shift_right = {"shift_right", 2, {I32, I32}, run_shift},
                primitive_average = {"average", 2, {I32, I32}, run_average},
                primitive_softmax_reciprocal = {"softmax_reciprocal", 1, {I32}, run_reciprocal},
                primitive_softmax_share = {"softmax_share", 3, {I32, I32, I32}, run_share};

const Primitive *const primitive_table[PRIMITIVES] = {&primitive_requantize_single,
                                                      &primitive_requantize_double,
                                                      &primitive_requantize_float,
                                                      &primitive_quantize_float,
                                                      &primitive_shift_right,
                                                      &primitive_average,
                                                      &primitive_softmax_reciprocal,
                                                      &primitive_softmax_share,
                                                      &primitive_word,
                                                      &primitive_dot_halves,
                                                      &primitive_add_even8,
                                                      &primitive_add_odd8,
                                                      &primitive_even_bytes,
                                                      &primitive_low_halves,
                                                      &primitive_rest256,
                                                      &primitive_high_product_rounded,
                                                      &primitive_high_sum,
                                                      &primitive_shift_away,
                                                      &primitive_clamp8,
                                                      &primitive_high_halves,
                                                      &primitive_low_high,
                                                      &primitive_high_low,
                                                      &primitive_dot2_here,
                                                      &primitive_add_halves,
                                                      &primitive_sub_halves,
                                                      &primitive_wrap_sum,
                                                      &primitive_wrap_difference,
                                                      &primitive_part576};

const Primitive *primitive_find(const char *name) {
  for (int i = 0; i < PRIMITIVES; i++)
    if (strcmp(primitive_table[i]->name, name) == 0) return primitive_table[i];
  return NULL;
}

/* From its comment to the line that ends its function; each has a blank line before it. */
const char *primitive_text(Arena *arena, const Primitive *primitive) {
  const char *head = arena_printf(arena, "INLINE int32_t cnn_%s(", primitive->name),
             *at = strstr(all_texts, head), *from = at, *end = strchr(at, '\n');
  while (from > all_texts && strncmp(from - 1, "\n\n", 2) != 0) from--;
  if (end[-1] != '}') end = strstr(at, "\n}\n") + 2;
  return arena_printf(arena, "%.*s\n", (int)(end - from), from);
}
