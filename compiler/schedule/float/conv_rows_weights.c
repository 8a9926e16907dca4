// conv_rows_weights.c: Batched weight gradient of a convolution, or of a transposed convolution.
// SPDX-License-Identifier: Apache-2.0
//
// dw[s][l][ky][kx] += sum over n, y, x of small[n][y][x][s] * large[n][y*S + ky*D - P][x*S + kx*D - P][l]
//
// For each tap, the sums of a tile stay in registers during the loop over the pixels of all images. A tile is
// some channels of the small side times vectors of channels of the large side. In copies of both sides, the
// pixels of all images at one position are contiguous, so one loop covers a row of all images. Positions at
// which a tap reads outside of the image are skipped. If the copy of a panel of the large side is larger
// than the first-level cache, the images are processed in blocks. The gradients of all taps are collected,
// and then transposed into the order of the weights. So each gradient is written once per block.
//
// Example: `x: 4x4x512 -> conv(512, 3x3, pad=same) -> train(64)` --target=x86-64-v3 --train --exact,
// lines 2-11 of conv1_weight_gradient:
//
//       float (*restrict out)[512][9], float (*restrict small)[2][4][128][4], int32_t count) {
//     for (int m = 0; m < 128; m++)
//       for (int q = 0; q < 2; q++)
//         for (int y = 0; y < 4; y++)
//           for (int x = 0; x < 4; x++)
//             for (int n = 0; n < 32; n++) {
//               if (count - 32*q - n >= 1)
//                 AT(v4, small[m][q][y][32*x + n][0]) = LOAD(v4, in1[32*q + n][y][x][4*m]);
//               else
//                 AT(v4, small[m][q][y][32*x + n][0]) = (v4){0};
#include "base/number.h"
#include "schedule/float/gradient_tile.h"
#include "schedule/float/images.h"
#include "schedule/float/phases.h"
#include "schedule/float/rows.h"
#include "schedule/schedule.h"

enum { VECTORS = 2 };

typedef struct Sums {
  Lower *l;
  Correlation k;
  int lanes, tile;        /* tile: number of channels of the small side in a tile */
  int64_t taps;           /* number of taps of the whole kernel */
  int64_t images, blocks; /* number of images per block; number of blocks */
  Buf *small;             /* copy of the small side: [tile][block][y][x * images + image][channel] */
  const Ix *count;
} Sums;

typedef struct Panel {
  GradientColumns columns;
  Buf *large; /* copy of the large side for a block of images: [y][x * images + image][channel] */
} Panel;

static GradientTile gradient_tile_of(const Sums *s, Buf *sums) {
  return (GradientTile){s->l, s->lanes, s->taps, sums};
}

/* ---- copies, with zeros for images that do not exist ---- */
/* Copies one pixel of image n of a block, for the channels of a tile; only `valid` channels exist. */
static void copy_tile(Nest *b, const Sums *s, const Ix *tile, const Ix *block, const Ix *y, const Ix *x,
                      const Ix *n, int64_t valid) {
  const int step = (int)smaller(s->tile, s->l->target->lanes);
  const Ix image = *block * s->images + *n;
  for (int r = 0; r < s->tile; r += step) {
    const Ref to = nest_at(b, s->small, *tile, *block, *y, *x * s->images + *n, r);
    const int part = (int)smaller(valid - r, step);
    Val zero = step > 1 ? splat(num(b, 0), step) : num(b, 0);
    if (part <= 0) {
      nest_store(b, to, zero);
      continue;
    }
    NEST_IF(b, nest_at_least(b, *s->count - image, 1))
      nest_store(b, to,
                 nest_load_part(b, nest_at(b, s->l->in[1], image, *y, *x, *tile * s->tile + r), part, step));
    NEST_ELSE(b) nest_store(b, to, zero);
  }
}

static void copy_tiles(Nest *b, const Sums *s, const Ix *tile, int64_t valid) {
  NEST_FOR(b, q, s->blocks)
    NEST_FOR(b, y, s->k.small.h)
      NEST_FOR(b, x, s->k.small.w)
        NEST_FOR(b, n, s->images) copy_tile(b, s, tile, &q, &y, &x, &n, valid);
}

static void copy_small(Nest *b, const Sums *s, LoopKind loops) {
  const int64_t whole = s->k.s / s->tile, rest = s->k.s % s->tile;
  if (whole)
    NEST_LOOP(b, m, loops, 1, NEST_IX(0), 1, NEST_IX(whole)) copy_tiles(b, s, &m, s->tile);
  if (rest) copy_tiles(b, s, NEST_IX(whole), rest);
}

static void copy_large(Nest *b, const Sums *s, const Panel *panel, const Ix *block) {
  const GradientColumns *columns = &panel->columns;
  const GradientTile sums = gradient_tile_of(s, NULL);
  const int L = s->lanes;
  NEST_FOR(b, y, s->k.large.h)
    NEST_FOR(b, x, s->k.large.w)
      NEST_FOR(b, n, s->images) {
        const Ix image = *block * s->images + n;
        NEST_IF(b, nest_at_least(b, *s->count - image, 1))
          for (int v = 0; v < columns->vectors; v++)
            nest_store(b, nest_at(b, panel->large, y, x * s->images + n, v * L),
                       nest_load_part(b, nest_at(b, s->l->in[0], image, y, x, columns->first + v * L),
                                      gradient_tile_part(&sums, columns, v), L));
        NEST_ELSE(b)
          for (int v = 0; v < columns->vectors; v++)
            nest_store(b, nest_at(b, panel->large, y, x * s->images + n, v * L), splat(num(b, 0), L));
      }
}

/* ---- a tile ---- */
/* Multiplies the tile's channels at [y][small] of the small side's copy by the panel's channels at
 * [ly][large] of the large side's copy. Adds the products to the sums. */
static void add_products(Nest *b, const Sums *s, const Panel *panel, Buf *acc, const Ix *tile,
                         const Ix *block, const Ix *y, const Ix *small, const Ix *ly, const Ix *large) {
  Val w[VECTORS];
  for (int v = 0; v < panel->columns.vectors; v++)
    w[v] = nest_let(b, nest_text(b, "v%d", v),
                    nest_load(b, nest_at(b, panel->large, *ly, *large, v * s->lanes), s->lanes));
  NEST_UNROLL(b, r, s->tile)
    for (int v = 0; v < panel->columns.vectors; v++)
      nest_accumulate(b, nest_at(b, acc, r, v),
                      nest_load(b, nest_at(b, s->small, *tile, *block, *y, *small, r), 1), w[v]);
}

/* Adds the products of a row of the small side for one tap. With stride 1, one loop covers the positions of
 * all images. */
static void add_row(Nest *b, const Sums *s, const Panel *panel, Buf *acc, const Ix *tile, const Ix *block,
                    const Ix *y, const Ix *ly, const Ix *kx) {
  const Correlation *k = &s->k;
  const Ix shift = *kx * k->dilation[1] - k->before[1];
  if (k->stride[1] == 1) {
    NEST_CLIP(b, j, 0, shift * -s->images, k->small.w * s->images, (NEST_Z + k->large.w - shift) * s->images)
      add_products(b, s, panel, acc, tile, block, y, &j, ly, NEST_IX(j + shift * s->images));
    return;
  }
  NEST_FOR(b, x, k->small.w) {
    const Ix lx = x * k->stride[1] + shift;
    NEST_IF(b, nest_within(b, lx, 0, k->large.w))
      NEST_FOR(b, n, s->images)
        add_products(b, s, panel, acc, tile, block, y, NEST_IX(x * s->images + n), ly,
                     NEST_IX(lx * s->images + n));
  }
}

/* Computes the sums of one tap over a block of images, and stores them in gathered[tap]. */
static void row_weights_sum_tap(Nest *b, const Sums *s, const Panel *panel, Buf *gathered, const Ix *block,
                                const Ix *tile, const Ix *ky, const Ix *kx) {
  const Correlation *k = &s->k;
  const int L = s->lanes;
  const GradientTile sums = gradient_tile_of(s, gathered);
  gradient_tile_prefetch(&sums, &panel->columns, NEST_IX(*tile * s->tile), s->tile,
                         NEST_IX(*ky * k->kernel[1] + *kx));
  Buf *acc = NEST_REGISTERS(b, "a", L, s->tile, panel->columns.vectors);
  NEST_UNROLL(b, r, s->tile)
    for (int v = 0; v < panel->columns.vectors; v++) nest_store(b, nest_at(b, acc, r, v), num(b, 0));
  NEST_FOR(b, y, k->small.h) {
    const Ix ly = y * k->stride[0] + *ky * k->dilation[0] - k->before[0];
    NEST_IF(b, nest_within(b, ly, 0, k->large.h)) add_row(b, s, panel, acc, tile, block, &y, &ly, kx);
  }
  NEST_UNROLL(b, r, s->tile)
    for (int v = 0; v < panel->columns.vectors; v++)
      nest_store(b, nest_at(b, gathered, *ky * k->kernel[1] + *kx, r, v * L),
                 nest_get(b, nest_at(b, acc, r, v)));
}

static void row_weights_tile(Nest *b, const Sums *s, const Panel *panel, const Ix *block, const Ix *number,
                             int64_t valid) {
  Buf *gathered = NEST_BUF(b, STACK, "sums", s->taps, s->tile, panel->columns.vectors * s->lanes);
  NEST_FOR(b, ky, s->k.kernel[0])
    NEST_FOR(b, kx, s->k.kernel[1]) row_weights_sum_tap(b, s, panel, gathered, block, number, &ky, &kx);
  const GradientTile sums = gradient_tile_of(s, gathered);
  gradient_tile_add(&sums, &panel->columns, NEST_IX(*number * s->tile), valid);
}

/* ---- panels ---- */
static void row_weights_panel(Nest *b, const Sums *s, const Panel *given) {
  const int64_t whole = s->k.s / s->tile, rest = s->k.s % s->tile;
  NEST_FOR(b, q, s->blocks) {
    Panel own = *given;
    own.large =
        NEST_BUF(b, STACK, "large", s->k.large.h, s->k.large.w * s->images, own.columns.vectors * s->lanes);
    copy_large(b, s, &own, &q);
    if (whole)
      NEST_FOR(b, m, whole) row_weights_tile(b, s, &own, &q, &m, s->tile);
    if (rest) row_weights_tile(b, s, &own, &q, NEST_IX(whole), rest);
  }
}

static bool conv_rows_weights_build(Lower *l) {
  Sums s = {.l = l, .k = correlation_of(l->node), .lanes = l->target->lanes};
  const Correlation *k = &s.k;
  const int64_t width = VECTORS * s.lanes, whole = k->l / width, rest = k->l % width,
                vectors = (rest + s.lanes - 1) / s.lanes, image = 4 * width * k->large.h * k->large.w;
  const LoopKind loops = l->threads ? PARALLEL : SERIAL;
  s.tile = l->target->blocking.gradient_rows;
  s.taps = k->kernel[0] * k->kernel[1];
  s.blocks = ceil_divide(l->rows, larger(l->target->l1 / image, 1));
  s.images = ceil_divide(l->rows, s.blocks);
  if (s.blocks > 1) lower_must_add(l);
  s.small = lower_scratch(
      l, "small", 5,
      (int64_t[]){ceil_divide(k->s, s.tile), s.blocks, k->small.h, k->small.w * s.images, s.tile});
  gradient_tile_by_taps(l->out, s.taps);
  Nest *b = l->b;
  nest_fn(b, b->name, false);
  const Ix count = lower_rows(l);
  s.count = &count;
  copy_small(b, &s, loops);
  if (whole)
    NEST_LOOP(b, m, loops, 1, NEST_IX(0), 1, NEST_IX(whole))
      row_weights_panel(b, &s, &(Panel){.columns = {m * width, VECTORS, s.lanes}});
  if (rest)
    row_weights_panel(
        b, &s,
        &(Panel){.columns = {NEST_Z + whole * width, (int)vectors, (int)(rest - (vectors - 1) * s.lanes)}});
  lower_about(l, "batched: for each tap, tiles of %d channels x %d vectors of %d channels", s.tile, VECTORS,
              s.lanes);
  return true;
}

const Schedule schedule_conv_rows_weights = {.name = "batched",
                                             .families = FAMILY_BIT(FAMILY_CONV_WEIGHTS),
                                             .takes = takes_whole_batch,
                                             .refused = conv_rows_refused,
                                             .cycles = conv_rows_cycles,
                                             .build = conv_rows_weights_build};
