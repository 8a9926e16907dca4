/* index.h: what operators share whose operands are indices: whole numbers in floats, exact up to 2^24. An
 * index is truncated and cut to 0 .. last; NaN is 0. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_INDEX_H
#define CNNC_INDEX_H
#include "kernel/walk.h"

enum { INDEX_COUNTS = 1 << 24 }; /* so far a float counts */

extern const Op op_argmax, op_topk;

/* The index that a number stands for, in 0 .. count - 1. */
int64_t index_of(double number, int64_t count);
/* Are there few enough elements to be counted by floats? If not, that is said. */
bool index_fits(ShapeContext *, const Node *, const Node *value, int64_t count);
/* A vector of L, Lx1 or HxWx1: indices with one number each. */
bool index_is_flat(Shape);
/* Of flat indices: the same shape with that many channels, a sequence of a vector. False after an error. */
bool index_rows_shape(ShapeContext *, Node *, int64_t channels);
/* The index at a pixel of such a result. */
Ref index_of_pixel(Lower *, Buf *, const Ix *y, const Ix *x);
/* Element k of a vector or of a sequence of one channel. */
Ref index_element(Lower *, Buf *, const Ix *k);
/* The pixel of a value of h x w pixels that a number chooses, in two nested choices where there are rows. */
typedef struct IndexPixel {
  const Ix *y, *x;
} IndexPixel;
typedef void IndexBody(Lower *, const IndexPixel *, const void *context);
void index_choose(Lower *, Extent, Val number, IndexBody, const void *context);
#endif
