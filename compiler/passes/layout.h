/* layout.h: blocks of memory, each needed for a span of time, laid out in as little room as can be found. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_LAYOUT_H
#define CNNC_LAYOUT_H
#include <stdint.h>

typedef struct Block {
  int64_t bytes;
  int born, dies;
  int64_t offset;
  int number; /* in the list: no two blocks are equal when they are sorted, whatever the C library's qsort */
} Block;      /* needed from step born to step dies, both counted; the layout sets offset and number */

/* The block `result` begins its life at the step where `operand` dies, and may overlap it if
 * result->offset is at most operand->offset + most, at a multiple of `step` from it. */
typedef struct Overlap {
  const Block *operand, *result;
  int64_t most, step;
} Overlap;
typedef struct Layout {
  int64_t bytes, bound;
} Layout; /* the room that is taken, and the least possible: the largest sum of blocks at one step */

/* The same blocks in the same order give the same layout. An operand is one of one overlap at the most. */
Layout layout_blocks(Block *const *, int n, int steps, const Overlap *, int noverlaps);
#endif
