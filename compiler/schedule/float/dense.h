/* dense.h: Packed weights of dense layers that are computed image by image, or batched in inference. Private
 * to schedule/. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_DENSE_H
#define CNNC_DENSE_H
#include "kernel/lower.h"

typedef struct DensePacks {
  int64_t inputs, units;
  int64_t panels, width; /* number of whole panels; units of a whole panel: w[0] is [panels][inputs][width] */
  int64_t rest; /* number of units of one more panel, the rest panel, which is padded to whole vectors; 0:
                   none */
  int lanes;    /* width of the target's vectors that process a panel */
  Buf *w[2],
      *bias; /* w[0]: whole panels; w[1]: the rest; NULL: there are none. bias: padded like the panels */
} DensePacks;

DensePacks dense_packs(Lower *);
bool dense_rows_compared(
    const Lower *); /* whether the batched schedule is only listed for comparison: in inference of several
                       images, the plan runs the kernel image by image */
#endif
