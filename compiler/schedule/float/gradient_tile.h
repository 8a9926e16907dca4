/* gradient_tile.h: Sums of a tile of a batched weight gradient, in the order in which taps compute them, and
 * their addition to the gradient, in the order of the weights. */
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
void gradient_tile_by_taps(Buf *gradient, int64_t taps); /* views [s][l][ky][kx] as [s][l][tap], or [s][l] */
/* Prefetches a share of the tile's gradients for one tap, because gradients are added to memory in runs that
 * are far apart. The tile has `rows` rows; `row` is the first one. */
void gradient_tile_prefetch(const GradientTile *, const GradientColumns *, const Ix *row, int64_t rows,
                            const Ix *tap);
/* Stores the sums of the rows from `row` on in the gradient, or adds them to it. The first `rows` rows of the
 * tile exist. */
void gradient_tile_add(const GradientTile *, const GradientColumns *, const Ix *row, int64_t rows);
#endif
