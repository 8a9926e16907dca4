/* softmax.h: Common code of softmax and log_softmax on rows of channels. The maximum is subtracted, so that
 * no exponential overflows. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SOFTMAX_H
#define CNNC_SOFTMAX_H
#include "kernel/walk.h"

/* For eval: stores the largest element of a row in *largest, and returns log(sum of exp(x - largest)). */
double softmax_log_sum(const double *x, int64_t channels, double *largest);
/* At pixel [y][x]: writes exp(x - largest) to `row`, scratch memory for one row; stores the largest element
 * in *largest; returns the sum of `row`. */
Val softmax_exponentials(Lower *, Buf *in, Buf *row, int64_t channels, const Ix *y, const Ix *x,
                         Val *largest);

/* Builds the nest of softmax and log_softmax. For each pixel, the nest computes softmax_exponentials, and
 * passes their sum to of_sum. Then `body`, whose context is the SoftmaxRow, computes and stores the channels.
 */
typedef struct SoftmaxRow {
  Buf *row;
  Val largest, of_sum;
} SoftmaxRow;
void softmax_lower_rows(Lower *, Val (*of_sum)(Nest *, Val sum), WalkBody);

/* Builds the nest of the input gradient, row by row. The node's inputs are dy and y. The context of `body` is
 * the sum of `element` over the channels of the row. */
void softmax_lower_gradient(Lower *, WalkValue element, WalkBody);
void softmax_backward(Gradient *, Node *, Node *dy, const Op *);
#endif
