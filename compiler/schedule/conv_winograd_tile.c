// conv_winograd_tile.c: convolutions by Winograd's algorithm: input tiles transformed, and output tiles back.
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "schedule/conv_winograd.h"

enum { WIDEST_EDGE = 2 };

/* ---- split ---- */
typedef enum Tests { TEST_NONE, TEST_ROWS, TEST_ALL } Tests; /* what of an input tile may lie outside */

static Val input_at(const Conv *c, Tests tests, const Ix *y, const Ix *x, const Ix *channel, int part) {
  Nest *b = c->l->b;
  const int L = c->lanes;
  const Extent e = c->k.large;
  const Ref ref = nest_at(b, c->l->in[0], c->turned ? *x : *y, c->turned ? *y : *x, *channel);
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
  const int rows = c->w[0].n, columns = c->w[1].n;
  Buf *d = NEST_REGISTERS(b, "d", c->lanes, rows, columns);
  Val x[WINOGRAD_TILE], y[WINOGRAD_TILE];
  NEST_UNROLL(b, i, columns) {
    for (int k = 0; k < rows; k++)
      x[k] = nest_let(b, nest_text(b, "x%d", k),
                      input_at(c, tests, NEST_IX(*y0 + k), NEST_IX(*x0 + i), channel, part));
    winograd_input(b, &c->w[0], x, y);
    for (int k = 0; k < rows; k++) nest_store(b, nest_at(b, d, k, i), y[k]);
  }
  NEST_UNROLL(b, i, rows) {
    for (int k = 0; k < columns; k++) x[k] = nest_get(b, nest_at(b, d, i, k));
    winograd_input(b, &c->w[1], x, y);
    for (int k = 0; k < columns; k++)
      nest_store(b, nest_at(b, c->V, *slot, columns * i + k, *t, *channel), y[k]);
  }
}

/* The columns that the tile two further on will be the first to read: with each vector of channels a few
 * lines, so that loads do not queue behind them. */
static void fetch_ahead(const Conv *c, const Ix *y0, const Ix *x0, const Ix *v) {
  Nest *b = c->l->b;
  Buf *in = c->l->in[0];
  const int m = c->w[1].m, n = c->w[1].n;
  const int64_t size = c->l->target->line / 4, lines = ceil_divide(m * c->lanes, size);
  const Ix first = (*x0 + m + n) * in->room[2] + *v * (lines * size);
  NEST_FOR(b, y, c->w[0].n)
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
  const Ix y0 = c->w[0].m * ty - c->k.before[0], x0 = c->w[1].m * tx - c->k.before[1];
  const int64_t whole = c->k.l / c->lanes;
  const bool far = tests == TEST_NONE && !c->turned &&
                   buf_elements(c->l->in[0]) * 4 > c->l->target->blocking.winograd_input;
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
typedef struct Row {
  Ix slot, ty, t0;
  Ix f0, phase[2]; /* of the output */
} Row;

static void tiles(Nest *b, NestFn *fn, bool edge, const Row *r, int64_t from, int64_t to) {
  if (from >= to) return;
  const Ix *p = r->phase;
  const int n = fn->nparams - (b->lead != 0); /* split_tile takes the first four alone */
  if (!edge || to - from > WIDEST_EDGE)
    NEST_FROM(b, tx, from, to)
      nest_call_list(b, fn, n, (const Ix[]){r->slot, r->ty, tx, r->t0 + tx, r->f0, p[0], p[1]});
  else
    for (int64_t tx = from; tx < to; tx++)
      nest_call_list(b, fn, n, (const Ix[]){r->slot, r->ty, NEST_Z + tx, r->t0 + tx, r->f0, p[0], p[1]});
}

/* The tiles from .. to-1 along an axis whose inputs are all there. */
static void tiles_inside(const Conv *c, int axis, int64_t *from, int64_t *to) {
  const Correlation *k = &c->k;
  const Winograd *w = &c->w[axis];
  const int64_t large = axis ? k->large.w : k->large.h;
  *from = 0;
  *to = axis ? c->columns : c->rows;
  while (*from < *to && w->m * *from < k->before[axis]) (*from)++;
  while (*to > *from && w->m * (*to - 1) - k->before[axis] + w->n > large) (*to)--;
}

NestFn *winograd_split_row(const Conv *c) {
  Nest *b = c->l->b;
  int64_t from, to, top, bottom;
  tiles_inside(c, 0, &top, &bottom);
  tiles_inside(c, 1, &from, &to);
  NestFn *inside = from < to && top < bottom ? split_tile(c, TEST_NONE) : NULL;
  NestFn *border = from < to && bottom - top < c->rows ? split_tile(c, TEST_ROWS) : NULL;
  NestFn *edge = to - from < c->columns ? split_tile(c, TEST_ALL) : NULL;
  NestFn *fn = nest_fn(b, "split_row", false);
  const Row row = {.slot = nest_arg(b, "slot"), .ty = nest_arg(b, "ty"), .t0 = nest_arg(b, "t0")};
  if (edge) tiles(b, edge, true, &row, 0, from);
  if (inside)
    NEST_IF(b, nest_within(b, row.ty, top, bottom)) tiles(b, inside, false, &row, from, to);
  if (inside && border)
    NEST_ELSE(b) tiles(b, border, false, &row, from, to);
  if (!inside && border) tiles(b, border, false, &row, from, to);
  if (edge) tiles(b, edge, true, &row, to, c->columns);
  return fn;
}

NestFn *winograd_split(Lower *l, const Correlation *k, const Winograd *w, int lanes, Buf *V) {
  const Conv c = {.l = l,
                  .k = *k,
                  .w = {w[0], w[1]},
                  .lanes = lanes,
                  .rows = ceil_divide(k->small.h, w[0].m),
                  .columns = ceil_divide(k->small.w, w[1].m),
                  .V = V};
  return winograd_split_row(&c);
}

/* ---- join ---- */
/* A tile of the product: place t of the block, channels from f0 + f on, of which `part` are real; at an edge
 * some columns are outside. */
typedef struct Join {
  const Conv *c;
  bool edge;
  Ix slot, ty, tx, t, channel, f, phase[2];
  int part;
  Val bias;
} Join;

static Val finished(const Join *j, Val sum, const Ix *oy, const Ix *ox) {
  const bool turned = j->c->turned;
  return lower_finish(j->c->l, add(sum, j->bias), turned ? ox : oy, turned ? oy : ox, &j->channel, j->part,
                      j->c->lanes);
}

static void put(const Join *j, Val x, const Ix *oy, const Ix *ox) {
  const bool turned = j->c->turned;
  lower_put(j->c->l, x, turned ? ox : oy, turned ? oy : ox, &j->channel, j->part, j->c->lanes);
}

/* Where in the output the convolution's q along the axis lies. */
static Ix output_of(const Join *j, int axis, const Ix *q) {
  return j->c->stride[axis] * *q + j->phase[axis] - j->c->shift[axis];
}

static Cond inside_output(const Join *j, int axis, const Ix *o) {
  return nest_within(j->c->l->b, *o, j->c->stride[axis] > 1 ? 0 : NO_LO, j->c->out[axis]);
}

static void put_row(const Join *j, const Val *y, const Ix *oy) {
  Nest *b = j->c->l->b;
  for (int k = 0; k < j->c->w[1].m; k++) {
    const Ix q = j->c->w[1].m * j->tx + k, ox = output_of(j, 1, &q);
    NEST_IF(b, j->edge ? inside_output(j, 1, &ox) : nest_within(b, NEST_Z, 0, 1))
      put(j, finished(j, y[k], oy, &ox), oy, &ox);
  }
}

/* Two rows of a tile become one of the pooling: windows of 2x2 never lie in two tiles. */
static void pool_rows(const Join *j, Val y[2][WINOGRAD_TILE], const Ix *oy) {
  const Conv *c = j->c;
  Nest *b = c->l->b;
  const Node *pool = c->l->kernel->pool;
  const int m = c->w[1].m;
  const Ix py = (c->w[0].m / POOLED) * j->ty + oy[POOLED];
  for (int k = 0; k < m; k += POOLED) {
    const Ix ox[POOLED] = {m * j->tx + k, m * j->tx + k + 1}, px = (m / POOLED) * j->tx + k / POOLED;
    NEST_IF(b, j->edge ? nest_below(b, px, shape_extent(pool->shape).w) : nest_within(b, NEST_Z, 0, 1)) {
      Val x[POOLED * POOLED];
      for (int i = 0; i < POOLED * POOLED; i++)
        x[i] = finished(j, y[i / POOLED][k + i % POOLED], &oy[i / POOLED], &ox[i % POOLED]);
      put(j, pool->op->pool(x, POOLED * POOLED), &py, &px);
    }
  }
}

static void join_channels(Join *j) {
  const Conv *c = j->c;
  Nest *b = c->l->b;
  const Node *pool = c->l->kernel->pool;
  const int m = c->w[0].m, n = c->w[1].n, L = c->lanes, rows = pool ? POOLED : 1;
  Buf *d = NEST_REGISTERS(b, "d", L, m, n);
  Val x[WINOGRAD_TILE], y[POOLED][WINOGRAD_TILE];
  NEST_UNROLL(b, i, n) {
    for (int k = 0; k < c->w[0].n; k++)
      x[k] = nest_let(b, nest_text(b, "x%d", k),
                      nest_load(b, nest_at(b, c->M, j->slot, n * k + i, j->t, j->f), L));
    winograd_output(b, &c->w[0], x, y[0]);
    for (int k = 0; k < m; k++) nest_store(b, nest_at(b, d, k, i), y[0][k]);
  }
  j->bias = c->bias ? nest_let(b, "b", nest_load(b, nest_at(b, c->bias, j->channel), L)) : num(b, 0);
  NEST_UNROLL(b, i, m / rows) {
    const Ix q = m * j->ty + rows * i, first = output_of(j, 0, &q), oy[POOLED + 1] = {first, first + 1, i};
    NEST_IF(b, pool ? nest_below(b, (m / POOLED) * j->ty + i, shape_extent(pool->shape).h)
                    : inside_output(j, 0, &first)) {
      for (int r = 0; r < rows; r++) {
        for (int k = 0; k < n; k++) x[k] = nest_get(b, nest_at(b, d, rows * i + r, k));
        winograd_output(b, &c->w[1], x, y[r]);
        for (int k = 0; pool && k < c->w[1].m; k++)
          y[r][k] = nest_let(b, nest_text(b, "y%d%d", r, k), y[r][k]);
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
           f0 = nest_arg(b, "f0"), py = nest_arg(b, "py"), px = nest_arg(b, "px");
  const int64_t whole = group->valid / c->lanes, rest = group->valid % c->lanes;
  Join join = {
      .c = c, .edge = edge, .slot = slot, .ty = ty, .tx = tx, .t = t, .phase = {py, px}, .part = c->lanes};
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

NestFn *winograd_join_row(const Conv *c, const Group *group) {
  Nest *b = c->l->b;
  const Node *pool = c->l->kernel->pool;
  const int64_t from = c->shift[1] > 0, /* the first of some phase lies before the output */
      to = larger(from,
                  (pool ? shape_extent(pool->shape).w * POOLED : (c->out[1] + c->shift[1]) / c->stride[1]) /
                      c->w[1].m);
  NestFn *whole = from < to ? join_tile(c, group, false) : NULL,
         *edge = from > 0 || to < c->columns ? join_tile(c, group, true) : NULL;
  NestFn *fn = nest_fn(b, nest_text(b, "join_row%s", group == &c->group[1] ? "_rest" : ""), false);
  const Row row = {.slot = nest_arg(b, "slot"),
                   .ty = nest_arg(b, "ty"),
                   .t0 = nest_arg(b, "t0"),
                   .f0 = nest_arg(b, "f0"),
                   .phase = {nest_arg(b, "py"), nest_arg(b, "px")}};
  if (from) tiles(b, edge, true, &row, 0, from);
  if (whole) tiles(b, whole, false, &row, from, to);
  if (edge) tiles(b, edge, true, &row, to, c->columns);
  return fn;
}
