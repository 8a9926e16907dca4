/* conv_tile.h: a tile of the direct convolution: some pixels of a row times some vectors of output channels,
 * whose sums stay in registers. Private to conv_direct.c and conv_tile.c. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CONV_TILE_H
#define CNNC_CONV_TILE_H
#include "schedule/direct.h"

typedef struct Tile {
  Direct *d;
  const Panels *panels;
  const Axis *y, *x;
  int pixels, vectors, part; /* part: lanes of the last vector that are real */
  int rows, columns; /* of sums: more than one row and `pixels` columns where windows of them are pooled */
  bool guarded;      /* columns are tested as it runs: for edges wider than a few tiles */
  int64_t runs;      /* tiles that read a panel before the next one is read: all of a picture; 0: nothing is
                        fetched ahead */
  int chains; /* input channels that are summed apart, where pixels * vectors alone would wait for each other
               */
} Tile;

/* The arguments of a tile: which pixels, which panel, the first input and output channel, where in a row of
 * the panel; flags. */
typedef struct TileArgs {
  Ix y, x0, panel, c0, f0, h, left, right, first, last, edge;
} TileArgs; /* edge: rows may lie outside; only where several are pooled */

NestFn *tile_function(Tile *, const char *phase); /* computes a tile, as TileArgs says which */
int64_t tile_edges(const Axis *, int64_t pixels); /* tiles of a row that have taps outside the input */
#endif
