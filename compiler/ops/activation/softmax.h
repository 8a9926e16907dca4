/* softmax.h: Common code of softmax and log_softmax on rows of channels. The maximum is subtracted, so that
 * no exponential overflows. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SOFTMAX_H
#define CNNC_SOFTMAX_H
#include "kernel/walk.h"

/* For eval: sets the largest element of a row, and returns log(sum of exp(x - largest)). */
double softmax_log_sum(const double *x, int64_t channels, double *largest);
/* At pixel [y][x]: writes exp(x - largest) to `row`, scratch memory for one row; sets the largest element and
 * returns the sum. */
Val softmax_exponentials(Lower *, Buf *in, Buf *row, int64_t channels, const Ix *y, const Ix *x,
                         Val *largest);

/* Builds the nest of softmax and log_softmax. For each pixel, the nest computes softmax_exponentials, and the
 * function `of_sum` of their sum. Then `body`, whose context is the SoftmaxRow, stores the channels. */
typedef struct SoftmaxRow {
  Buf *row;
  Val largest, of_sum;
} SoftmaxRow;
void softmax_lower_rows(Lower *, Val (*of_sum)(Nest *, Val sum), WalkBody);

/* Builds the input gradient of each row. The context of `body` is the sum of `element` over the row. The
 * hidden operator's inputs are dy and y. */
void softmax_lower_gradient(Lower *, WalkValue element, WalkBody);
void softmax_backward(Gradient *, Node *, Node *dy, const Op *);
#endif
