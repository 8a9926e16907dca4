/* int8_tiles.h: Register tiles for the outputs of an int8 convolution, or of one phase of a transposed
 * convolution. Private to int8_direct.c and int8_phases.c. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_INT8_TILES_H
#define CNNC_INT8_TILES_H
#include "schedule/float/direct.h"
#include "schedule/int8/int8_words.h"

typedef struct Product {
  Lower *l;
  const Int8Product *p;
  Correlation k; /* the correlation that computes this phase; its output n along an axis is the layer's output
                    first + n * step */
  const char *phase; /* suffix of the names of functions and buffers */
  int64_t first[2], step[2];
  int64_t from[2]; /* row and column, in `words`, where window 0 begins */
  Words words;
  Finish finish;
  Buf *weight;
  Buf *halves; /* weights split into pairs of int16: [slot][ky][kx * words.group + word][even, odd][channel of
                  the strip]; NULL: each tile splits the weights itself, or the weights stay bytes */
  Buf *inner;  /* for Winograd's inner product: [row][column of `words`], the sum of the products of each even
                  channel and the next channel; otherwise NULL */
  int lanes, vectors; /* number of lanes of a vector; number of vectors of a tile */
  Tiling row;
  /* strips: number of whole strips of a group; slots: number of strips whose halves are stored at the same
   * time (halves NULL: equal to `strips`, but at least 1) */
  int64_t slots, strips;
  LoopKind outer;
  bool rows_first;
} Product;

/* The functions for the whole strips of a group, or for the narrower strip after them. A strip has the
 * channels of one tile. */
typedef struct Strip {
  NestFn *split, *tile[2]; /* split: splits weights into halves; tile: for tiles of row.pixels and of row.rest
                              pixels. NULL: there is no such function */
} Strip;

/* Creates the weights of a phase, and its functions: strip[0] for whole strips, strip[1] for the narrower
 * strip. All members above `weight` must be set before. */
void int8_tiles_begin(Product *, Strip strip[2]);
void int8_tiles_loops(const Product *, const Strip strip[2]);
void int8_tiles_about(const Product *, const char *phases);
#endif
