/* conv_winograd.h: Winograd convolutions: interface between conv_winograd.c, which divides the output into
 * tiles, and conv_winograd_tile.c, which transforms them. Private to these two files and
 * conv_winograd_weights.c. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CONV_WINOGRAD_H
#define CNNC_CONV_WINOGRAD_H
#include "schedule/conv_points.h"
#include "schedule/float/winograd.h"

enum { POOLED = 2 }; /* size of the windows of a fused pooling; no window spans two tiles */

typedef struct Conv {
  Points p; /* the first member, which conv_points.c uses */
  Lower *l;
  /* own: the node's geometry; k: the same correlation as a gather. */
  Correlation own, k;
  bool spread;   /* the node scatters: an input gradient, or a transposed convolution */
  Winograd w[2]; /* the algorithm along each axis */
  bool turned;   /* the axes of k are exchanged, because the image is a single row of pixels: as a column, it
                    can be divided into blocks */
  /* A transposed convolution has stride[0] * stride[1] phases, whose filters are the output channels of k,
   * phase after phase. Output q of phase r is output stride*q + r - shift of the node, if the node has such
   * an output. In other convolutions, stride[0] and stride[1] are 1. */
  int64_t stride[2], shift[2], out[2];
  /* In a dilated convolution, the outputs whose indices have the same remainder modulo the dilation form a
   * phase along the axis. A phase is a convolution without dilation, on inputs that are `dilation` apart.
   * phases: number of phases along each axis; tiles: number of tiles of a phase along each axis. Row n of
   * tiles contains the n-th row of tiles of every phase; with by_phase, a row contains all tiles of one
   * phase. */
  int64_t dilation[2], phases[2], tiles[2];
  bool dilated, by_phase;
  bool whole;    /* batched kernel: the first parameter of tile functions is the index of an image */
  int64_t panel; /* channels per panel if V is [slot][point][group][panel][tile][channel of the panel];
                    otherwise 0 */
  Buf *bias;
} Conv;

/* A vector of channels, from `channel` on; only `part` of them exist. panel, inner: the panel, and the
 * position of `channel` in the panel. */
typedef struct Channels {
  Ix channel, group, panel, inner;
  int part;
} Channels;
/* winograd_channels calls the function for each vector of channels, group after group. panel: channels per
 * panel; 0: no panels. Panels and vectors never span groups. */
typedef void EachChannels(const void *data, const Channels *);
void winograd_channels(Nest *, int64_t groups, int64_t channels, int64_t panel, int lanes, EachChannels *,
                       const void *data);

/* The row functions that conv_points.h requires. */
NestFn *winograd_split_row(const Conv *);
NestFn *winograd_join_row(const Points *, const Bundle *);
/* Creates the function split_row(slot = 0, ty, t0). It transforms the tiles of row ty of in[0] to
 * V[0][xi][group][panel of channels][t0 ..][channel]. */
NestFn *winograd_split(Lower *, const Correlation *, const Winograd *axis, int lanes, Buf *V);
/* Members of the schedules of conv_winograd.c and conv_winograd_weights.c. */
void conv_winograd_sizes(const Lower *, Choices *);
const char *conv_winograd_title(const Lower *, const Choice *);
const char *conv_winograd_refused(const Lower *, const Choice *);
WinogradError conv_winograd_error(const Lower *, const Choice *);
#endif
