/* conv_tile.h: a tile of the direct convolution: some pixels of a row times some vectors of output channels,
 * whose sums stay in registers. Private to conv_direct.c, conv_diagonals.c
 * and conv_tile.c. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CONV_TILE_H
#define CNNC_CONV_TILE_H
#include "schedule/float/direct.h"

enum { MOST_VECTORS = 16 };

typedef struct Term { /* of a pixel: a vector of sums */
  int input;          /* the vector of inputs that it multiplies, where inputs are vectors */
  int64_t row, lane;  /* its weights: among those of a panel's input channel on, from those of the tile on */
} Term;

typedef struct Tile {
  Direct *d;
  const Panels *panels;
  const Axis *y, *x;
  int pixels, vectors, part; /* part: lanes of the last vector that are real */
  int terms;                 /* per pixel: one per vector, unless there are diagonals */
  Term term[MOST_VECTORS];
  int piece;    /* of the diagonals, where all of them are too many sums: that at work */
  Buf *squares; /* then: the sums of whole squares, [pixel][square] */
  int cut; /* diagonals longer than a vector: the output vector that is at work; those of a tile follow each
              other */
  int rows, columns; /* of sums: more than one row and `pixels` columns where windows of them are pooled */
  int narrower;      /* a narrow tile has that number of pixels less */
  Ix real_pixels, real_columns; /* of the tile at work */
  bool guarded;                 /* columns are tested as it runs: for edges wider than a few tiles */
  int64_t runs; /* number of tiles that read a panel before the next one is read: all of an image; 0: no
                   prefetch */
  int chains; /* input channels that are summed apart, where pixels * vectors alone would wait for each other
               */
} Tile;

/* The arguments of a tile: which pixels, which panel, the first input and output channel, where in a row of
 * the panel; flags. */
typedef struct TileArgs {
  Ix y, x0, panel, c0, f0, h, left, right, first, last, edge, narrow;
} TileArgs; /* edge: rows may lie outside; only where several are pooled */

void tile_channels(Nest *, const Tile *, TileArgs *); /* its parameters from panel to h */
NestFn *tile_function(Tile *, const char *phase);     /* computes a tile, as TileArgs says which */
/* With diagonals: the terms of the output vector `cut`; how many cuts a tile has; the outputs of a pixel. */
void diagonal_terms(Tile *, int cut);
int diagonal_cuts(const Direct *);
int diagonal_pieces(const Direct *);
int diagonal_squares(const Direct *);
void diagonal_keep(Nest *, const Tile *, Buf *acc); /* adds a piece to its square */
/* The lanes of the first diagonal are those of the outputs already: it begins with the bias. */
bool diagonal_starts_with_bias(const Direct *);
int diagonal_inputs(const Tile *, int input); /* lanes of a vector of inputs that are real */
void diagonal_outputs(Nest *, const Tile *, Buf *acc, const Ix *pixel, Val out[MOST_VECTORS]);
int64_t tile_edges(const Axis *, int64_t pixels); /* tiles of a row that have taps outside the input */
#endif
