/* matrix.h: Division of a convolution's map of sums into tiles for registers that hold 16 rows (AMX). Used in
 * bf16 and in int8. The sums are the convolution's outputs before the epilogue and before pooling.
 *
 * A register holds one block: the sums of `columns` successive columns of the map, for 16 channels. Four
 * registers accumulate sums at the same time: up to four blocks of one vector of channels, or two blocks of
 * two vectors. These blocks are in adjacent rows of the map, or in one row if the map has only one row. All
 * blocks of a layer have the same number of columns, because loading another register shape takes 150 cycles.
 * If the length of a row is not a multiple of this number of columns, the last block of the row overlaps the
 * block before it; the first `skip` columns of the last block are then not stored.
 *
 * A small map is one tile: the rows of its padded input are `pitch` columns apart and are processed as a
 * single row. Columns of this row that are not part of a row of the map are not stored. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_MATRIX_H
#define CNNC_MATRIX_H
#include "ops/convolution/correlation.h"

enum {
  MATRIX_ROWS = 16,
  MATRIX_LANES = 16,
  MATRIX_SUMS = 4
}; /* MATRIX_ROWS, MATRIX_LANES: rows and lanes of a register; MATRIX_SUMS: number of registers for the sums
      of a tile */

typedef struct MatrixSpan { /* tiles on an axis: `count` tiles from sum `first` on, `step` sums apart; a tile
                               has `blocks` blocks, and its first `skip` columns are not stored */
  int64_t first, step, count, blocks, skip;
} MatrixSpan;

typedef struct MatrixMap {
  int64_t h, w, parts[2]; /* h, w: rows and columns of sums; parts: number of sums along each axis that are
                             pooled to one output */
  int64_t columns, blocks, apart; /* columns: number of columns of a block; blocks: number of blocks of a
                                     tile; apart: columns from a block to the next block of a row */
  int64_t pitch, spare; /* pitch: columns from row to row if the map is small, otherwise 0; spare: number of
                           columns of the last block that are after the end of a small map */
  int vectors;
  MatrixSpan outer[2], inner[2]; /* outer: rows of tiles, or the tiles of a map of one row; inner: the tiles
                                    of a row of tiles */
} MatrixMap;

/* The division for a map with `channels` channels per group. The map of a 1x1 convolution without pooling is
 * a single row. padded: the input is a copy with its padding. */
MatrixMap matrix_map(const Correlation *, const int64_t outputs[2], const int64_t parts[2], int64_t channels,
                     bool padded);
const char *matrix_refused(const MatrixMap *); /* the reason why blocks do not fit registers, or NULL */
int matrix_step(int64_t words); /* words of a step: the largest divisor of `words` that a register can hold */
double matrix_cycles(const MatrixMap *, int64_t channels,
                     int64_t steps);   /* cycles of the products of all channels */
bool matrix_is_row(const MatrixMap *); /* whether the map is a single row */
/* Row and column of the map for column q of block t in the tile at (y, x). */
Ix matrix_row_of(const MatrixMap *, const Ix *y, const Ix *t);
Ix matrix_column_of(const MatrixMap *, const Ix *x, const Ix *t, const Ix *q);
Ix matrix_place(const MatrixMap *, const Ix *t, const Ix *q); /* index of a sum in its tile */
int64_t matrix_sums(const MatrixMap *, int64_t blocks);       /* number of sums of a tile, per channel */

/* Builds TILED loops over the sums of a tile; calls MatrixSum for block u, column q and vector v of channels.
 * Each loop has at most as many blocks as fit in the registers. */
typedef void MatrixSum(const void *context, const Ix *u, const Ix *q, const Ix *v);
void matrix_groups(Nest *, const MatrixMap *, int64_t blocks, int64_t vectors, MatrixSum,
                   const void *context);

/* The functions that compute tiles: fn[i][j] computes the tiles of the spans outer[i] and inner[j]. NULL:
 * there are no such tiles. */
typedef struct MatrixFns {
  NestFn *fn[2][2];
} MatrixFns;
typedef NestFn *MatrixBuild(const void *context, int64_t blocks, int64_t skip);
typedef void MatrixCall(const void *context, NestFn *, const Ix *y, const Ix *x);
MatrixFns matrix_functions(const MatrixMap *, MatrixBuild, const void *context);
/* matrix_row_tiles calls the functions of the tiles at index `at` of the span outer[span]; matrix_tiles calls
 * the functions of all tiles of the map. MatrixCall gets y and x in units of outputs. */
void matrix_row_tiles(Nest *, const MatrixMap *, const MatrixFns *, int span, const Ix *at, MatrixCall,
                      const void *context);
void matrix_tiles(Nest *, const MatrixMap *, const MatrixFns *, MatrixCall, const void *context);
#endif
