/* stream_mask.h: Index of a row in an endless sequence, for operators that treat rows with negative indices
 * as padding. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_STREAM_MASK_H
#define CNNC_STREAM_MASK_H
#include "kernel/lower.h"

/* In call k, row 0 of in[0] is row k*rows + offset of the sequence. The functions read k from in[1]. */
typedef struct StreamRow {
  int64_t rows, offset;
} StreamRow;
double stream_first_row(const Eval *, const StreamRow *);
Val stream_row_number(Lower *, const StreamRow *, const Ix *index);
#endif
