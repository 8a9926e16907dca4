// conv_winograd.c: convolutions of 3x3 and 5x5 with stride 1, and their input gradients, by F(4x4,3x3),
// F(2x2,3x3) and F(2x2,5x5).
// SPDX-License-Identifier: Apache-2.0
//
// The output is cut into tiles of m x m pixels. For a block of whole rows of tiles:
//
//     split     V[xi][t][c] = B^T (input tile t, channel c) B                 xi: one of n*n points, t: a
//     tile of the block multiply  M[xi][t][f] = sum over c of V[xi][t][c] * weight[xi][c][f]    weight: G w
//     G^T, computed when the weights are packed join      output tile t, channel f = finish(A^T M[..][t][f] A
//     + bias[f])
//
// multiply is the register tile of the direct convolution: tiles times two vectors of output channels stay in
// registers while all input channels pass by, and each call fetches its share of the weights that come next.
// Blocks are so small that V and M stay in the second cache. Layers with many blocks give each thread blocks
// of its own. Those with few, or with many weights, share out rows of tiles, then points, then rows again,
// and the threads wait in between. The sums are the same for any number of threads.
//
// Rounding: winograd_error says how much, by the number of channels; up to 512 it is less than 3e-5 of the
// largest output on random data (tests/run/winograd.cnn holds it to that). --exact keeps to the direct
// convolution.
#include "base/number.h"
#include "schedule/choice.h"
#include "schedule/direct.h"
#include "schedule/winograd.h"

enum {
  MOST_SLOTS = 8,
  FEW_BLOCKS = 4,
  WIDEST_EDGE = 2,
  POOLED = 2,
};

/* `count` panels, perhaps with the rest; multiply: for whole blocks, for the last one. */
typedef struct Group {
  int64_t count, width, valid;
  bool rest;
  NestFn *multiply[2];
} Group;

typedef struct MultiplyTile {
  const Panels *panels;
  int64_t count, lines;
  NestFn *fn;
} MultiplyTile; /* so many tiles a call */

typedef struct Conv {
  Lower *l;
  Correlation own, k; /* the node's; as a gathering: from the large side to the small one */
  bool spread;        /* the node spreads: an input gradient, or a transposed convolution */
  Winograd w;
  int lanes, vectors;
  int64_t points;              /* n*n */
  int64_t rows, columns;       /* of tiles */
  int64_t block, blocks, last; /* rows of tiles in a block; whole blocks; rows of the last one, or 0 */
  int64_t slots;               /* blocks that are at work at the same time */
  bool by_blocks, by_points;   /* what threads share; neither: one thread */
  Panels panels[2];            /* whole ones, the rest; w: [point][panel][channel][width] */
  int64_t groups;
  Group group[2]; /* so many of the first kind, one of the second where count or rest is set */
  Buf *bias, *V, *M;
  NestFn *split_row, *join_row[2]; /* join: by group */
  MultiplyTile multiply[8];
  int nmultiply;
} Conv;

static int64_t line_of(const Conv *c) { return c->l->target->line / 4; } /* floats of a cache line */
static int64_t padded(const Conv *c, int64_t floats) { return target_odd_lines(c->l->target, floats); }

/* ---- choices ---- */
/* The number of slots at which two, four and eight threads wait for each other least. */
static int64_t choose_slots(int64_t blocks) {
  int64_t best = 1, least = INT64_MAX;
  for (int64_t slots = 2; slots <= MOST_SLOTS; slots++) {
    int64_t time = 0;
    for (int64_t threads = 2; threads <= 8; threads *= 2)
      time +=
          (ceil_divide(slots, threads) * (blocks / slots) + ceil_divide(blocks % slots, threads)) * threads;
    if (time < least) {
      best = slots;
      least = time;
    }
  }
  return best;
}

static Group group_of(const Conv *c, int64_t panels, bool rest) {
  const int64_t channels = panels * c->panels[0].width;
  const Panels none = {0}, *last = rest ? &c->panels[1] : &none;
  return (Group){
      .count = panels, .width = channels + last->width, .valid = channels + last->valid, .rest = rest};
}

static void choose_blocks(Conv *c) {
  const bool rest = c->panels[1].count > 0,
             threads = c->l->threads && schedule_outer(c->l, correlation_macs(&c->k)) == PARALLEL;
  const Blocking *most = &c->l->target->blocking;
  const bool near = threads && 4 * c->points * c->k.l * c->k.s <= most->winograd_weights;
  const int64_t panels = c->panels[0].count;
  int64_t group = panels;
  c->block = c->rows;
  if (c->rows * c->columns > most->winograd_tiles || c->l->choice.tiles) {
    if (panels) group = smaller(panels, ceil_divide(most->winograd_products, c->panels[0].width));
    const int64_t bytes = 4 * c->points * c->columns *
                          (padded(c, c->k.l) + padded(c, group * c->panels[0].width + c->panels[1].width));
    c->block = smaller(c->rows, larger(most->winograd_block / bytes, 1));
    if (c->l->choice.tiles) c->block = smaller(c->rows, larger(c->l->choice.tiles / c->columns, 1));
    c->block = ceil_divide(c->rows, ceil_divide(c->rows, c->block));
  }
  if (near && c->rows > 1) c->block = smaller(c->block, larger(1, c->rows / FEW_BLOCKS));
  c->blocks = c->rows / c->block;
  c->last = c->rows % c->block;
  c->by_blocks = threads && (c->blocks >= FEW_BLOCKS || (near && c->blocks > 1));
  c->by_points = threads && !c->by_blocks;
  c->groups = group ? panels / group : 0;
  c->slots = c->by_blocks ? choose_slots(c->blocks) : 1;
  c->group[0] = group_of(c, group, false);
  c->group[1] = group_of(c, group ? panels % group : 0, rest);
}

/* ---- packed weights ---- */
static void pack_element(const Conv *c, Pack *pack, const Ix *panel, const Ix *in, const Ix *f,
                         const Ix *out) {
  Nest *b = pack->nest;
  const Winograd *w = &c->w;
  Val half[WINOGRAD_TILE][WINOGRAD_TILE], x[WINOGRAD_TILE], y[WINOGRAD_TILE];
  for (int j = 0; j < w->r; j++) {
    for (int i = 0; i < w->r; i++) {
      const Ix ky = NEST_Z + (c->spread ? w->r - 1 - i : i), kx = NEST_Z + (c->spread ? w->r - 1 - j : j);
      Ix index[4];
      const int rank =
          correlation_weight_index(&c->own, index, c->spread ? in : out, c->spread ? out : in, &ky, &kx);
      x[i] = nest_let(b, nest_text(b, "w%d%d", i, j), lower_packed_weight(c->l, pack, rank, index, out, in));
    }
    winograd_weight(b, w, x, y);
    for (int i = 0; i < w->n; i++) half[i][j] = nest_let(b, nest_text(b, "g%d%d", i, j), y[i]);
  }
  for (int i = 0; i < w->n; i++) {
    winograd_weight(b, w, half[i], y);
    for (int j = 0; j < w->n; j++)
      nest_store(b, nest_at(b, pack->out, w->n * i + j, *panel, *in, *f),
                 mul(num(b, w->scale[i] * w->scale[j]), y[j]));
  }
}

static void pack_panels(Conv *c, Panels *panels, const char *member) {
  Pack *pack = lower_pack(c->l, member, 4, (int64_t[]){c->points, panels->count, c->k.l, panels->width});
  Nest *b = pack->nest;
  NEST_FOR(b, panel, panels->count)
    NEST_FOR(b, in, c->k.l)
      NEST_FOR(b, f, panels->valid) {
        const Ix out = panels->first + panels->width * panel + f;
        pack_element(c, pack, &panel, &in, &f, &out);
      }
  if (panels->valid < panels->width)
    NEST_FOR(b, xi, c->points)
      NEST_FOR(b, panel, panels->count)
        NEST_FOR(b, in, c->k.l)
          NEST_FROM(b, f, panels->valid, panels->width)
            nest_store(b, nest_at(b, pack->out, xi, panel, in, f), num(b, 0));
  panels->w = lower_pack_done(c->l, pack);
}

static void make_panels(Conv *c) {
  const int64_t unit = direct_unit(c->l, c->k.s), width = c->k.s > unit ? 2 * unit : unit,
                whole = c->k.s / width, rest = c->k.s % width;
  c->lanes = (int)smaller(c->l->target->lanes, unit);
  c->vectors = c->lanes == 1 ? 4 : 2;
  if (whole) c->panels[0] = (Panels){.count = whole, .width = width, .valid = width};
  if (rest)
    c->panels[1] =
        (Panels){.count = 1, .width = ceil_divide(rest, unit) * unit, .valid = rest, .first = whole * width};
  if (whole) pack_panels(c, &c->panels[0], "weight");
  if (rest) pack_panels(c, &c->panels[1], whole ? "weight_rest" : "weight");
  c->bias = correlation_bias(c->l, &c->own, c->spread, c->k.s + unit);
}

/* ---- split ---- */
typedef enum Tests { TEST_NONE, TEST_ROWS, TEST_ALL } Tests; /* what of an input tile may lie outside */

static Val input_at(const Conv *c, Tests tests, const Ix *y, const Ix *x, const Ix *channel, int part) {
  Nest *b = c->l->b;
  const int L = c->lanes;
  const Extent e = c->k.large;
  const Ref ref = nest_at(b, c->l->in[0], *y, *x, *channel);
  Val value = part < L ? nest_load_part(b, ref, part, L) : nest_load(b, ref, L),
      zero = L > 1 ? splat(num(b, 0), L) : num(b, 0);
  if (tests == TEST_NONE) return value;
  return pick(b,
              tests == TEST_ALL ? cond_and(nest_within(b, *y, 0, e.h), nest_within(b, *x, 0, e.w))
                                : nest_within(b, *y, 0, e.h),
              value, zero);
}

static void split_channels(const Conv *c, Tests tests, const Ix *slot, const Ix *y0, const Ix *x0,
                           const Ix *t, const Ix *channel, int part) {
  Nest *b = c->l->b;
  const int n = c->w.n;
  Buf *d = NEST_REGISTERS(b, "d", c->lanes, n, n);
  Val x[WINOGRAD_TILE], y[WINOGRAD_TILE];
  NEST_UNROLL(b, i, n) {
    for (int k = 0; k < n; k++)
      x[k] = nest_let(b, nest_text(b, "x%d", k),
                      input_at(c, tests, NEST_IX(*y0 + k), NEST_IX(*x0 + i), channel, part));
    winograd_input(b, &c->w, x, y);
    for (int k = 0; k < n; k++) nest_store(b, nest_at(b, d, k, i), y[k]);
  }
  NEST_UNROLL(b, i, n) {
    for (int k = 0; k < n; k++) x[k] = nest_get(b, nest_at(b, d, i, k));
    winograd_input(b, &c->w, x, y);
    for (int k = 0; k < n; k++) nest_store(b, nest_at(b, c->V, *slot, n * i + k, *t, *channel), y[k]);
  }
}

/* The columns that the tile two further on will be the first to read: with each vector of channels a few
 * lines, so that loads do not queue behind them. */
static void fetch_ahead(const Conv *c, const Ix *y0, const Ix *x0, const Ix *v) {
  Nest *b = c->l->b;
  Buf *in = c->l->in[0];
  const int m = c->w.m, n = c->w.n;
  const int64_t size = line_of(c), lines = ceil_divide(m * c->lanes, size);
  const Ix first = (*x0 + m + n) * in->room[2] + *v * (lines * size);
  NEST_FOR(b, y, n)
    NEST_FOR(b, line, lines) nest_prefetch(b, in, (*y0 + y) * buf_room(in, 1) + first + size * line);
}

static NestFn *split_tile(const Conv *c, Tests tests) {
  Nest *b = c->l->b;
  NestFn *fn = nest_fn(b,
                       tests == TEST_NONE   ? "split"
                       : tests == TEST_ROWS ? "split_border"
                                            : "split_edge",
                       true);
  const Ix slot = nest_arg(b, "slot"), ty = nest_arg(b, "ty"), tx = nest_arg(b, "tx"), t = nest_arg(b, "t");
  const Ix y0 = c->w.m * ty - c->k.before[0], x0 = c->w.m * tx - c->k.before[1];
  const int64_t whole = c->k.l / c->lanes;
  const bool far =
      tests == TEST_NONE && buf_elements(c->l->in[0]) * 4 > c->l->target->blocking.winograd_input;
  NEST_FOR(b, v, whole) {
    if (far) fetch_ahead(c, &y0, &x0, &v);
    split_channels(c, tests, &slot, &y0, &x0, &t, NEST_IX(c->lanes * v), c->lanes);
  }
  if (c->k.l % c->lanes)
    split_channels(c, tests, &slot, &y0, &x0, &t, NEST_IX(c->lanes * whole), (int)(c->k.l % c->lanes));
  return fn;
}

/* Tiles from..to-1 of the row ty; their places in the block start at t0. At an edge a call each, so that the
 * tests are settled. */
static void tiles(Nest *b, NestFn *fn, bool edge, const Ix *slot, const Ix *ty, const Ix *t0, const Ix *f0,
                  int64_t from, int64_t to) {
  if (from >= to) return;
  const int n = f0 ? 5 : 4;
  if (!edge || to - from > WIDEST_EDGE)
    NEST_FROM(b, tx, from, to)
      nest_call_list(b, fn, n, (const Ix[]){*slot, *ty, tx, *t0 + tx, f0 ? *f0 : *slot});
  else
    for (int64_t tx = from; tx < to; tx++)
      nest_call_list(b, fn, n, (const Ix[]){*slot, *ty, NEST_Z + tx, *t0 + tx, f0 ? *f0 : *slot});
}

static NestFn *split_row(const Conv *c) {
  Nest *b = c->l->b;
  const Correlation *k = &c->k;
  const int m = c->w.m, n = c->w.n;
  int64_t from = 0, to = c->columns, top = 0, bottom = c->rows;
  while (from < to && m * from < k->before[1]) from++;
  while (to > from && m * (to - 1) - k->before[1] + n > k->large.w) to--;
  while (top < bottom && m * top < k->before[0]) top++;
  while (bottom > top && m * (bottom - 1) - k->before[0] + n > k->large.h) bottom--;
  NestFn *inside = from < to && top < bottom ? split_tile(c, TEST_NONE) : NULL;
  NestFn *border = from < to && bottom - top < c->rows ? split_tile(c, TEST_ROWS) : NULL;
  NestFn *edge = to - from < c->columns ? split_tile(c, TEST_ALL) : NULL;
  NestFn *fn = nest_fn(b, "split_row", false);
  const Ix slot = nest_arg(b, "slot"), ty = nest_arg(b, "ty"), t0 = nest_arg(b, "t0");
  if (edge) tiles(b, edge, true, &slot, &ty, &t0, NULL, 0, from);
  if (inside)
    NEST_IF(b, nest_within(b, ty, top, bottom)) tiles(b, inside, false, &slot, &ty, &t0, NULL, from, to);
  if (inside && border)
    NEST_ELSE(b) tiles(b, border, false, &slot, &ty, &t0, NULL, from, to);
  if (!inside && border) tiles(b, border, false, &slot, &ty, &t0, NULL, from, to);
  if (edge) tiles(b, edge, true, &slot, &ty, &t0, NULL, to, c->columns);
  return fn;
}

NestFn *winograd_split(Lower *l, const Correlation *k, const Winograd *w, int lanes, Buf *V) {
  const Conv c = {.l = l,
                  .k = *k,
                  .w = *w,
                  .lanes = lanes,
                  .rows = ceil_divide(k->small.h, w->m),
                  .columns = ceil_divide(k->small.w, w->m),
                  .V = V};
  return split_row(&c);
}

/* ---- multiply ---- */
/* `count` tiles times the vectors from place h of a panel's rows. `lines` of the weights that come later are
 * fetched with each row, one after the other from the element `ahead` on. */
static NestFn *multiply_tile(Conv *c, const Panels *panels, int64_t count, int vectors, int64_t lines) {
  Nest *b = c->l->b;
  const int L = c->lanes;
  for (int i = 0; i < c->nmultiply; i++)
    if (c->multiply[i].panels == panels && c->multiply[i].count == count && c->multiply[i].lines == lines)
      return c->multiply[i].fn;
  NestFn *fn =
      nest_fn(b, nest_text(b, "multiply_%dx%d%s", (int)count, vectors, panels->first ? "_rest" : ""), true);
  const Ix slot = nest_arg(b, "slot"), xi = nest_arg(b, "xi"), t = nest_arg(b, "t"),
           panel = nest_arg(b, "panel"), h = nest_arg(b, "h"), f = nest_arg(b, "f");
  const Ix ahead = nest_arg(b, "ahead");
  Buf *a = NEST_REGISTERS(b, "a", L, count, vectors);
  NEST_UNROLL(b, p, count)
    for (int v = 0; v < vectors; v++) nest_store(b, nest_at(b, a, p, v), num(b, 0));
  NEST_FOR(b, i, c->k.l) {
    for (int64_t k = 0; k < lines; k++)
      nest_prefetch(b, panels->w, ahead + line_of(c) * lines * i + line_of(c) * k);
    Val w[4];
    for (int v = 0; v < vectors; v++)
      w[v] = nest_let(b, nest_text(b, "w%d", v),
                      nest_load(b, nest_at(b, panels->w, xi, panel, i, h + L * v), L));
    NEST_UNROLL(b, p, count)
      for (int v = 0; v < vectors; v++)
        nest_accumulate(b, nest_at(b, a, p, v), nest_load(b, nest_at(b, c->V, slot, xi, t + p, i), 1), w[v]);
  }
  NEST_UNROLL(b, p, count)
    for (int v = 0; v < vectors; v++)
      nest_store(b, nest_at(b, c->M, slot, xi, t + p, f + h + L * v), nest_get(b, nest_at(b, a, p, v)));
  c->multiply[c->nmultiply++] = (MultiplyTile){panels, count, lines, fn};
  return fn;
}

/* A block times a panel: `wholes` calls for `pixels` tiles each, one for the tiles left. Each fetches `share`
 * of the panel that comes next. */
typedef struct Product {
  NestFn *whole, *rest;
  int64_t pixels, wholes, left, calls, share;
  int vectors;
} Product;

static Product product_functions(Conv *c, const Panels *panels, int64_t tiles_) {
  Product p = {.vectors = (int)smaller(c->vectors, panels->width / c->lanes)};
  p.pixels = direct_pixels(c->l, tiles_, p.vectors);
  p.wholes = tiles_ / p.pixels;
  p.left = tiles_ % p.pixels;
  p.calls = p.wholes + (p.left > 0);
  p.share = ceil_divide(ceil_divide(c->k.l * panels->width, line_of(c)),
                        p.calls * (panels->width / (p.vectors * c->lanes)));
  const int64_t lines = ceil_divide(p.share, c->k.l);
  p.whole = multiply_tile(c, panels, p.pixels, p.vectors, lines);
  if (p.left) p.rest = multiply_tile(c, panels, p.left, p.vectors, lines);
  return p;
}

/* next: the number of the panel that follows, counted through all points. */
static void product(Nest *b, const Conv *c, const Panels *panels, const Product *p, const Ix *slot,
                    const Ix *xi, const Ix *panel, const Ix *f, const Ix *next) {
  const int64_t step = p->vectors * c->lanes, share = line_of(c) * p->share;
  NEST_FOR(b, h, panels->width / step) {
    const Ix ahead = *next * (c->k.l * panels->width) + share * p->calls * h;
    NEST_FOR(b, i, p->wholes)
      nest_call(b, p->whole, *slot, *xi, p->pixels * i, *panel, step * h, *f, ahead + share * i);
    if (p->left)
      nest_call(b, p->rest, *slot, *xi, NEST_Z + p->pixels * p->wholes, *panel, step * h, *f,
                ahead + share * p->wholes);
  }
}

/* One point, all of the group's panels. A point after the other, V and M of a point stay near, and the
 * weights of whole blocks are one stream. */
static NestFn *multiply_point(Conv *c, const Group *group, int64_t rows) {
  Nest *b = c->l->b;
  const Panels *panels = c->panels;
  Product whole = {0}, rest = {0};
  if (group->count) whole = product_functions(c, &panels[0], rows * c->columns);
  if (group->rest) rest = product_functions(c, &panels[1], rows * c->columns);
  NestFn *fn = nest_fn(b,
                       nest_text(b, "multiply_%s%s", rows == c->block ? "block" : "last",
                                 group == &c->group[1] ? "_rest" : ""),
                       false);
  const Ix slot = nest_arg(b, "slot"), xi = nest_arg(b, "xi"), first = nest_arg(b, "first");
  const bool whole_points =
      group->count == panels[0].count; /* else the next panel that follows in the file is another group's */
  const Ix here = panels[0].count * xi + first;
  if (group->count)
    NEST_FOR(b, i, group->count)
      product(b, c, &panels[0], &whole, &slot, &xi, NEST_IX(first + i), NEST_IX(panels[0].width * i),
              NEST_IX(here + i + (whole_points ? 1 : panels[0].count)));
  if (group->rest)
    product(b, c, &panels[1], &rest, &slot, &xi, NEST_IX(0), NEST_IX(panels[0].width * group->count),
            NEST_IX(xi + 1));
  return fn;
}

/* ---- join ---- */
/* A tile of the product: place t of the block, channels from f0 + f on, of which `part` are real; at a right
 * edge some columns are outside. */
typedef struct Join {
  const Conv *c;
  bool edge;
  Ix slot, ty, tx, t, channel, f;
  int part;
  Val bias;
} Join;

static Val finished(const Join *j, Val sum, const Ix *oy, const Ix *ox) {
  return lower_finish(j->c->l, add(sum, j->bias), oy, ox, &j->channel, j->part, j->c->lanes);
}

static void put_row(const Join *j, const Val *y, const Ix *oy) {
  Nest *b = j->c->l->b;
  for (int k = 0; k < j->c->w.m; k++) {
    const Ix ox = j->c->w.m * j->tx + k;
    NEST_IF(b, j->edge ? nest_below(b, ox, j->c->k.small.w) : nest_within(b, NEST_Z, 0, 1))
      lower_put(j->c->l, finished(j, y[k], oy, &ox), oy, &ox, &j->channel, j->part, j->c->lanes);
  }
}

/* Two rows of a tile become one of the pooling: windows of 2x2 never lie in two tiles. */
static void pool_rows(const Join *j, Val y[2][WINOGRAD_TILE], const Ix *oy) {
  const Conv *c = j->c;
  Nest *b = c->l->b;
  const Node *pool = c->l->kernel->pool;
  const Ix py = (c->w.m / POOLED) * j->ty + oy[POOLED];
  for (int k = 0; k < c->w.m; k += POOLED) {
    const Ix ox[POOLED] = {c->w.m * j->tx + k, c->w.m * j->tx + k + 1},
             px = (c->w.m / POOLED) * j->tx + k / POOLED;
    NEST_IF(b, j->edge ? nest_below(b, px, shape_extent(pool->shape).w) : nest_within(b, NEST_Z, 0, 1)) {
      Val x[POOLED * POOLED];
      for (int i = 0; i < POOLED * POOLED; i++)
        x[i] = finished(j, y[i / POOLED][k + i % POOLED], &oy[i / POOLED], &ox[i % POOLED]);
      lower_put(c->l, pool->op->pool(x, POOLED * POOLED), &py, &px, &j->channel, j->part, c->lanes);
    }
  }
}

static void join_channels(Join *j) {
  const Conv *c = j->c;
  Nest *b = c->l->b;
  const Node *pool = c->l->kernel->pool;
  const int m = c->w.m, n = c->w.n, L = c->lanes, rows = pool ? POOLED : 1;
  Buf *d = NEST_REGISTERS(b, "d", L, m, n);
  Val x[WINOGRAD_TILE], y[POOLED][WINOGRAD_TILE];
  NEST_UNROLL(b, i, n) {
    for (int k = 0; k < n; k++)
      x[k] = nest_let(b, nest_text(b, "x%d", k),
                      nest_load(b, nest_at(b, c->M, j->slot, n * k + i, j->t, j->f), L));
    winograd_output(b, &c->w, x, y[0]);
    for (int k = 0; k < m; k++) nest_store(b, nest_at(b, d, k, i), y[0][k]);
  }
  j->bias = c->bias ? nest_let(b, "b", nest_load(b, nest_at(b, c->bias, j->channel), L)) : num(b, 0);
  NEST_UNROLL(b, i, m / rows) {
    const Ix first = m * j->ty + rows * i, oy[POOLED + 1] = {first, first + 1, i};
    NEST_IF(b, pool ? nest_below(b, (m / POOLED) * j->ty + i, shape_extent(pool->shape).h)
                    : nest_below(b, first, c->k.small.h)) {
      for (int r = 0; r < rows; r++) {
        for (int k = 0; k < n; k++) x[k] = nest_get(b, nest_at(b, d, rows * i + r, k));
        winograd_output(b, &c->w, x, y[r]);
        for (int k = 0; pool && k < m; k++) y[r][k] = nest_let(b, nest_text(b, "y%d%d", r, k), y[r][k]);
      }
      if (pool) pool_rows(j, y, oy);
      else put_row(j, y[0], oy);
    }
  }
}

static NestFn *join_tile(const Conv *c, const Group *group, bool edge) {
  Nest *b = c->l->b;
  NestFn *fn =
      nest_fn(b, nest_text(b, "join%s%s", edge ? "_edge" : "", group == &c->group[1] ? "_rest" : ""), true);
  const Ix slot = nest_arg(b, "slot"), ty = nest_arg(b, "ty"), tx = nest_arg(b, "tx"), t = nest_arg(b, "t"),
           f0 = nest_arg(b, "f0");
  const int64_t whole = group->valid / c->lanes, rest = group->valid % c->lanes;
  Join join = {.c = c, .edge = edge, .slot = slot, .ty = ty, .tx = tx, .t = t, .part = c->lanes};
  if (whole)
    NEST_FOR(b, v, whole) {
      join.f = c->lanes * v;
      join.channel = f0 + join.f;
      join_channels(&join);
    }
  if (rest) {
    join.f = NEST_Z + c->lanes * whole;
    join.channel = f0 + join.f;
    join.part = (int)rest;
    join_channels(&join);
  }
  return fn;
}

static NestFn *join_row(const Conv *c, const Group *group) {
  Nest *b = c->l->b;
  const Node *pool = c->l->kernel->pool;
  const int64_t inside = pool ? shape_extent(pool->shape).w * POOLED / c->w.m : c->k.small.w / c->w.m;
  NestFn *whole = inside ? join_tile(c, group, false) : NULL,
         *edge = inside < c->columns ? join_tile(c, group, true) : NULL;
  NestFn *fn = nest_fn(b, nest_text(b, "join_row%s", group == &c->group[1] ? "_rest" : ""), false);
  const Ix slot = nest_arg(b, "slot"), ty = nest_arg(b, "ty"), t0 = nest_arg(b, "t0"), f0 = nest_arg(b, "f0");
  if (whole) tiles(b, whole, false, &slot, &ty, &t0, &f0, 0, inside);
  if (edge) tiles(b, edge, true, &slot, &ty, &t0, &f0, inside, c->columns);
  return fn;
}

/* ---- blocks ---- */
static bool group_used(const Conv *c, int kind) {
  return kind == 0 ? c->groups > 0 : c->group[1].count || c->group[1].rest;
}

static void block_functions(Conv *c) {
  c->split_row = split_row(c);
  for (int kind = 0; kind < 2; kind++) {
    if (!group_used(c, kind)) continue;
    Group *group = &c->group[kind];
    c->join_row[kind] = join_row(c, group);
    group->multiply[0] = multiply_point(c, group, c->block);
    if (c->last) group->multiply[1] = multiply_point(c, group, c->last);
  }
}

/* The block whose rows of tiles start at ty. kind: of the loops over rows and points. */
typedef struct Block {
  bool last;
  LoopKind kind;
  const Ix *slot, *ty;
} Block;

static int64_t block_rows(const Conv *c, const Block *k) { return k->last ? c->last : c->block; }

static void group_of_block(Nest *b, const Conv *c, const Block *k, int kind, const Ix *g) {
  const Group *group = &c->group[kind];
  const Ix panel = *g * c->group[0].count, f0 = panel * c->panels[0].width;
  NEST_LOOP(b, xi, k->kind, 1, NEST_IX(0), 1, NEST_IX(c->points))
    nest_call(b, group->multiply[k->last], *k->slot, xi, panel);
  NEST_LOOP(b, r, k->kind, 1, NEST_IX(0), 1, NEST_IX(block_rows(c, k)))
    nest_call(b, c->join_row[kind], *k->slot, *k->ty + r, c->columns * r, f0);
}

static void block(Nest *b, const Conv *c, bool last, LoopKind kind, const Ix *slot, const Ix *ty) {
  const Block k = {last, kind, slot, ty};
  NEST_LOOP(b, r, kind, 1, NEST_IX(0), 1, NEST_IX(block_rows(c, &k)))
    nest_call(b, c->split_row, *slot, *ty + r, c->columns * r);
  if (c->groups)
    NEST_FOR(b, g, c->groups) group_of_block(b, c, &k, 0, &g);
  if (group_used(c, 1)) group_of_block(b, c, &k, 1, NEST_IX(c->groups));
}

static void all_blocks(Nest *b, const Conv *c) {
  const Ix none = {0};
  const int64_t each = c->blocks / c->slots, left = c->blocks % c->slots;
  const LoopKind kind =
      c->by_blocks || c->by_points ? PARALLEL : SERIAL; /* of what threads do together on one block */
  if (c->by_blocks)
    NEST_PARALLEL(b, s, c->slots)
      NEST_FOR(b, k, each) block(b, c, false, SERIAL, &s, NEST_IX(c->block * (each * s + k)));
  if (c->by_blocks && left)
    NEST_PARALLEL(b, s, left) block(b, c, false, SERIAL, &s, NEST_IX(c->block * (each * c->slots + s)));
  if (!c->by_blocks)
    NEST_FOR(b, k, c->blocks) block(b, c, false, kind, &none, NEST_IX(c->block * k));
  if (c->last) block(b, c, true, kind, &none, NEST_IX(c->block * c->blocks));
}

bool schedule_conv_winograd(Lower *l) {
  const Correlation own = correlation_of(l->node), k = correlation_gathering(l->node);
  const int m = l->choice.m;
  Conv c = {.l = l,
            .own = own,
            .k = k,
            .spread = correlation_spreads(l->node),
            .w = winograd_of(m, (int)k.kernel[0])};
  const Extent used = l->kernel->pool ? shape_extent(l->kernel->pool->shape)
                                      : k.small; /* windows may leave a row or a column over */
  const int64_t size = l->kernel->pool ? POOLED : 1;
  c.points = c.w.n * c.w.n;
  c.rows = ceil_divide(size * used.h, m);
  c.columns = ceil_divide(size * used.w, m);
  make_panels(&c);
  choose_blocks(&c);
  const int64_t tiles_ = (c.block * c.columns) | 1, channels = larger(c.group[0].width, c.group[1].width);
  c.V = lower_scratch(l, "V", 4, (int64_t[]){c.slots, c.points, tiles_, padded(&c, k.l)});
  c.M = lower_scratch(l, "M", 4, (int64_t[]){c.slots, c.points, tiles_, padded(&c, channels)});
  block_functions(&c);
  nest_fn(l->b, l->b->name, false);
  all_blocks(l->b, &c);
  lower_about(l, "Winograd F(%dx%d,%dx%d), blocks of %d tiles", m, m, c.w.r, c.w.r,
              (int)(c.block * c.columns));
  lower_detail(l, "blocks: %d of %d tiles; transformed inputs and products of a block take %d KB",
               (int)(c.blocks + (c.last > 0)), (int)(c.block * c.columns),
               (int)(4 * c.points * tiles_ * (padded(&c, k.l) + padded(&c, channels)) >> 10));
  return true;
}
