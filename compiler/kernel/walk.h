/* walk.h: Loops of an operator's own nest over pixels and channels: scalar in the reference schedule,
 * otherwise in vectors of channels, the last of which may be shorter. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_WALK_H
#define CNNC_WALK_H
#include "kernel/lower.h"

/* The loop body, for [y][x][c .. c+part-1] in vectors of `lanes`. */
typedef void WalkBody(Lower *, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                      const void *context);
typedef Val WalkValue(Lower *, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                      const void *context);

int walk_lanes(const Lower *, int64_t channels); /* the vector width for a number of channels, for example
                                                    for the remaining channels after whole vectors */
LoopKind walk_rows(const Lower *, int64_t work); /* PARALLEL or SERIAL: the kind of an outermost loop with
                                                    about `work` operations in total */
/* Loops over the pixels y, x. If `kind` is PARALLEL, threads share the rows or, if there is only one row, its
 * positions. */
#define WALK_PIXELS(b, y, x, e, kind)                                                                        \
  NEST_LOOP(b, y, (e).h > 1 ? (kind) : SERIAL, 1, NEST_IX(0), 1, NEST_IX((e).h))                             \
    NEST_LOOP(b, x, (e).h > 1 ? SERIAL : (kind), 1, NEST_IX(0), 1, NEST_IX((e).w))
Val walk_load(Lower *, Buf *, const Ix *y, const Ix *x, const Ix *c, int part, int lanes);
void walk_put(Lower *, Buf *, Val, const Ix *y, const Ix *x, const Ix *c, int part,
              int lanes); /* stores without applying the fused nodes, for example to scratch */
void walk_channels(Lower *, int64_t channels, const Ix *y, const Ix *x, WalkBody, const void *context);
void walk_pixels(Lower *, Extent, WalkBody, const void *context);
/* Vectors of channels whose sums are computed in one loop over the pixels, so that each cache line is read
 * once. There are `full` vectors, starting at channel `first`. With `more`, there is another vector, which
 * ends with the last channel and overlaps the vector before it. A single vector may have fewer channels than
 * lanes: `part` channels. */
typedef struct Columns {
  Lower *l;
  Ix first, end; /* end: start of the `more` vector */
  int full, part, lanes;
  bool more;
} Columns;
typedef void ColumnsBody(const Columns *, const void *context);
/* Runs the body for sets of at most `most` vectors; the last set may also have `more`. With `overlap`, the
 * last two vectors may overlap. Elements in the overlap are stored twice, so the stored numbers must not
 * depend on the elements' old values in memory. Without `overlap`, the channels after the last whole vector
 * are a separate set. */
void walk_columns(Lower *, int64_t channels, int most, bool overlap, ColumnsBody, const void *context);
Val columns_load(const Columns *, Buf *, const Ix *y, const Ix *x, const Ix *c);
/* For COLUMNS_EACH, which runs its body once per vector: v is the number of the register, c the first
 * channel. */
typedef struct Column {
  Ix v, c;
} Column;
const Column *columns_enter(const Columns *, bool more);
#define COLUMNS_EACH(b, set, v_, c_)                                                                         \
  for (int more_ = 0; more_ <= (set)->more; more_++)                                                         \
    for (const Column *column_ = columns_enter(set, more_); nest_enter(b);)                                  \
      for (const Ix *v_ = &column_->v, *c_ __attribute__((unused)) = &column_->c; column_; column_ = NULL)
#define COLUMNS_REGISTERS(b, name, set) NEST_REGISTERS(b, name, (set)->lanes, (set)->full + (set)->more)
/* Sums each channel over the pixels. The sums are added to a gradient (RESULT_SUM) or stored as 1x1xC. */
void walk_sum_pixels(Lower *, Extent, WalkValue, const void *context);
/* Shuffles that interleave the lanes of two vectors a and b: `low` gives a0 b0 a1 b1 ... from the first half
 * of each vector, and `high` interleaves the second halves. */
void walk_interleave(int lanes, int low[LANES], int high[LANES]);
/* Transposes a square matrix of vectors: element n of x[k] becomes element k of x[n]. */
void walk_transpose(Nest *, Val x[LANES], int lanes);
/* walk_row_max and walk_row_sum reduce the channels of one pixel to one number. walk_row_scratch: a buffer of
 * rank 1 for the channels of one pixel. If threads share the rows of pixels, the buffer has rank 2: the
 * channels of one pixel for each row of pixels. */
Buf *walk_row_scratch(Lower *, const char *name, LoopKind, int64_t rows, int64_t channels);
Val walk_row_max(Lower *, Buf *, const Ix *y, const Ix *x, int64_t channels);
Val walk_row_sum(Lower *, int64_t channels, const Ix *y, const Ix *x, WalkValue,
                 const void *context);   /* the WalkValue must return 0 in lanes from `part` on */
void walk_clear(Lower *, Buf *, Extent); /* fills an accumulator with zeros */
/* The buffer in which a result is accumulated: the result itself or, if nodes are fused after it, scratch.
 * For scratch, walk_sum_end applies these nodes and stores the result. walk_sum_begin must be called before
 * nest_fn. */
Buf *walk_sum_begin(Lower *, Extent);
void walk_sum_end(Lower *, Buf *sum, Extent);
#endif
