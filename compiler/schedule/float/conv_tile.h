/* conv_tile.h: A tile of the direct convolution: some pixels of a row times some vectors of output channels,
 * whose sums stay in registers. For groups narrower than a vector, a tile multiplies vectors of inputs by
 * diagonals of squares of weights (conv_groups.c defines diagonals and squares). Private to conv_direct.c,
 * conv_groups.c, conv_diagonals.c and conv_tile.c. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CONV_TILE_H
#define CNNC_CONV_TILE_H
#include "schedule/float/direct.h"

enum { MOST_VECTORS = 16 };

typedef struct Term { /* one vector of a pixel's sums */
  int input;          /* with diagonals: index of the vector of inputs that is multiplied; otherwise 0 */
  int64_t row, lane;  /* position of the term's weights. row: relative to the input channel's first row in the
                         panel; lane: relative to the tile's first lane */
} Term;

typedef struct Tile {
  Direct *d;
  const Panels *panels;
  const Axis *y, *x;
  int pixels, vectors, part; /* part: lanes in use in the last vector */
  int terms;                 /* terms per pixel: one per vector, unless there are diagonals */
  Term term[MOST_VECTORS];
  int piece;    /* if the sums of all diagonals do not fit in registers: index of the current pass, which
                   computes some diagonals of one square (a piece) */
  Buf *squares; /* [pixel][square of weights (conv_groups.c)]: sums over the pieces so far; NULL: one piece */
  int cut;      /* if diagonals are longer than a vector: index of the computed output vector; otherwise 0 */
  int rows, columns; /* rows and columns of sums: 1 and `pixels`, or more if windows are pooled */
  int narrower;      /* difference between the widths of a whole tile and of a narrow tile */
  Ix real_pixels,
      real_columns; /* number of pixels, and of columns of sums, of the current tile, which may be narrow */
  /* tile of one pixel, which tests at run time whether the columns of its inputs are inside the image; used
   * at an edge that has many tiles, or if a row of the kernel has many taps */
  bool guarded;
  int64_t runs; /* number of successive tiles that read the same panel: all tiles of an image or of a row.
                   Together, these tiles prefetch the next panel. 0: no prefetch */
  bool again;   /* each row of tiles reads all panels */
  int chains;   /* number of parts of a sum, each over its own share of the input channels; above 1 if a tile
                   has too few sums (pixels * vectors) to hide the latency of additions */
} Tile;

/* Arguments of a tile function: y, x0: the first output; c0, f0: the first input and output channel; h: first
 * lane in a row of the panel; left to narrow: flags. */
typedef struct TileArgs {
  Ix y, x0, panel, c0, f0, h, left, right, first, last, edge, narrow;
} TileArgs; /* edge: rows may be outside the input; used only if several rows are pooled */

void tile_channels(Nest *, const Tile *, TileArgs *); /* declares the tile's parameters from panel to h */
NestFn *tile_function(
    Tile *,
    const char *phase); /* creates the function that computes a tile, with the parameters in TileArgs */
/* With diagonals: sets the terms of the current piece, or of output vector `cut`. The next three functions
 * return the number of cuts, the number of pieces, and the number of squares of a group. */
void diagonal_terms(Tile *, int cut);
int diagonal_cuts(const Direct *);
int diagonal_pieces(const Direct *);
int diagonal_squares(const Direct *);
void diagonal_keep(Nest *, const Tile *, Buf *acc); /* adds the sums of a piece to their square */
/* Whether the sum of diagonal 0, whose lanes match those of the outputs, starts with the bias. */
bool diagonal_starts_with_bias(const Direct *);
int diagonal_inputs(const Tile *, int input); /* lanes in use in a vector of inputs */
void diagonal_outputs(Nest *, const Tile *, Buf *acc, const Ix *pixel, Val out[MOST_VECTORS]);
int64_t tile_edges(const Axis *,
                   int64_t pixels); /* number of tiles of a row that have taps outside the input */
#endif
