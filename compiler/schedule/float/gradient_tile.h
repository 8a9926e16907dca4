/* gradient_tile.h: Sums of a tile of a batched weight gradient, which are computed tap by tap, and their
 * addition to the gradient. The gradient has the layout of the weights. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_GRADIENT_TILE_H
#define CNNC_GRADIENT_TILE_H
#include "kernel/walk.h"

/* Channels of the large side, starting at `first`, in `vectors` vectors; part: lanes in use in the last
 * vector. */
typedef struct GradientColumns {
  Ix first;
  int vectors, part;
} GradientColumns;

typedef struct GradientTile {
  Lower *l;
  int lanes;
  int64_t taps; /* number of taps of the whole kernel */
  Buf *sums;    /* [tap][row][column]: a row is a channel of the small side */
} GradientTile;

int gradient_tile_part(const GradientTile *, const GradientColumns *, int v); /* lanes in use in vector v */
void gradient_tile_by_taps(
    Buf *gradient, int64_t taps); /* views [s][l][ky][kx] as [s][l][tap], or as [s][l] if there is one tap */
/* Prefetches a part of the gradients that gradient_tile_add will read and write; calls for all taps prefetch
 * all these gradients. If the kernel has at most two taps, nothing is prefetched. In memory, the gradients
 * are one run per row of the tile; the runs are far apart. row: the first row of the tile, as a channel of
 * the small side; rows: number of rows. */
void gradient_tile_prefetch(const GradientTile *, const GradientColumns *, const Ix *row, int64_t rows,
                            const Ix *tap);
/* Stores the sums of a tile in the gradient, or adds them to the gradient. row: as in gradient_tile_prefetch;
 * rows: number of rows; the last tile may have fewer rows than the others. */
void gradient_tile_add(const GradientTile *, const GradientColumns *, const Ix *row, int64_t rows);
#endif
