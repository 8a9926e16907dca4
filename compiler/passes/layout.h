/* layout.h: Memory layout of blocks with lifetimes, in as few bytes as the search finds. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_LAYOUT_H
#define CNNC_LAYOUT_H
#include <stdint.h>

typedef struct Block {
  int64_t bytes;
  int born, dies;
  int64_t offset;
  int number; /* index in the list: makes sorting deterministic */
} Block;      /* lives from step `born` to step `dies`, inclusive; the layout sets offset and number */

/* The block `result` is born at the step at which `operand` dies. It may overlap `operand` if result->offset
 * - operand->offset is at most `most` and a multiple of `step` bytes. */
typedef struct Overlap {
  const Block *operand, *result;
  int64_t most, step;
} Overlap;
typedef struct Layout {
  int64_t bytes, bound;
} Layout; /* bound: lower bound of `bytes`. For each step: the sum of the sizes of the blocks that live at the
             step, minus the bytes that permitted overlaps can save; `bound` is the maximum */

/* The layout is deterministic. An operand may occur in at most one overlap. */
Layout layout_blocks(Block *const *, int n, int steps, const Overlap *, int noverlaps);
#endif
