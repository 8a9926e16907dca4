/* conv_points.h: Driver of fast convolutions with Winograd or Strassen, in float and int8. These convolutions
 * transform inputs and weights to the points of tiles, multiply them point by point, and transform the
 * products back. conv_points.c divides the tiles into blocks, packs the weights, multiplies and distributes
 * the work among threads; conv_winograd.c, conv_strassen.c, int8_winograd.c and int8_strassen.c define the
 * tiles. Private to the files of these convolutions. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CONV_POINTS_H
#define CNNC_CONV_POINTS_H
#include "schedule/float/direct.h"

/* Panels of one group whose products are in M at the same time: `count` whole panels, then the rest panel if
 * `rest` is set. width: number of output channels with the padding; valid: without the padding. multiply[0]:
 * the function for whole blocks; multiply[1]: the function for the last block, if it has fewer rows. */
typedef struct Bundle {
  int64_t count, width, valid;
  bool rest;
  NestFn *multiply[2];
} Bundle;

typedef struct MultiplyTile {
  const Panels *panels;
  int64_t count, lines;
  NestFn *fn;
} MultiplyTile; /* fn: function of a register tile; count: number of tiles in the register tile; lines:
                   number of cache lines of weights that fn prefetches per input channel */

typedef struct Points {
  /* members that the algorithm sets, for example Winograd in conv_winograd.c */
  Lower *l;
  int64_t points;     /* number of points of a tile */
  int64_t groups, in; /* number of groups; number of channels of V per group */
  int64_t channels;   /* number of channels of V, over all groups */
  int64_t phases[2];  /* number of phases of a transposed convolution along each axis; all phases use the same
                         transformed tiles, but each phase has its own filters */
  int64_t filters;    /* number of transformed filters of one group, for one phase */
  int64_t rows, width; /* number of rows of tiles; number of tiles per row */
  bool many_small; /* many small images (of a batch, or parts of a dilated convolution): blocks are larger */
  bool alone;      /* threads cannot compute different blocks; they share each block */
  bool images;     /* batched kernel: a row of tiles contains all tiles of an image */
  int64_t macs;    /* multiply-adds of the direct convolution */
  int64_t block_tiles; /* approximate number of tiles of a block; 0: chosen for the L2 cache */

  /* int8: V, M and the weights are I32; each element of V and of the weights holds two int16 numbers. The
   * weights of a bundle are transformed in each call. If there are many input channels, they are divided into
   * parts, and the outputs of the parts are added. */
  const Primitive *dot; /* adds the dot product of two elements to a sum; NULL: float multiply-adds */
  Buf *inner[2]; /* for the inner product (int8_inner.c), or NULL. inner[0][point][tile]: the sum of the
                    dot products of channels i and i + in/2 of V; inner[1][slot][point][filter of the
                    bundle]: this sum for the weights */
  int64_t parts; /* number of parts into which the input channels are divided; `in` is the size of one part */
  NestFn *weights; /* transforms the weights; parameters: slot, bundle and, if there are parts, the part.
                      NULL: weights are packed */
  NestFn *clear;   /* if there are parts: clears the sums over all parts, before the first part; parameter:
                      slot */
  NestFn *finish;  /* if there are parts: computes the outputs from the sums over all parts, after the last
                      part; has the same parameters as join_row */

  /* choices of the schedule */
  int lanes, vectors;
  int64_t block, blocks, last; /* rows of tiles in a block; number of whole blocks; rows of tiles in the last
                                  block, or 0 */
  int64_t slots;               /* number of blocks (int8: bundles) in progress at the same time */
  /* float: threads share the loop over blocks, or the loops inside a block; both false: one thread */
  bool by_blocks, by_points;
  LoopKind
      by_bundles; /* int8: kind of the loop over slots, which share V, and of the loop that calls split_row */
  /* panels of a group: [0] whole panels, [1] the rest panel. Panels.w is [group * points +
   * point][panel][channel][width]; int8: slot instead of group */
  Panels panels[2];
  NestFn *pack[2]; /* batched kernel in training: transforms the weights of a panel to Panels.w, which is
                      scratch memory */
  Ix count;        /* batched kernel: the number of images in this call */
  int64_t bundles;
  Bundle bundle[2]; /* each group has `bundles` bundles like bundle[0], then one like bundle[1] if
                       bundle[1].count or bundle[1].rest is set */
  int64_t most;     /* maximum number of tiles in a register tile; 0: chosen by direct_tiling */
  Buf *V, *M; /* both are [slot][point][tile of the block][channel]. V: transformed inputs (int8: the first
                 index is the part); M: products of a bundle */
  NestFn *split_row, *join_row[2]; /* join_row[i] is for bundle[i] */
  MultiplyTile multiply[8];
  int nmultiply;
} Points;

static inline bool points_int8(const Points *c) {
#ifdef __wasi__ /* the browser build has no int8 models */
  return (void)c, false;
#else
  return c->dot != NULL;
#endif
}

/* The window of input channel `in` and filter `out` of a group and a phase. f: index of the filter in its
 * panel. */
typedef struct PointWeight {
  Ix group, panel, in, f, out, phase[2];
  Buf *points; /* buffer for the window's points, [point][row][f]; NULL: points are stored directly to the
                  packed weights */
  Ix row;
} PointWeight;

/* Packing of a window: `transform` turns the window's taps into points[0] x points[1] numbers, one axis after
 * the other. A tap has two indices along each axis; they are less than taps[axis][0] and taps[axis][1]. The
 * argument `tap` of `read` has the two indices along the first axis, then the two along the second axis. */
typedef struct PointPack {
  int taps[2][2], points[2];
  Val (*read)(const Points *, Pack *, const PointWeight *, const Ix tap[4]);
  void (*transform)(const Points *, Nest *, int axis, const Val *tap, Val *point);
} PointPack;

/* Call points_begin (int8: points_begin_words), points_functions and points_loops, in this order.
 * split_row(slot, ty, t0) transforms the tiles of row ty from the input to V. join_row(slot, ty, t0, f0[,
 * phase along each axis]) transforms these tiles from M to the output channels from f0 on (int8: to bundle
 * f0). The row starts at tile t0 of the block. Both functions must be built before points_loops fills the
 * main function. */
void points_begin(Points *, const PointPack *); /* chooses panels and blocks, and creates V and M */
/* Int8: must be called after lanes, vectors, bundles, rows, block and slots were chosen. Each row of V has
 * `odd` additional, unused elements. Without these elements, points or tiles that are a power of 2 apart
 * would map to the same lines of the first-level cache. */
void points_begin_words(Points *, int64_t odd);
typedef NestFn *JoinRow(const Points *, const Bundle *);
void points_functions(Points *, NestFn *split_row, JoinRow *);
void points_loops(Nest *, Points *);
Tiling points_tiling(const Points *, int64_t tiles,
                     int vectors); /* division of a block of `tiles` tiles into register tiles */
/* Describes the blocks in the generated comment and in --emit=schedule. name: the algorithm's name. */
void points_about(const Points *, const char *name);
#endif
