/* shape.h: The output size of window operators (language reference, "Values and shapes"): the only copy of
 * the formula. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SHAPE_H
#define CNNC_SHAPE_H
#include "graph/graph.h"

typedef enum PadRule { PAD_VALID, PAD_SAME, PAD_CAUSAL, PAD_EXPLICIT } PadRule;

/* One axis: O = floor((I + P - D*(K - 1) - 1) / S) + 1, ceil instead of floor where ceil. Sets the padding
 * of PAD_SAME and PAD_CAUSAL; PAD_EXPLICIT reads before and after. A result of zero or less means that the
 * kernel does not fit. With ceil, a last window that would start beyond the input and its left padding is
 * dropped. */
int64_t window_output(int64_t input, int64_t kernel, int64_t stride, int64_t dilation, PadRule, bool ceil,
                      int64_t *before, int64_t *after);
/* "floor((4 + 0 - 1*(5 - 1) - 1) / 1) + 1 = 0" */
const char *window_formula(Arena *, int64_t input, int64_t kernel, int64_t stride, int64_t dilation,
                           int64_t before, int64_t after, bool ceil);
/* conv_transpose: valid O = (I - 1)*S + D*(K - 1) + 1 + output_pad; explicit padding is subtracted; same O
 * = I*S; the crop is stored in before and after. */
int64_t window_transposed(int64_t input, int64_t kernel, int64_t stride, int64_t dilation, int64_t output_pad,
                          PadRule, int64_t *before, int64_t *after);
const char *window_transposed_formula(Arena *, int64_t input, int64_t kernel, int64_t stride,
                                      int64_t dilation, int64_t output_pad, int64_t before, int64_t after);
/* Number of trailing elements of the input that no window reads (0 unless a division had a remainder; gaps
 * of a stride larger than the kernel do not count). */
int64_t window_unread(int64_t input, int64_t output, int64_t kernel, int64_t stride, int64_t dilation,
                      int64_t before);

/* The same outputs, taps and elements with smaller numbers: shortens strides and dilations that lead out
 * of the input. `output` is the number of windows. */
void window_compact(Window *, int axis, int64_t input, int64_t output);
/* The largest number from which an input position is computed: before + S*(output - 1) + D*(K - 1). It
 * must fit into 31 bits. */
int64_t window_reach(const Window *, int axis, int64_t output);
/* The input elements that an output reads: from the first one to the end, exclusive; the rest is padding. */
int64_t window_first(const Window *, int axis, int64_t output);
int64_t window_end(const Window *, int axis, int64_t output);

/* ---- an endless sequence, some rows in each call ----
 * Call k computes rows k*rows + offset .. (k + 1)*rows + offset - 1 of a value, offset <= 0: what is given up
 * to then suffices for these and for no more. Rows below 0 mean nothing. */
typedef struct StepRows {
  int64_t rows, offset;
} StepRows;
/* For a window operator whose stride divides the rows of its input, without padding at the end. */
StepRows step_window(const Window *, int axis, StepRows in);
StepRows step_transposed(const Window *, int axis, StepRows in);
StepRows step_repeated(StepRows in, int64_t factor);
StepRows step_deeper(StepRows in, int64_t factor); /* factor divides the rows */
StepRows step_padded(StepRows in, int64_t before);
StepRows step_cropped(StepRows in, int64_t before);
/* The first input row that row `output` of a transposed window operator depends on. */
int64_t window_transposed_first(const Window *, int axis, int64_t output);
/* Number of earlier rows that a user needs if its first input row in call k is k*rows + first. */
int64_t step_history(StepRows in, int64_t first);

#define SHAPE_MOST_ELEMENTS ((INT64_C(1) << 31) - 1)
#define NET_MOST_BYTES (INT64_C(1) << 40)
#define NET_MOST_MACS (INT64_C(1) << 60)
bool size_multiply(int64_t a, int64_t b, int64_t *product); /* false on overflow; both not negative */
#endif
