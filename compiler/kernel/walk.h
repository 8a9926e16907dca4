/* walk.h: how an operator's own nest walks over pixels and channels: plain, number by number; else in vectors
 * of channels, of which the last is shorter. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_WALK_H
#define CNNC_WALK_H
#include "kernel/lower.h"

/* What is done at [y][x][c .. c+part-1], in vectors of `lanes`. */
typedef void WalkBody(Lower *, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                      const void *context);
typedef Val WalkValue(Lower *, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                      const void *context);

int walk_lanes(const Lower *, int64_t channels); /* the width for so many channels, or for the rest of them */
LoopKind walk_rows(const Lower *,
                   int64_t work); /* of an outermost loop whose rounds do so many operations in all */
Val walk_load(Lower *, Buf *, const Ix *y, const Ix *x, const Ix *c, int part, int lanes);
void walk_put(Lower *, Buf *, Val, const Ix *y, const Ix *x, const Ix *c, int part,
              int lanes); /* into a buffer that is not the result: no fused nodes */
void walk_channels(Lower *, int64_t channels, const Ix *y, const Ix *x, WalkBody, const void *context);
void walk_pixels(Lower *, Extent, WalkBody, const void *context);
/* Vectors of channels that go through the pixels side by side, so that sums of each need not wait for one
 * another and lines are read once: `full` ones from `first` on, and where `more` another that ends with the
 * last channel and overlaps the one before it. A single one may be a part. */
typedef struct Columns {
  Lower *l;
  Ix first, end; /* of `more`, where it begins */
  int full, part, lanes;
  bool more;
} Columns;
typedef void ColumnsBody(const Columns *, const void *context);
/* At most so many side by side where there are vectors. What is stored twice where two overlap must not
 * depend on what was there; without `overlap` the rest of the channels is a set of its own. */
void walk_columns(Lower *, int64_t channels, int most, bool overlap, ColumnsBody, const void *context);
Val columns_load(const Columns *, Buf *, const Ix *y, const Ix *x, const Ix *c);
/* Its body once for each: register v, from channel c on. */
typedef struct Column {
  Ix v, c;
} Column;
const Column *columns_enter(const Columns *, bool more);
#define COLUMNS_EACH(b, set, v_, c_)                                                                         \
  for (int more_ = 0; more_ <= (set)->more; more_++)                                                         \
    for (const Column *column_ = columns_enter(set, more_); nest_enter(b);)                                  \
      for (const Ix *v_ = &column_->v, *c_ __attribute__((unused)) = &column_->c; column_; column_ = NULL)
#define COLUMNS_REGISTERS(b, name, set) NEST_REGISTERS(b, name, (set)->lanes, (set)->full + (set)->more)
/* Each channel's sum over the pixels: added to a gradient (RESULT_SUM), else stored as 1x1xC. */
void walk_sum_pixels(Lower *, Extent, WalkValue, const void *context);
/* A row of so many channels as one number. A row of scratch has rank 1; where rows of pixels are shared out,
 * each of them has its own: rank 2. */
Buf *walk_row_scratch(Lower *, const char *name, LoopKind, int64_t rows, int64_t channels);
Val walk_row_max(Lower *, Buf *, const Ix *y, const Ix *x, int64_t channels);
Val walk_row_sum(Lower *, int64_t channels, const Ix *y, const Ix *x, WalkValue,
                 const void *context);   /* the value of lanes beyond `part` must be 0 */
void walk_clear(Lower *, Buf *, Extent); /* zeros, for what is added up there */
/* The buffer in which a result is summed up: the result itself, or scratch if nodes are fused after it, which
 * walk_sum_end copies to the result. begin: before nest_fn. */
Buf *walk_sum_begin(Lower *, Extent);
void walk_sum_end(Lower *, Buf *sum, Extent);
#endif
