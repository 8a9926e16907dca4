/* index.h: Common code of operators on indices. An index is a float, exact up to 2^24; it is truncated and
 * clamped to 0 .. last; NaN is 0. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_INDEX_H
#define CNNC_INDEX_H
#include "kernel/walk.h"

enum { INDEX_COUNTS = 1 << 24 }; /* floats represent all integers up to this number */

extern const Op op_argmax, op_topk;

/* Converts a number to an index in 0 .. count - 1. */
int64_t index_of(double number, int64_t count);
/* Whether floats represent all indices 0 .. count - 1 of the value exactly. If not, reports an error. */
bool index_fits(ShapeContext *, const Node *, const Node *value, int64_t count);
/* Whether the shape is L, Lx1 or HxWx1: one index per position. */
bool index_is_flat(Shape);
/* Sets the result's shape: one position per index, with this number of channels. A vector of indices results
 * in a sequence. Returns false, after an error, if the indices are not flat (index_is_flat). */
bool index_rows_shape(ShapeContext *, Node *, int64_t channels);
/* The index for pixel (y, x) of the result. */
Ref index_of_pixel(Lower *, Buf *, const Ix *y, const Ix *x);
/* Element k of a vector or of a sequence of one channel. */
Ref index_element(Lower *, Buf *, const Ix *k);
/* Calls the body with the pixel whose index is `number`. The pixel's column is a data-dependent
 * index; if the extent has several rows, the pixel's row is another. */
typedef struct IndexPixel {
  const Ix *y, *x;
} IndexPixel;
typedef void IndexBody(Lower *, const IndexPixel *, const void *context);
void index_choose(Lower *, Extent, Val number, IndexBody, const void *context);
#endif
