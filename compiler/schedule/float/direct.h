/* direct.h: Direct convolution kernel, used by convolutions, and by each phase of a transposed convolution:
 *
 * out[oy][ox][f] = finish(bias[f] + sum over ty, tx, c of in[iy][ix][c] * w[ky][kx][c][f])
 *
 * One Axis (axis.h) determines oy and, for each ty, iy and ky. A second Axis determines ox, ix and kx in the
 * same way. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_DIRECT_H
#define CNNC_DIRECT_H
#include "schedule/float/axis.h"
#include "schedule/float/phases.h"
#include "schedule/matrix.h"
#include "schedule/schedule.h"

typedef struct Panels { /* packed weights [groups * each * blocks * inner][ky][kx][block][width]. With
                           Direct.pairs, the weights are bf16, and the weights of two input channels are
                           adjacent: [...][block / 2][2 * width]; if the taps are merged, [groups *
                           each][ky][1][kx * block / 2][2 * width] */
  Buf *w;
  int64_t count, width; /* number of panels of a group; number of output channels of a panel, including
                           padding: a multiple of direct_unit */
  int64_t valid,
      first; /* number of channels in use per panel; index, within the group, of the panels' first channel */
  /* Two structs may share w. each: number of panels that a group has in w, for both structs; before: number
   * of panels of the group that are stored before the panels of this struct */
  int64_t each, before;
} Panels;

/* For groups narrower than a vector: the weights of a group at one tap, divided into squares of n x n
 * channels (conv_groups.c). If one side has more channels than the other, a group has several adjacent
 * squares. */
typedef struct Diagonals {
  int64_t n, ins,
      outs; /* ins, outs: number of squares along inputs and along outputs; at least one of the two is 1 */
  int64_t unit; /* a panel has the weights of unit / n groups: ins * unit inputs and outs * unit outputs */
} Diagonals;

typedef struct Direct {
  Lower *l;
  Correlation k;
  int64_t repeat[2]; /* after an upsampling: number of repetitions of each input element along each axis;
                        otherwise 0. With repetitions, k has the kernel of merged taps, and `own` has the
                        node's kernel */
  Correlation own;
  bool spread;     /* the output is the large side */
  Buf *from;       /* the input, or a padded copy of the input (conv_padded.c) */
  bool planes;     /* the copy is [groups * inner][rows][columns][block], so that the rows of a tile register
                      are adjacent */
  bool lined;      /* the copy is [rows][1][columns * channels] */
  int64_t pitch;   /* if the copy stores all rows as one row: number of columns from the start of a row to the
                      start of the next row; otherwise 0 */
  bool blocked;    /* pointwise: a row is a block of pixels, whose inputs stay in the L2 cache */
  bool pairs;      /* words of two bf16 numbers, from two input channels, are multiplied */
  bool merged;     /* the packed weights have one dimension for kx and the words of a tap (see Panels) */
  bool tight;      /* merged, with an odd number of channels: a row of the kernel is one sequence of numbers,
                      divided into words; only its last word may have a second half of zeros */
  int64_t members; /* number of the layer's groups that form one group of k (conv_groups_joined.c) */
  int64_t in, out; /* number of input and output channels of a group; with pairs, `in` may include a last
                      channel of zeros */
  /* The input channels of a group are blocks * inner * block channels; blocks or inner is 1. blocks: above 1
   * if the panels of all channels would exceed the L2 cache; inner: number of blocks that one tile sums */
  int64_t block, blocks;
  int64_t inner;
  /* number of iterations of the loop over the channels of a block: `block`; with pairs, block / 2; if tight,
   * the number of words of a row of the kernel */
  int64_t steps;
  int lanes, vectors; /* number of lanes of a vector; number of vectors of a tile */
  Panels panels[2];   /* panels[0]: whole panels; panels[1]: the rest panel */
  Buf *packed[2];     /* with a gate: the weights of the model, whose scaled copies are in panels */
  Buf *bias;          /* padded to whole vectors, or NULL */
  Buf *sums;          /* if pixels are scattered one by one (conv_scatter.c): the sums before the epilogue */
  const Correlation
      *joined; /* the correlation whose phases are joined as channels (conv_joined.c), or NULL */
  const Diagonals *diagonals; /* for groups narrower than a vector (conv_groups.c), or NULL */
} Direct;

#ifdef __wasi__ /* the browser build has no bf16 */
static inline bool has_pairs(const Direct *d) { return (void)d, false; }
static inline bool has_merged(const Direct *d) { return (void)d, false; }
static inline bool is_tight(const Direct *d) { return (void)d, false; }
static inline int64_t members_of(const Direct *d) { return (void)d, 1; }
#else
static inline bool has_pairs(const Direct *d) { return d->pairs; }
static inline bool has_merged(const Direct *d) { return d->merged; }
static inline bool is_tight(const Direct *d) { return d->tight; }
static inline int64_t members_of(const Direct *d) { return d->members; }
#endif

Direct direct_begin(Lower *, bool spread); /* chooses the blocks and creates the packs */
/* Index, in the packed weights, of panel `number` of a group for one block of input channels. */
Ix panel_of(const Direct *, const Panels *, const Ix *group, const Ix *number, const Ix *block);
void direct_functions(
    Direct *, const Axis *y, const Axis *x, const char *phase,
    NestFn *row[2][2]); /* creates the functions row[i][j]. i: 0 for whole panels, 1 for the rest panel; j: 0
                           for tiles of d->vectors vectors, 1 for the remaining channels of a panel. Must be
                           called before the main function is built */
/* Whether the convolution multiplies words of two bf16 numbers. This determines the layout of its weights for
 * all targets. */
bool direct_pairs(const Lower *, const Correlation *, bool spread);
typedef struct Tiling {
  int64_t pixels, count, rest,
      rests; /* tiles of a row: `count` tiles of `pixels` pixels, then `rests` tiles of `rest` pixels */
} Tiling;
/* If possible, each tile has `pixels` or `pixels` - 1 pixels. Otherwise all tiles have `pixels` pixels,
 * except for the last tile, which is narrower. */
Tiling tiling_of(int64_t width, int64_t pixels);
Tiling direct_tiling(const Lower *, int64_t width,
                     int vectors); /* the tiling for tiles of `vectors` vectors of channels */
const char *direct_pixels_refused(const Lower *,
                                  const Choice *);    /* the reason if a chosen tile is too wide, or NULL */
int64_t direct_unit(const Lower *, int64_t channels); /* packed weights are padded to a multiple of this
                                                         number of channels; this number depends only on the
                                                         kernel and on the targets of the generated file */
void direct_fill(Lower *, Buf *to, Buf *bias,
                 int lanes); /* fills `to` with the bias (NULL: zeros), before parts of `to` are written */
enum { DIRECT_PHASES = 9 };  /* maximum number of phases */
void direct_gather(Direct *, int64_t macs); /* creates the functions and loops of a gather */
/* Creates the functions and loops that compute each phase separately, for transposed convolutions and after
 * an upsampling. */
void direct_by_phases(Direct *);
int diagonal_pixels(const Direct *, int64_t width); /* width of a tile in pixels, if there are diagonals */
void direct_loops(Direct *, const Axis *y, NestFn *const row[2][2], LoopKind);

/* conv_padded.c: padded_begin sets d->from to a padded copy of a bf16 input, and d->k to the convolution of
 * this copy. lined, planes: the layout of the copy, as in Direct; a lined copy has d->in channels per pixel.
 * single: the copy stores all rows as one row (Direct.pitch), with `spare`
 * additional columns. padded_fill fills the copy, if there is one. */
#ifdef __wasi__ /* the browser build has no bf16 */
static inline void padded_begin(Direct *d, bool lined, bool planes, bool single, int64_t spare) {
  (void)d, (void)lined, (void)planes, (void)single, (void)spare;
}
static inline void padded_fill(const Direct *d, LoopKind outer) { (void)d, (void)outer; }
static inline bool direct_merges(const Lower *l, const Correlation *k) { return (void)l, (void)k, false; }
static inline bool direct_pads_channels(const Lower *l, const Correlation *k) {
  return (void)l, (void)k, false;
}
static inline bool direct_is_tight(const Lower *l, const Correlation *k) { return (void)l, (void)k, false; }
static inline int64_t direct_run_of(const Lower *l, const Correlation *k) { return (void)l, (void)k, 0; }
static inline int64_t direct_run(const Direct *d) { return d->steps; }
static inline bool direct_matrix(const Lower *l, const Target *t) { return (void)l, (void)t, false; }
static inline double direct_matrix_products(const Lower *l) { return (void)l, 0; }
static inline void direct_by_matrix(Direct *d) { (void)d; }
static inline int direct_panel_vectors(const Lower *l, const Correlation *k) { return (void)l, (void)k, 2; }
static inline int64_t direct_inner_blocks(const Lower *l) { return (void)l, 1; }
#else
void padded_begin(Direct *, bool lined, bool planes, bool single, int64_t spare);
void padded_fill(const Direct *, LoopKind outer);
/* Whether the weights of all taps of a row are merged into one dimension: this is done only if there are so
 * few channels that the words of one tap do not fill a register. */
bool direct_merges(const Lower *, const Correlation *);
/* Whether the input is copied because its number of channels is odd. The copy can be read as words of two
 * numbers. The copy has one more channel, of zeros, unless direct_is_tight. */
bool direct_pads_channels(const Lower *, const Correlation *);
/* Whether the copy is tight (Direct.tight). For example, a first layer with three channels and a 7x7 kernel
 * multiplies 77 words per output if the copy is tight, and 98 words with a channel of zeros. */
bool direct_is_tight(const Lower *, const Correlation *);
/* Width of a panel, in vectors of the layout's target. If one tile of the tile registers (matrix.h) computes
 * the whole map, the panel is as wide as this tile. */
int direct_panel_vectors(const Lower *, const Correlation *);
/* Number of blocks of input channels (Direct.inner). It is above 1 only with tile registers: the words of a
 * block fill a row of a tile register, and all taps read the inputs of a block before the inputs of the next
 * block are read. */
int64_t direct_inner_blocks(const Lower *);
bool direct_matrix(const Lower *,
                   const Target *); /* whether the target computes the convolution with tile registers */
MatrixMap direct_matrix_map(const Lower *, const Correlation *);
double direct_matrix_products(const Lower *); /* cycles of the products in tile registers */
/* Number of words (two channels each) that are contiguous in both the input and the weights. direct_run_of:
 * if all input channels are in one block (the convolution is given as a gather); direct_run: for the blocks
 * of d. */
int64_t direct_run_of(const Lower *, const Correlation *);
int64_t direct_run(const Direct *d);
void direct_by_matrix(Direct *); /* conv_matrix.c: builds the nest */
#endif
/* Loads two bf16 numbers of the input, which is d->from or a view of it. */
Val direct_input_pair(const Direct *, Buf *, const Ix *y, const Ix *x, const Ix *c);
/* Loads two bf16 weights per lane. */
Val direct_weight_pairs(const Direct *, const Panels *, const Ix *panel, const Ix *ky, const Ix *kx,
                        const Ix *c, const Ix *lane);
#endif
