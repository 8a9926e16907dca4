/* conv_winograd.h: a convolution by Winograd's algorithm: what conv_winograd.c, which cuts it into blocks and
 * multiplies, and conv_winograd_tile.c, which transforms tiles, know of it. Private to them. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CONV_WINOGRAD_H
#define CNNC_CONV_WINOGRAD_H
#include "schedule/direct.h"
#include "schedule/winograd.h"

enum { POOLED = 2 }; /* the windows of a pooling behind it, which never lie in two tiles */

/* `count` panels, perhaps with the rest, of one group; multiply: for whole blocks, for the last one. */
typedef struct Bundle {
  int64_t count, width, valid;
  bool rest;
  NestFn *multiply[2];
} Bundle;

typedef struct MultiplyTile {
  const Panels *panels;
  int64_t count, lines;
  NestFn *fn;
} MultiplyTile; /* so many tiles a call */

typedef struct Conv {
  Lower *l;
  Correlation own, k; /* the node's; as a gathering: from the large side to the small one */
  bool spread;        /* the node spreads: an input gradient, or a transposed convolution */
  Winograd w[2];      /* along each axis */
  bool turned; /* k has its axes exchanged: a row of pixels is a column, whose blocks are parts of it */
  /* A transposed convolution has stride[0] * stride[1] phases, whose filters are the output channels of k,
   * phase after phase. Output q of phase r is the node's stride*q + r - shift, where that lies in it. Others
   * have one phase. filters: of a group and one phase. */
  int64_t stride[2], shift[2], out[2], filters;
  /* Of a dilated convolution the outputs whose number leaves the same rest, divided by the dilation, are a
   * phase along the axis: a convolution without a dilation, of inputs that stand so far apart. phases: along
   * each axis; tiles: of each of them along the axis. A row of tiles then is the n-th one of every phase,
   * or, with by_phase, all those of a phase. */
  int64_t dilation[2], phases[2], tiles[2];
  bool dilated, by_phase;
  int lanes, vectors;
  int64_t points;              /* of a tile */
  int64_t rows, columns;       /* of tiles: rows of them, tiles in a row */
  int64_t block, blocks, last; /* rows of tiles in a block; whole blocks; rows of the last one, or 0 */
  int64_t slots;               /* blocks that are at work at the same time */
  bool by_blocks, by_points;   /* what threads share; neither: one thread */
  Panels panels[2]; /* of a group: whole ones, the rest; w: [group, point][panel][channel][width] */
  int64_t bundles;
  Bundle bundle[2]; /* of each group: so many of the first kind, one of the second where count or
                       rest is set */
  Buf *bias, *V, *M;
  NestFn *split_row, *join_row[2]; /* join: by bundle */
  MultiplyTile multiply[8];
  int nmultiply;
} Conv;

/* split_row(slot, ty, t0), join_row(slot, ty, t0, f0, phase along each axis): the tiles of row ty from the
 * input to V, and from M to the output. */
NestFn *winograd_split_row(const Conv *);
NestFn *winograd_join_row(const Conv *, const Bundle *);
#endif
