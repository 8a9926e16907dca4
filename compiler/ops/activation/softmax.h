/* softmax.h: Common code of softmax, log_softmax and losses with a softmax, on rows of channels. The maximum
 * is subtracted, so that no exponential overflows. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SOFTMAX_H
#define CNNC_SOFTMAX_H
#include "kernel/walk.h"

/* For eval: stores the largest element of a row in *largest, and returns log(sum of exp(x - largest)). */
double softmax_log_sum(const double *x, int64_t channels, double *largest);
/* Builds code for pixel [y][x]: finds the pixel's largest channel (*largest), stores exp(channel - largest)
 * of each channel in `row`, which is scratch, and returns the sum of `row`. */
Val softmax_exponentials(Lower *, Buf *in, Buf *row, int64_t channels, const Ix *y, const Ix *x,
                         Val *largest);

/* Builds the nest of softmax and log_softmax. For each pixel, the nest computes the exponentials and their
 * sum (softmax_exponentials). SoftmaxRow.of_sum is the result of the function of_sum for this sum. Then
 * `body`, whose context is the SoftmaxRow, computes and stores the channels. */
typedef struct SoftmaxRow {
  Buf *row;
  Val largest, sum, of_sum;
} SoftmaxRow;
void softmax_lower_rows(Lower *, Val (*of_sum)(Nest *, Val sum), WalkBody);

/* Builds the nest of the input gradient, pixel by pixel. The node's inputs are dy and y. The context of
 * `body` is the sum of `element` over the channels of the pixel. */
void softmax_lower_gradient(Lower *, WalkValue element, WalkBody);
void softmax_backward(Gradient *, Node *, Node *dy, const Op *);
#endif
