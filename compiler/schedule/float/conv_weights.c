// conv_weights.c: Weight gradient of convolutions and transposed convolutions.
// SPDX-License-Identifier: Apache-2.0
//
//     dw[s][l][ky][kx] += sum over y, x of small[y][x][s] * large[y*S + ky*D - P][x*S + kx*D - P][l]
//
// For each tap, the sums of a tile stay in registers during the loop over all pixels. A tile is a few
// channels of one side times vectors of channels of the other side. The range of pixels for which a tap is
// inside the large side is constant, so no test is needed. Taps with the same range share a loop.
//
// Example: `x: 14x14x6 -> conv(16, 3x3, stride=2) -> train(8)` --target=x86-64-v3 --train --exact,
// lines 8-17 of conv1_weight_gradient_tap_4x2:
//
//     for (int n = 0; n < 6; n++)
//       for (int m = 0; m < 6; m++) {
//         const v8 v0_2 = LOAD(v8, in1[n][m][0]);
//         const v8 v1_2 = LOAD(v8, in1[n][m][8]);
//         UNROLL for (int p = 0; p < 4; p++) {
//           a[0][0][p][0] += in[ky + 2*n][kx + 2*m][p] * v0_2;
//           a[0][0][p][1] += in[ky + 2*n][kx + 2*m][p] * v1_2;
//         }
//       }
//     UNROLL for (int p = 0; p < 4; p++) {
#include "schedule/float/axis.h"
#include "schedule/float/phases.h"
#include "schedule/schedule.h"

enum { FEW = 4, MOST_VECTORS = 4, WORTH_A_COPY = 4 };

typedef struct Side {
  Buf *buf;
  int64_t channels;
} Side; /* one side of the convolution; channels: number of channels of one group */

typedef struct Weights {
  Lower *l;
  Correlation k;
  bool over_large; /* the vectors run over the large side's channels */
  int lanes, vectors;
  int64_t broadcast; /* number of channels of the other side in a tile */
  int64_t vector_channels, broadcast_channels;
  bool whole_rows; /* all taps of a row of the kernel are summed together; used if the other side has few
                      channels, or for interleaved images */
  Buf *tile;       /* for some layers with interleaved images: a contiguous copy of the vectors of a tile's
                      channels; NULL: no copy */
  bool pointwise;  /* the kernel has one tap: the gradient is [s][l]; with over_large, vectors over l are
                      stored whole */
} Weights;

/* ---- one tap of one tile, or all taps of a row of the kernel ---- */
typedef struct Piece {
  int64_t broadcast;
  int vectors, part, taps, unroll;
} Piece; /* taps: number of adjacent taps; unroll: number of pixels that have separate sums */
typedef struct Taps {
  TapRun rows[MOST_TAP_RUNS], columns[MOST_TAP_RUNS];
  int nrows, ncolumns;
} Taps;

static Val weights_vector_at(Nest *b, const Weights *w, const Piece *piece, const Ix *sy, const Ix *sx,
                             const Ix *ly, const Ix *lx, const Ix *channel, int v) {
  if (w->tile) return nest_load(b, nest_at(b, w->tile, *sy, *sx, v), 1);
  const Ix c = *channel + w->lanes * v;
  const Ref ref = w->over_large ? nest_at(b, w->l->in[0], *ly, *lx, c) : nest_at(b, w->l->in[1], *sy, *sx, c);
  return v == piece->vectors - 1 && piece->part < w->lanes ? nest_load_part(b, ref, piece->part, w->lanes)
                                                           : nest_load(b, ref, w->lanes);
}

typedef struct Channels {
  Ix vector, broadcast;
} Channels;

/* Adds the products of the small side's pixel (y, x), for the taps kx .. kx+count-1, to the sums acc[u][slot
 * .. slot+count-1]. */
static void add_pixel(Nest *b, const Weights *w, const Piece *piece, Buf *acc, int u, const Ix *y,
                      const Ix *x, const Ix *ky, const Ix *kx, int64_t count, int64_t slot,
                      const Channels *c) {
  const Correlation *k = &w->k;
  const Ix ly = *y * k->stride[0] + *ky * k->dilation[0] - k->before[0],
           lx = *x * k->stride[1] + *kx * k->dilation[1] - k->before[1];
  Val v[MOST_VECTORS];
  for (int i = 0; i < piece->vectors; i++)
    v[i] = nest_let(b, nest_text(b, "v%d", i), weights_vector_at(b, w, piece, y, x, &ly, &lx, &c->vector, i));
  for (int64_t t = 0; t < count; t++)
    NEST_UNROLL(b, p, piece->broadcast) {
      Val other =
          nest_load(b,
                    w->over_large ? nest_at(b, w->l->in[1], *y, *x, c->broadcast + p)
                                  : nest_at(b, w->l->in[0], ly, lx + t * k->dilation[1], c->broadcast + p),
                    1);
      for (int i = 0; i < piece->vectors; i++)
        nest_accumulate(b, nest_at(b, acc, u, slot + t, p, i), other, v[i]);
    }
}

static void weights_add_to_gradient(Nest *b, const Weights *w, const Piece *piece, Buf *acc, const Ix *ky,
                                    const Ix *kx, const Ix *s0, const Ix *l0) {
  const int L = w->lanes;
  for (int64_t t = 0; t < piece->taps; t++)
    NEST_UNROLL(b, p, piece->broadcast)
      for (int i = 0; i < piece->vectors; i++) {
        const int part = i == piece->vectors - 1 ? piece->part : L;
        Val sum = nest_get(b, nest_at(b, acc, 0, t, p, i));
        for (int u = 1; u < piece->unroll; u++) sum = add(sum, nest_get(b, nest_at(b, acc, u, t, p, i)));
        if (w->pointwise && w->over_large) {
          const Ref ref = nest_at(b, w->l->out, *s0 + p, *l0 + L * i);
          nest_store_part(b, ref, add(nest_load_part(b, ref, part, L), sum), part);
          continue;
        }
        Val total = nest_let(b, "sum", sum);
        for (int lane = 0; lane < part; lane++) {
          const Ix s = w->over_large ? *s0 + p : *s0 + L * i + lane,
                   l = w->over_large ? *l0 + L * i + lane : *l0 + p, tap = *kx + t;
          Ix index[4];
          const Ref ref =
              w->pointwise
                  ? nest_at(b, w->l->out, s, l)
                  : nest_ref(b, w->l->out, correlation_weight_index(&w->k, index, &s, &l, ky, &tap), index);
          nest_store(b, ref, add(L > 1 ? lane_at(b, total, NEST_IX(lane)) : total, nest_load(b, ref, 1)));
        }
      }
}

static Buf *sums(Nest *b, const Weights *w, const Piece *piece) {
  Buf *acc = NEST_REGISTERS(b, "a", w->lanes, piece->unroll, piece->taps, piece->broadcast, piece->vectors);
  for (int u = 0; u < piece->unroll; u++)
    for (int64_t t = 0; t < piece->taps; t++)
      NEST_UNROLL(b, p, piece->broadcast)
        for (int i = 0; i < piece->vectors; i++) nest_store(b, nest_at(b, acc, u, t, p, i), num(b, 0));
  return acc;
}

/* Creates tap(ky, kx, y0, yn, x0, xn, xr, s0, l0, g0), which sums one tap over rows y0 .. y0+yn-1 and columns
 * x0 .. x0 + unroll*xn + xr - 1, for a tile of the weights whose first channels are s0 and l0. g0: first
 * channel of the group on the large side. */
static NestFn *tap_function(const Weights *w, const Piece *piece) {
  Nest *b = w->l->b;
  NestFn *fn = nest_fn(b,
                       nest_text(b, "tap_%dx%d%s", (int)piece->broadcast, piece->vectors,
                                 piece->part < w->lanes ? "_part" : ""),
                       false);
  const Ix ky = nest_arg(b, "ky"), kx = nest_arg(b, "kx"), y0 = nest_arg(b, "y0"), yn = nest_arg(b, "yn"),
           x0 = nest_arg(b, "x0"), xn = nest_arg(b, "xn"), xr = nest_arg(b, "xr"), s0 = nest_arg(b, "s0"),
           l0 = nest_arg(b, "l0"), g0 = nest_arg(b, "g0");
  const Channels c = w->over_large ? (Channels){g0 + l0, s0} : (Channels){s0, g0 + l0};
  Buf *acc = sums(b, w, piece);
  NEST_FOR(b, n, yn) {
    const Ix y = y0 + n;
    NEST_FOR(b, m, xn)
      for (int u = 0; u < piece->unroll; u++)
        add_pixel(b, w, piece, acc, u, &y, NEST_IX(x0 + m * piece->unroll + u), &ky, &kx, 1, 0, &c);
    if (piece->unroll > 1)
      NEST_FOR(b, m, xr)
        add_pixel(b, w, piece, acc, 0, &y, NEST_IX(x0 + xn * piece->unroll + m), &ky, &kx, 1, 0, &c);
  }
  weights_add_to_gradient(b, w, piece, acc, &ky, &kx, &s0, &l0);
  return fn;
}

/* Creates taps(ky, y0, yn, s0, l0, g0), which sums all taps of a row of the kernel: each pixel of the small
 * side is loaded once for all taps of that row. */
static NestFn *weights_row_function(const Weights *w, const Taps *taps, const Piece *piece) {
  Nest *b = w->l->b;
  NestFn *fn = nest_fn(b,
                       nest_text(b, "taps_%dx%d%s", (int)piece->broadcast, piece->vectors,
                                 piece->part < w->lanes ? "_part" : ""),
                       false);
  const Ix ky = nest_arg(b, "ky"), y0 = nest_arg(b, "y0"), yn = nest_arg(b, "yn"), s0 = nest_arg(b, "s0"),
           l0 = nest_arg(b, "l0"), g0 = nest_arg(b, "g0"), none = {0};
  const Channels c = {s0, g0 + l0};
  const TapRun all = tap_runs_common(taps->columns, taps->ncolumns, w->k.small.w);
  const int64_t rounds = (all.to - all.from) / piece->unroll;
  Buf *acc = sums(b, w, piece);
  NEST_FOR(b, n, yn) {
    const Ix y = y0 + n;
    NEST_FOR(b, m, rounds)
      for (int u = 0; u < piece->unroll; u++)
        add_pixel(b, w, piece, acc, u, &y, NEST_IX(all.from + m * piece->unroll + u), &ky, &none, piece->taps,
                  0, &c);
    for (int64_t x = all.from + rounds * piece->unroll; x < all.to; x++)
      add_pixel(b, w, piece, acc, (int)(x - all.from - rounds * piece->unroll), &y, NEST_IX(x), &ky, &none,
                piece->taps, 0, &c);
    /* columns outside of the range `all`, where only some taps are inside */
    for (int i = 0; i < taps->ncolumns; i++) {
      const TapRun *run = &taps->columns[i];
      if (run->from < all.from)
        NEST_FROM(b, x, run->from, all.from)
          add_pixel(b, w, piece, acc, 0, &y, &x, &ky, NEST_IX(run->first), run->count, run->first, &c);
      if (run->to > all.to)
        NEST_FROM(b, x, all.to, run->to)
          add_pixel(b, w, piece, acc, 0, &y, &x, &ky, NEST_IX(run->first), run->count, run->first, &c);
    }
  }
  weights_add_to_gradient(b, w, piece, acc, &ky, &none, &s0, &l0);
  return fn;
}

/* ---- all taps of all tiles ---- */
static void call_taps(Nest *b, const Weights *w, const Taps *taps, const Piece *piece, NestFn *fn,
                      const Ix *g, const Ix *vector, const Ix *broadcast) {
  const Ix s0 = *g * w->k.s + (w->over_large ? *broadcast : *vector),
           l0 = w->over_large ? *vector : *broadcast, g0 = *g * w->k.l;
  for (const TapRun *r = taps->rows; r < taps->rows + taps->nrows; r++)
    NEST_FROM(b, ky, r->first, r->first + r->count) {
      if (w->whole_rows) nest_call(b, fn, ky, r->from, r->to - r->from, s0, l0, g0);
      else
        for (const TapRun *c = taps->columns; c < taps->columns + taps->ncolumns; c++) {
          const int64_t width = c->to - c->from;
          NEST_FROM(b, kx, c->first, c->first + c->count)
            nest_call_list(b, fn, 10,
                           (const Ix[]){ky, kx, NEST_Z + r->from, NEST_Z + (r->to - r->from),
                                        NEST_Z + c->from, NEST_Z + width / piece->unroll,
                                        NEST_Z + width % piece->unroll, s0, l0, g0});
        }
    }
}

/* The Piece for these numbers of channels, which are at most the channels of a whole tile. */
static Piece weights_piece_of(const Weights *w, int64_t broadcast, int64_t vector_channels) {
  const int64_t vectors = (vector_channels + w->lanes - 1) / w->lanes;
  Piece piece = {.broadcast = broadcast,
                 .vectors = (int)vectors,
                 .part = (int)(vector_channels - (vectors - 1) * w->lanes),
                 .taps = w->whole_rows ? (int)w->k.kernel[1] : 1,
                 .unroll = 1};
  const int chains = w->l->target->chains;
  while (piece.unroll < chains && piece.taps * piece.broadcast * piece.vectors * piece.unroll < chains)
    piece.unroll *= 2;
  return piece;
}

/* Copies the vectors of a tile to contiguous memory. A tile has only a few of many channels, so its channels
 * of adjacent pixels are far apart in memory, often by a power of two. A cache can hold only few lines at
 * such distances. */
static void weights_copy_tile(Nest *b, const Weights *w, const Ix *channel, int vectors) {
  NEST_FOR(b, y, w->k.small.h)
    NEST_FOR(b, x, w->k.small.w)
      NEST_UNROLL(b, v, vectors)
        nest_store(b, nest_at(b, w->tile, y, x, v),
                   nest_load(b, nest_at(b, w->l->in[1], y, x, *channel + v), 1));
}

static void weights_all_tiles(const Weights *w, const Taps *taps) {
  Nest *b = w->l->b;
  const int64_t step = w->vectors * w->lanes,
                size[2] = {w->vector_channels / step, w->broadcast_channels / w->broadcast};
  const int64_t rest[2] = {w->vector_channels % step, w->broadcast_channels % w->broadcast};
  Piece piece[2][2];
  NestFn *fn[2][2] = {{NULL, NULL}, {NULL, NULL}};
  for (int v = 0; v < 2; v++)
    for (int c = 0; c < 2;
         c++) { /* v: the side of the vectors; c: the other side; each is 0 for whole tiles, 1 for the rest */
      if (!(v ? rest[0] : size[0]) || !(c ? rest[1] : size[1])) continue;
      piece[v][c] = weights_piece_of(w, c ? rest[1] : w->broadcast, v ? rest[0] : step);
      fn[v][c] = w->whole_rows ? weights_row_function(w, taps, &piece[v][c]) : tap_function(w, &piece[v][c]);
    }
  nest_fn(b, b->name, false);
  NEST_FOR(b, g, w->k.groups)
    for (int v = 0; v < 2; v++)
      for (int c = 0; c < 2; c++)
        if (fn[v][c])
          NEST_FOR(b, m, v ? 1 : size[0]) {
            const Ix vector = v ? NEST_Z + size[0] * step : m * step;
            if (w->tile) weights_copy_tile(b, w, NEST_IX(g * w->k.s + vector), piece[v][c].vectors);
            NEST_FOR(b, n, c ? 1 : size[1]) {
              const Ix broadcast = c ? NEST_Z + size[1] * w->broadcast : n * w->broadcast;
              call_taps(b, w, taps, &piece[v][c], fn[v][c], &g, &vector, &broadcast);
            }
          }
}

/* ---- choices ---- */
static int64_t weights_lanes_for(const Lower *l, int64_t channels) {
  int64_t lanes = l->target->lanes;
  while (lanes > 4 && lanes / 2 >= channels) lanes /= 2;
  return lanes;
}

/* Approximate cycles of a tap's products and stores if vectors run over one side: wider vectors are better if
 * they are filled. */
static int64_t cost_over(int64_t lanes, int64_t vector, int64_t broadcast, int64_t pixels,
                         bool whole_stores) {
  const int64_t vectors = (vector + lanes - 1) / lanes * broadcast;
  return vectors * pixels / 2 + (whole_stores ? vectors : 2 * vector * broadcast);
}

/* Chooses tiles for interleaved images. The vector of a channel of the small side is loaded once for all taps
 * of a row. The large side's vectors stay in a cache, because the taps of adjacent pixels read the same
 * vectors. */
static void take_rows(Weights *w, int64_t most) {
  if (w->k.kernel[1] == 1 || w->k.kernel[1] > most) return;
  w->over_large = false;
  w->vector_channels = w->k.s;
  w->broadcast_channels = w->k.l;
  const int64_t vectors = most / w->k.kernel[1];
  w->vectors = (int)(vectors < w->k.s ? vectors : w->k.s);
  if (w->vectors > MOST_VECTORS) w->vectors = MOST_VECTORS;
  w->broadcast = most / (w->k.kernel[1] * w->vectors);
  const int64_t reads = w->k.kernel[0] * ((w->k.l + w->broadcast - 1) / w->broadcast),
                bytes = 4 * w->k.small.h * w->k.small.w * w->vectors * w->l->images;
  if (w->vectors < w->k.s && reads >= WORTH_A_COPY && bytes <= w->l->target->l1)
    w->tile = lower_scratch(w->l, "tile", 3, (int64_t[]){w->k.small.h, w->k.small.w, w->vectors});
}

static bool conv_weights_build(Lower *l) {
  Weights w = {.l = l, .k = correlation_of(l->node)};
  const Correlation *k = &w.k;
  Taps taps;
  taps.nrows = axis_runs(k, 0, taps.rows);
  taps.ncolumns = axis_runs(k, 1, taps.columns);
  if (taps.nrows < 0 || taps.ncolumns < 0) return false;
  w.pointwise = k->kernel[0] * k->kernel[1] == 1 && !k->taps;
  const int64_t pixels = k->small.h * k->small.w, over_large = weights_lanes_for(l, k->l),
                over_small = weights_lanes_for(l, k->s);
  w.over_large = cost_over(over_large, k->l, k->s, pixels, w.pointwise) <=
                 cost_over(over_small, k->s, k->l, pixels, false);
  w.lanes = (int)(w.over_large ? over_large : over_small);
  w.vector_channels = w.over_large ? k->l : k->s;
  w.broadcast_channels = w.over_large ? k->s : k->l;
  w.vectors = w.vector_channels > w.lanes ? 2 : 1;
  w.broadcast = l->target->blocking.gradient_rows;
  const TapRun all = tap_runs_common(taps.columns, taps.ncolumns, k->small.w);
  const int64_t most = l->target->registers * 3 / 4;
  if (l->images > 1) take_rows(&w, most);
  const int64_t sums_of_row =
      k->kernel[1] * (w.broadcast_channels < w.broadcast ? w.broadcast_channels : w.broadcast);
  w.whole_rows = !w.over_large && k->kernel[1] > 1 && (w.broadcast_channels <= FEW || l->images > 1) &&
                 all.count == k->kernel[1] && all.to - all.from >= (l->images > 1 ? 1 : l->target->chains) &&
                 sums_of_row <= most;
  if (w.whole_rows && sums_of_row * w.vectors > most) w.vectors = 1;
  if (w.pointwise) l->out->rank = 2; /* views [s][l][1][1] as [s][l] */
  weights_all_tiles(&w, &taps);
  lower_about(l, "tiles of %d channels x %d vectors of %d channels per %s", (int)w.broadcast, w.vectors,
              w.lanes, w.whole_rows ? "row of taps" : "tap");
  return true;
}

static Cycles conv_weights_cycles(const Lower *l, const Target *target, const Choice *choice) {
  (void)choice;
  const Correlation k = correlation_ranked(l->node);
  return cost_weights(target, &k);
}

const Schedule schedule_conv_weights = {.name = "tap by tap",
                                        .tuning_name = "direct",
                                        .families = FAMILY_BIT(FAMILY_CONV_WEIGHTS) |
                                                    FAMILY_BIT(FAMILY_DEPTHWISE_WEIGHTS),
                                        .takes = takes_channels,
                                        .cycles = conv_weights_cycles,
                                        .build = conv_weights_build,
                                        .variants = choices_itself};
