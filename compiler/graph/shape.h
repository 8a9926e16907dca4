/* shape.h: Output sizes of window operators (docs/language.md, section Shapes), the positions that windows
 * read, and rows of endless sequences. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SHAPE_H
#define CNNC_SHAPE_H
#include "graph/graph.h"

typedef enum PadRule { PAD_VALID, PAD_SAME, PAD_CAUSAL, PAD_EXPLICIT } PadRule;

/* Output size on one axis. With I = input, K = kernel, S = stride, D = dilation and P = before + after:
 * O = floor((I + P - D*(K - 1) - 1) / S) + 1. `ceil` rounds up, but omits a last window that would start
 * after the input. Sets `before` and `after`; with PAD_EXPLICIT they are inputs instead. With PAD_SAME,
 * O = ceil(I / S). If the result is zero or less, the kernel does not fit. */
int64_t window_output(int64_t input, int64_t kernel, int64_t stride, int64_t dilation, PadRule, bool ceil,
                      int64_t *before, int64_t *after);
/* The formula of window_output with numbers for the letters: "floor((4 + 0 - 1*(5 - 1) - 1) / 1) + 1 = 0". */
const char *window_formula(Arena *, int64_t input, int64_t kernel, int64_t stride, int64_t dilation,
                           int64_t before, int64_t after, bool ceil);
/* Output size of conv_transpose: O = (I - 1)*S + D*(K - 1) + 1 + output_pad - P, with PAD_SAME O = I*S. Sets
 * `before` and `after`, the numbers of elements that are cropped at both ends; with PAD_EXPLICIT they are
 * inputs instead. */
int64_t window_transposed(int64_t input, int64_t kernel, int64_t stride, int64_t dilation, int64_t output_pad,
                          PadRule, int64_t *before, int64_t *after);
const char *window_transposed_formula(Arena *, int64_t input, int64_t kernel, int64_t stride,
                                      int64_t dilation, int64_t output_pad, int64_t before, int64_t after);
/* Number of trailing elements of the input that no window reads because the division in window_output has a
 * remainder. */
int64_t window_unread(int64_t input, int64_t output, int64_t kernel, int64_t stride, int64_t dilation,
                      int64_t before);

/* Shortens strides, dilations and padding that reach far outside of the input, so that generated indices are
 * small. Each output reads the same elements as before. `output` is the number of windows. */
void window_compact(Window *, int axis, int64_t input, int64_t output);
/* An upper bound of the distances of all positions, including padding, from the start of the input: before +
 * S*(output - 1) + D*(K - 1), where `output` is the number of outputs. The bound must fit into 31 bits. */
int64_t window_reach(const Window *, int axis, int64_t output);
/* The output with the index `output` reads positions from window_first to window_end - 1. Positions outside
 * the input are padding. */
int64_t window_first(const Window *, int axis, int64_t output);
int64_t window_end(const Window *, int axis, int64_t output);

/* ---- endless sequences ----
 * Call k computes rows k*rows + offset .. (k + 1)*rows + offset - 1 of a value: all new rows that can be
 * computed from the inputs so far; offset <= 0. Rows with negative indices are undefined. */
typedef struct StepRows {
  int64_t rows, offset;
} StepRows;
/* The rows of an operator's value; in: the rows of its input. step_window: for window operators whose stride
 * divides in.rows; padding at the end is ignored. step_transposed: for transposed window operators.
 * step_repeated: each input row becomes `factor` rows; step_deeper: `factor` input rows become one row.
 * step_padded, step_cropped: `before` rows are added or removed at the start. */
StepRows step_window(const Window *, int axis, StepRows in);
StepRows step_transposed(const Window *, int axis, StepRows in);
StepRows step_repeated(StepRows in, int64_t factor);
StepRows step_deeper(StepRows in, int64_t factor);
StepRows step_padded(StepRows in, int64_t before);
StepRows step_cropped(StepRows in, int64_t before);
/* The first input row that row `output` of a transposed window operator depends on. */
int64_t window_transposed_first(const Window *, int axis, int64_t output);
/* in: the rows of a value. The number of rows from earlier calls that a user of the value needs, if the first
 * row that the user reads in call k is k*rows + first. */
int64_t step_history(StepRows in, int64_t first);

#define SHAPE_MOST_ELEMENTS ((INT64_C(1) << 31) - 1)
#define NET_MOST_BYTES (INT64_C(1) << 40)
#define NET_MOST_MACS (INT64_C(1) << 60)
bool size_multiply(int64_t a, int64_t b, int64_t *product); /* false on overflow; a and b are not negative */
#endif
