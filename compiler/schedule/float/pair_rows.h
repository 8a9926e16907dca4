/* pair_rows.h: Products of rows of bf16 numbers and packed columns, in words of two numbers, for dense layers
 * and matmul. Private to schedule/. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PAIR_ROWS_H
#define CNNC_PAIR_ROWS_H
#include "kernel/lower.h"

/* out[row][column] = finish(scale * sum over k of in[row][k] * w[k][column] + bias[column]), k < 2 * pairs.
 * Columns are divided into panels: w[0] has `panels` whole panels, [panel][pair][column of the panel][2].
 * w[1] has the last panel of `rest` columns, if there are any, padded with zeros to whole vectors. */
typedef struct PairRows {
  Lower *l;
  Buf *in;      /* bf16, 2 * pairs numbers per row: [row][1][1][number] if `leading`; otherwise
                   [1][row][number] or [row][number] */
  bool leading; /* rows are rows of the leading axis; the nest has a size argument if this axis is a batch */
  int64_t rows; /* maximum number of rows */
  Ix count;     /* number of rows of a batch; pair_rows_build sets it */
  int64_t pairs, columns;
  int64_t panels, width, rest, rest_width;
  int lanes;        /* number of lanes of a vector of columns on the target */
  Buf *w[2], *bias; /* bias NULL: there is no bias */
  double scale;
} PairRows;

/* Sets lanes, panels, width, rest and rest_width from `columns`. */
void pair_rows_panels(PairRows *);
/* Creates the functions and loops; `begin` is called after the main function has begun. */
typedef void PairRowsBegin(const void *context);
void pair_rows_build(PairRows *, PairRowsBegin *, const void *context);
/* Whether the target computes the product in tile registers. */
bool pair_rows_in_tiles(const Lower *, const Target *, int64_t rows, int64_t pairs, int64_t columns);
/* Predicted cycles of the products of `rows` rows in tile registers. */
double pair_rows_tile_cycles(int64_t rows, int64_t pairs, int64_t columns);
#endif
