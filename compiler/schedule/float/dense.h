/* dense.h: Packed weights of dense layers that are computed image by image, or batched in inference. Private
 * to schedule/. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_DENSE_H
#define CNNC_DENSE_H
#include "kernel/lower.h"

typedef struct DensePacks {
  int64_t inputs, units;
  int64_t panels, width; /* whole panels [panels][inputs][width] */
  int64_t rest;          /* units of one more panel, which is padded to whole vectors; 0: none */
  int lanes;             /* width of the target's vectors that process a panel */
  Buf *w[2], *bias;      /* w: whole panels, the rest; NULL if there are none. bias: padded like the panels */
} DensePacks;

DensePacks dense_packs(Lower *);
bool dense_rows_compared(const Lower *); /* in inference of several images: whether the kernel runs image by
                                            image, and the batched schedule is listed as the alternative */
#endif
