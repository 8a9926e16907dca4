// conv_rows.c: Batched convolutions, transposed convolutions and their input gradients.
// SPDX-License-Identifier: Apache-2.0
//
//     out[n][oy][ox][f] = finish(bias[f] + sum over ty, tx, c of in[n][iy][ix][c] * w[ky][kx][c][f])
//     One Axis (axis.h) determines oy and, for each ty, iy and ky. A second Axis determines ox and, for each
//     tx, ix and kx.
//
// A register tile has the sums of one position, for several images and one or two vectors of output channels.
// So at an edge, the same taps are outside the input for the whole tile. Output channels are divided into
// panels, input channels into blocks. The weights of a panel for one block stay in a cache for all positions
// of all images, so each weight is read from memory once. In training, these weights are first transposed
// into the order in which tiles read them. In inference, they are packed.
//
// Example: `x: 2x2x512 -> conv(2048, 3x3, pad=same)` --target=x86-64-v3 --batch=64 --exact,
// lines 20-27 of conv1:
//
//     for (int ty = 1 - oy; ty < 3 - oy; ty++)
//       for (int tx = 1 - ox; tx < 3 - ox; tx++)
//         for (int i = 0; i < 256; i++) {
//           const v8 w0 = LOAD(v8, weight[2*m + q][ty][tx][i][0]);
//           const v8 w1 = LOAD(v8, weight[2*m + q][ty][tx][i][8]);
//           a[0][0] += in[4*m_2][oy + ty - 1][ox + tx - 1][256*q + i] * w0;
//           a[0][1] += in[4*m_2][oy + ty - 1][ox + tx - 1][256*q + i] * w1;
//           a[1][0] += in[4*m_2 + 1][oy + ty - 1][ox + tx - 1][256*q + i] * w0;
#include "base/number.h"
#include "schedule/float/direct.h"
#include "schedule/float/images.h"
#include "schedule/float/rows.h"

enum { VECTORS = 2, FEW_TAPS = 2, MOST_AHEAD = 4 };

typedef struct Rows {
  Lower *l;
  Correlation k;
  bool spread;         /* the output is the large side */
  int64_t in, out;     /* channels */
  int64_t taps, block; /* number of taps of the kernel; number of input channels of a block */
  int lanes, vectors, tile;
  Buf *w, *bias; /* w: the weights in their natural layout; NULL in inference. bias: in inference, padded to
                    whole vectors */
  Ix count;
} Rows;

/* The output channels of a register tile, starting at `first`; part: lanes in use in the last vector. In
 * training, the weights are w[ky][kx][c][channel - first]. In inference, they are the packed weights
 * w[number][ky][kx][c][from + channel - first]; `number` is the index of a packed panel and a block of input
 * channels. */
typedef struct Panel {
  Ix first;
  int vectors, part;
  Buf *w;
  bool packed;
  Ix number, from;
} Panel;

static int rows_part_of(const Rows *c, const Panel *panel, int v) {
  return v == panel->vectors - 1 ? panel->part : c->lanes;
}

/* ---- the weights of a panel's block ---- */
/* Reference to the weight of output channel f, input channel i and tap `tap`, in the natural layout. */
static Ref weight_at(Nest *b, const Rows *c, const Ix *f, const Ix *i, int64_t tap) {
  const Ix s = c->spread ? *i : *f, l = c->spread ? *f : *i;
  return c->taps > 1 ? nest_at(b, c->w, s, l, tap) : nest_at(b, c->w, s, l);
}

static void store_weight(Nest *b, const Rows *c, const Panel *panel, int64_t tap, const Ix *i, Ix f, Val w) {
  const int64_t width = c->k.kernel[1];
  nest_store(b, nest_at(b, panel->w, tap / width, tap % width, *i, f), w);
}

/* Copies all taps of a vector of output channels, transposed: in the natural layout, the taps of a channel
 * are contiguous. */
static void turn_taps(Nest *b, const Rows *c, const Panel *panel, const Ix *first, const Ix *i, int v) {
  const int L = c->lanes, part = rows_part_of(c, panel, v);
  const Ix from = *first + *i;
  for (int64_t t0 = 0; t0 < c->taps; t0 += L) {
    const int taps = (int)smaller(c->taps - t0, L);
    Val x[LANES];
    for (int j = 0; j < L && taps > FEW_TAPS; j++) {
      const Ix f = panel->first + v * L + j;
      x[j] = j < part ? nest_let(b, nest_text(b, "x%d", j),
                                 nest_load_part(b, weight_at(b, c, &f, &from, t0), taps, L))
                      : splat(num(b, 0), L);
    }
    if (taps > FEW_TAPS) walk_transpose(b, x, L);
    for (int t = 0; t < taps; t++)
      if (taps > FEW_TAPS) store_weight(b, c, panel, t0 + t, i, NEST_Z + v * L, x[t]);
      else
        for (int j = 0; j < L; j++) {
          const Ix f = panel->first + v * L + j;
          store_weight(b, c, panel, t0 + t, i, NEST_Z + v * L + j,
                       j < part ? nest_load(b, weight_at(b, c, &f, &from, t0 + t), 1) : num(b, 0));
        }
  }
}

/* Transposes the weights [f][i] of a 1x1 kernel: first whole squares of L x L weights (L: lanes), then the
 * rest. */
static void turn_squares(Nest *b, const Rows *c, const Panel *panel, const Ix *first, int64_t depth, int v) {
  const int64_t L = c->lanes, squares = depth / L;
  const int part = rows_part_of(c, panel, v);
  if (squares)
    NEST_FOR(b, q, squares) {
      Val x[LANES];
      for (int j = 0; j < L; j++) {
        const Ix f = panel->first + v * L + j;
        x[j] = j < part ? nest_let(b, nest_text(b, "x%d", j),
                                   nest_load(b, weight_at(b, c, &f, NEST_IX(*first + q * L), 0), (int)L))
                        : splat(num(b, 0), (int)L);
      }
      walk_transpose(b, x, (int)L);
      for (int j = 0; j < L; j++) store_weight(b, c, panel, 0, NEST_IX(q * L + j), NEST_Z + v * L, x[j]);
    }
  if (depth % L)
    NEST_FROM(b, i, squares * L, depth)
      for (int j = 0; j < L; j++) {
        const Ix f = panel->first + v * L + j;
        store_weight(b, c, panel, 0, &i, NEST_Z + v * L + j,
                     j < part ? nest_load(b, weight_at(b, c, &f, NEST_IX(*first + i), 0), 1) : num(b, 0));
      }
}

static void fill_panel(Nest *b, const Rows *c, const Panel *panel, const Ix *first, int64_t depth) {
  const int L = c->lanes;
  for (int v = 0; v < panel->vectors; v++) {
    if (c->taps == 1 && !c->spread) turn_squares(b, c, panel, first, depth, v);
    else
      NEST_FOR(b, i, depth) {
        const Ix f = panel->first + v * L, from = *first + i;
        if (c->taps > 1) turn_taps(b, c, panel, first, &i, v);
        else
          store_weight(b, c, panel, 0, &i, NEST_Z + v * L,
                       nest_load_part(b, weight_at(b, c, &f, &from, 0), rows_part_of(c, panel, v), L));
      }
  }
}

/* ---- tiles ---- */
/* Number of tiles that cover all images at one output position. */
static int64_t tiles_of(const Rows *c) { return ceil_divide(c->l->rows, c->tile); }

/* Output position (oy, ox) of all images, and `depth` input channels, from channel `first` on. site: index of
 * the position among the `sites` positions of an image. */
typedef struct Place {
  const Axis *y, *x;
  Ix oy, ox, first, site;
  int64_t depth, sites;
} Place;

static Ref rows_sum_at(Nest *b, const Rows *c, const Panel *panel, const Place *p, const Ix *row, int v) {
  return nest_at(b, c->l->out, *row, p->y->out_first + p->oy * p->y->out_step,
                 p->x->out_first + p->ox * p->x->out_step, panel->first + v * c->lanes);
}

/* Prefetches weights of the next block while this block is computed. Without the prefetch, fill_panel would
 * wait for memory, because the rows of weights are far apart in memory. Each tile prefetches a share of these
 * rows: a few cache lines per input channel i and input position. */
static void prefetch_weights(Nest *b, const Rows *c, const Panel *panel, const Place *p, const Ix *tile,
                             const Ix *iy, const Ix *ix, const Ix *i) {
  const int64_t width = panel->vectors * c->lanes, rows = c->spread ? p->depth : width,
                length = (c->spread ? width : p->depth) * c->taps,
                each = ceil_divide(rows, p->sites * tiles_of(c)), places = p->y->in_size * p->x->in_size,
                some = smaller(ceil_divide(each, places), MOST_AHEAD);
  const int64_t room = c->w->dim[1] * c->taps, most = p->sites * tiles_of(c) * each + places * some;
  if ((most + c->in + c->block + c->out) * room > INT32_MAX / 2) return; /* indices of prefetches are ints */
  const Ix next = p->first + c->block;
  for (int64_t k = 0; k < some; k++) {
    const Ix mine = each > 1 ? (*iy * p->x->in_size + *ix) * some + k : NEST_Z, row = *tile * each + mine,
             s = (c->spread ? next : panel->first) + row, l = c->spread ? panel->first : next;
    NEST_IF(b, cond_and(nest_within(b, row, 0, rows), nest_within(b, mine, 0, each)))
      nest_prefetch(b, c->w, s * room + l * c->taps + *i * ceil_divide(length, p->depth));
  }
}

static void tap(Nest *b, const Rows *c, const Panel *panel, const Place *p, Buf *acc, const Ix *row, int rows,
                const Ix *ty, const Ix *tx, const Ix *fetch) {
  const int L = c->lanes;
  const Ix iy = p->y->in_first + p->oy * p->y->in_step + *ty * p->y->tap_step,
           ix = p->x->in_first + p->ox * p->x->in_step + *tx * p->x->tap_step,
           ky = p->y->tap_first + *ty * p->y->tap_stride, kx = p->x->tap_first + *tx * p->x->tap_stride;
  NEST_IF(b, cond_and(nest_within(b, iy, 0, p->y->in_size), nest_within(b, ix, 0, p->x->in_size)))
    NEST_FOR(b, i, p->depth) {
      Val w[VECTORS];
      for (int v = 0; v < panel->vectors; v++)
        w[v] = nest_let(b, nest_text(b, "w%d", v),
                        nest_load(b,
                                  panel->packed
                                      ? nest_at(b, panel->w, panel->number, ky, kx, i, panel->from + v * L)
                                      : nest_at(b, panel->w, ky, kx, i, v * L),
                                  L));
      if (fetch) prefetch_weights(b, c, panel, p, fetch, &iy, &ix, &i);
      for (int r = 0; r < rows; r++)
        for (int v = 0; v < panel->vectors; v++)
          nest_accumulate(b, nest_at(b, acc, r, v),
                          nest_load(b, nest_at(b, c->l->in[0], *row + r, iy, ix, p->first + i), 1), w[v]);
    }
}

/* fetch: index of the tile if the tile prefetches weights; otherwise NULL. */
static void rows_tile(Nest *b, const Rows *c, const Panel *panel, const Place *p, const Ix *row, int rows,
                      const Ix *fetch) {
  Buf *acc = NEST_REGISTERS(b, "a", c->lanes, rows, panel->vectors);
  NEST_UNROLL(b, r, rows)
    for (int v = 0; v < panel->vectors; v++)
      nest_store(b, nest_at(b, acc, r, v),
                 nest_load_part(b, rows_sum_at(b, c, panel, p, NEST_IX(*row + r), v),
                                rows_part_of(c, panel, v), c->lanes));
  for (const Ix ty = *axis_taps(b, "ty", p->y, &p->oy); nest_enter(b);)
    for (const Ix tx = *axis_taps(b, "tx", p->x, &p->ox); nest_enter(b);)
      tap(b, c, panel, p, acc, row, rows, &ty, &tx, fetch);
  NEST_UNROLL(b, r, rows)
    for (int v = 0; v < panel->vectors; v++)
      nest_store_part(b, rows_sum_at(b, c, panel, p, NEST_IX(*row + r), v),
                      nest_get(b, nest_at(b, acc, r, v)), rows_part_of(c, panel, v));
}

/* Computes whole tiles. The remaining images are computed with at most one tile of half the size, then with
 * tiles of one image. */
static void tiles(Nest *b, const Rows *c, const Panel *panel, const Place *p) {
  const int T = c->tile, half = T / 2;
  const Ix count = c->count;
  const bool fetches = !panel->packed && c->taps > 1 && c->in > c->block;
  NEST_FOR(b, m, tiles_of(c)) {
    const Ix number = p->site * tiles_of(c) + m;
    NEST_IF(b, nest_at_least(b, count - m * T, T))
      rows_tile(b, c, panel, p, NEST_IX(m * T), T, fetches ? &number : NULL);
    NEST_ELSE(b) {
      NEST_IF(b, nest_at_least(b, count - m * T, half)) {
        rows_tile(b, c, panel, p, NEST_IX(m * T), half, NULL);
        NEST_FROM(b, n, m * T + half, count) rows_tile(b, c, panel, p, &n, 1, NULL);
      }
      NEST_ELSE(b)
        NEST_FROM(b, n, m * T, count) rows_tile(b, c, panel, p, &n, 1, NULL);
    }
  }
}

/* Computes all positions, phase by phase if the output is the large side and the stride is above 1. */
static void rows_places(Nest *b, const Rows *c, const Panel *panel, const Ix *first, int64_t depth) {
  const Correlation *k = &c->k;
  const Extent e = shape_extent(c->l->node->shape);
  int64_t before = 0;
  for (int64_t py = 0; py < (c->spread ? k->stride[0] : 1); py++)
    for (int64_t px = 0; px < (c->spread ? k->stride[1] : 1); px++) {
      const Axis y = c->spread ? axis_phase(k, 0, py) : axis_gathered(k, 0),
                 x = c->spread ? axis_phase(k, 1, px) : axis_gathered(k, 1);
      if (!y.count || !x.count || !y.taps || !x.taps) continue;
      NEST_FOR(b, oy, y.count)
        NEST_FOR(b, ox, x.count)
          tiles(b, c, panel, &(Place){&y, &x, oy, ox, *first, before + oy * x.count + ox, depth, e.h * e.w});
      before += y.count * x.count;
    }
}

/* ---- panels ---- */
static void rows_block(Nest *b, const Rows *c, const Panel *given, const Ix *number, int64_t depth) {
  Panel panel = *given;
  const Ix first = *number * c->block;
  if (panel.packed) panel.number = panel.number + *number;
  else {
    panel.w = NEST_BUF(b, STACK, "w", c->k.kernel[0], c->k.kernel[1], depth, panel.vectors * c->lanes);
    fill_panel(b, c, &panel, &first, depth);
  }
  rows_places(b, c, &panel, &first, depth);
}

static Val begin_sum(Nest *b, const Rows *c, const Panel *panel, int v) {
  if (!c->bias) return splat(num(b, 0), c->lanes);
  const Ref ref = nest_at(b, c->bias, panel->first + v * c->lanes);
  return nest_load_part(b, ref, panel->packed ? c->lanes : rows_part_of(c, panel, v), c->lanes);
}

static void panel(Nest *b, const Rows *c, const Panel *panel) {
  const Extent e = shape_extent(c->l->node->shape);
  const int64_t whole = c->in / c->block, rest = c->in % c->block;
  NEST_FROM(b, n, 0, c->count)
    NEST_FOR(b, y, e.h)
      NEST_FOR(b, x, e.w)
        for (int v = 0; v < panel->vectors; v++)
          nest_store_part(b, nest_at(b, c->l->out, n, y, x, panel->first + v * c->lanes),
                          begin_sum(b, c, panel, v), rows_part_of(c, panel, v));
  if (whole)
    NEST_FOR(b, q, whole) rows_block(b, c, panel, &q, c->block);
  if (rest) rows_block(b, c, panel, NEST_IX(whole), rest);
  if (c->l->kernel->nchain)
    NEST_FROM(b, n, 0, c->count) {
      c->l->row = &n;
      NEST_FOR(b, y, e.h)
        NEST_FOR(b, x, e.w)
          for (int v = 0; v < panel->vectors; v++) {
            const Ix f = panel->first + v * c->lanes;
            const int part = rows_part_of(c, panel, v);
            lower_store(c->l, nest_load_part(b, nest_at(b, c->l->out, n, y, x, f), part, c->lanes), &y, &x,
                        &f, part, c->lanes);
          }
    }
}

/* Computes `valid` channels of a panel, from `first` on, in steps of a register tile's width. */
static void parts_of_panel(Nest *b, const Rows *c, const Panel *given, const Ix *first, int64_t valid) {
  const int64_t step = c->vectors * c->lanes, whole = valid / step, rest = valid % step,
                vectors = ceil_divide(rest, c->lanes);
  Panel own = *given;
  own.vectors = c->vectors;
  own.part = c->lanes;
  if (whole)
    NEST_FOR(b, m, whole) {
      own.first = *first + m * step;
      own.from = m * step;
      panel(b, c, &own);
    }
  if (!rest) return;
  own.first = *first + whole * step;
  own.from = NEST_Z + whole * step;
  own.vectors = (int)vectors;
  own.part = (int)(rest - (vectors - 1) * c->lanes);
  panel(b, c, &own);
}

/* Number of images per tile. The registers limit this number. A smaller number is chosen if it divides the
 * number of images, so that all tiles have the same size. */
static int tile_of(const Rows *c) {
  const Target *t = c->l->target;
  const int most = (t->registers - c->vectors - 1) / c->vectors;
  for (int rows = most; rows * c->vectors >= t->chains; rows--)
    if (c->l->rows % rows == 0) return rows;
  return (int)ceil_divide(c->l->rows, ceil_divide(c->l->rows, most));
}

static void rows_begin(Rows *c) {
  Nest *b = c->l->b;
  c->tile = tile_of(c);
  nest_fn(b, b->name, false);
  c->count = lower_rows(c->l);
  lower_about(c->l, "batched: tiles of %d images x %d vectors of %d channels", c->tile, c->vectors, c->lanes);
}

/* ---- inference ---- */
static bool packed_rows(Lower *l, Rows *c) {
  Nest *b = l->b;
  const Direct d = direct_begin(l, c->spread);
  const LoopKind loops = l->threads ? PARALLEL : SERIAL;
  c->block = d.block;
  c->lanes = d.lanes;
  c->vectors = (int)smaller(VECTORS, ceil_divide(c->out, d.lanes));
  c->bias = d.bias;
  rows_begin(c);
  for (int i = 0; i < 2; i++) {
    const Panels *p = &d.panels[i];
    if (p->count)
      NEST_LOOP(b, m, p->count > 1 ? loops : SERIAL, 1, NEST_IX(0), 1, NEST_IX(p->count))
        parts_of_panel(b, c, &(Panel){.w = p->w, .packed = true, .number = (p->before + m) * d.blocks},
                       NEST_IX(p->first + m * p->width), p->valid);
  }
  return true;
}

/* ---- training ---- */
static void rows_choose_block(Rows *c) {
  const int64_t floats = c->taps * c->vectors * c->lanes,
                most = larger(c->l->target->blocking.rows_panel / 4 / floats, c->lanes),
                each = ceil_divide(c->in, ceil_divide(c->in, most));
  c->block = ceil_divide(each, c->lanes) * c->lanes;
}

static bool conv_rows_build(Lower *l) {
  Rows c = {.l = l, .k = correlation_of(l->node), .spread = correlation_spreads(l->node)};
  c.in = c.spread ? c.k.s : c.k.l;
  c.out = c.spread ? c.k.l : c.k.s;
  c.taps = c.k.kernel[0] * c.k.kernel[1];
  if (l->call || !l->batch) return packed_rows(l, &c);
  Nest *b = l->b;
  c.lanes = l->target->lanes;
  c.vectors = (int)smaller(VECTORS, ceil_divide(c.out, c.lanes));
  c.w = lower_weight(l, 0);
  if (l->node->op->traits.second_bias) c.bias = correlation_bias(l, &c.k, c.spread, 0);
  else if (!l->node->hidden) c.bias = lower_weight(l, 1);
  c.w->rank = c.taps > 1 ? 3 : 2; /* views [s][l][ky][kx] as [s][l][tap], or as [s][l] if there is one tap */
  c.w->dim[2] = c.w->room[2] = c.taps;
  rows_choose_block(&c);
  rows_begin(&c);
  const int64_t width = c.vectors * c.lanes, whole = c.out / width, rest = c.out % width;
  if (whole)
    NEST_LOOP(b, m, whole > 1 && l->threads ? PARALLEL : SERIAL, 1, NEST_IX(0), 1, NEST_IX(whole))
      parts_of_panel(b, &c, &(Panel){0}, NEST_IX(m * width), width);
  if (rest) parts_of_panel(b, &c, &(Panel){0}, NEST_IX(whole * width), rest);
  cost_padding_detail(l, &c.k);
  return true;
}

const Schedule schedule_conv_rows = {.name = "batched",
                                     .families = FAMILY_BIT(FAMILY_CONV) | FAMILY_BIT(FAMILY_CONV_SCATTER),
                                     .takes = takes_whole_batch,
                                     .refused = conv_rows_refused,
                                     .cycles = conv_rows_cycles,
                                     .build = conv_rows_build};
