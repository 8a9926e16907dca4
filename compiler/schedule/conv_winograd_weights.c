// conv_winograd_weights.c: weight gradients of the convolutions that Winograd's algorithm computes.
// SPDX-License-Identifier: Apache-2.0
//
// The convolution is A^T [(G w G^T) * (B^T x B)] A for each tile, which is linear in w; so the gradient takes
// the same matrices backwards:
//
//     split     V[xi][t][l] = B^T (tile t of the large side, channel l) B
//               Y[xi][t][s] = A (m x m pixels of the small side, channel s) A^T
//     multiply  S[xi][s][l] = sum over t of Y[xi][t][s] * V[xi][t][l]
//     join      dw[s][l] += G^T S[..][s][l] G
//
// A few channels of the small side times vectors of the large side's stay in registers while all tiles of a
// block pass by. Their S stays in the first cache until it is joined.
#include "base/number.h"
#include "schedule/schedule.h"
#include "schedule/winograd.h"

enum { MOST_VECTORS = 2 };

typedef struct Weights {
  Lower *l;
  Correlation k;
  Winograd w[2];
  int lanes;
  int64_t broadcast;            /* channels of the small side in a register tile */
  int64_t rows, columns, block; /* of tiles; rows in a block */
  Buf *V, *Y, *S;
  NestFn *split_large, *split_small;
} Weights;

static int64_t padded(const Weights *k, int64_t floats) { return target_odd_lines(k->l->target, floats); }

/* ---- split of the small side ---- */
static void split_channels(const Weights *k, bool edge, const Ix *y0, const Ix *x0, const Ix *t,
                           const Ix *channel, int part) {
  Nest *b = k->l->b;
  const int L = k->lanes, m[] = {k->w[0].m, k->w[1].m}, n[] = {k->w[0].n, k->w[1].n};
  const Extent e = k->k.small;
  Buf *d = NEST_REGISTERS(b, "d", L, n[0], m[1]);
  Val x[WINOGRAD_TILE], y[WINOGRAD_TILE], zero = L > 1 ? splat(num(b, 0), L) : num(b, 0);
  NEST_UNROLL(b, i, m[1]) {
    for (int j = 0; j < m[0]; j++) {
      const Ref ref = nest_at(b, k->l->in[1], *y0 + j, *x0 + i, *channel);
      Val value = part < L ? nest_load_part(b, ref, part, L) : nest_load(b, ref, L);
      x[j] = nest_let(
          b, nest_text(b, "x%d", j),
          edge ? pick(b, cond_and(nest_below(b, *y0 + j, e.h), nest_below(b, *x0 + i, e.w)), value, zero)
               : value);
    }
    winograd_output_gradient(b, &k->w[0], x, y);
    for (int j = 0; j < n[0]; j++) nest_store(b, nest_at(b, d, j, i), y[j]);
  }
  NEST_UNROLL(b, i, n[0]) {
    for (int j = 0; j < m[1]; j++) x[j] = nest_get(b, nest_at(b, d, i, j));
    winograd_output_gradient(b, &k->w[1], x, y);
    for (int j = 0; j < n[1]; j++) nest_store(b, nest_at(b, k->Y, n[1] * i + j, *t, *channel), y[j]);
  }
}

static NestFn *split_tile(const Weights *k, bool edge) {
  Nest *b = k->l->b;
  NestFn *fn = nest_fn(b, edge ? "split_small_edge" : "split_small", true);
  const Ix ty = nest_arg(b, "ty"), tx = nest_arg(b, "tx"), t = nest_arg(b, "t"), y0 = k->w[0].m * ty,
           x0 = k->w[1].m * tx;
  const int64_t whole = k->k.s / k->lanes, rest = k->k.s % k->lanes;
  if (whole)
    NEST_FOR(b, v, whole) split_channels(k, edge, &y0, &x0, &t, NEST_IX(k->lanes * v), k->lanes);
  if (rest) split_channels(k, edge, &y0, &x0, &t, NEST_IX(k->lanes * whole), (int)rest);
  return fn;
}

static NestFn *split_row(const Weights *k) {
  Nest *b = k->l->b;
  const int64_t rows = k->k.small.h / k->w[0].m, columns = k->k.small.w / k->w[1].m; /* whole tiles */
  NestFn *inside = rows && columns ? split_tile(k, false) : NULL;
  NestFn *edge = rows < k->rows || columns < k->columns ? split_tile(k, true) : NULL;
  NestFn *fn = nest_fn(b, "split_small_row", false);
  const Ix ty = nest_arg(b, "ty"), t0 = nest_arg(b, "t0");
  if (inside && rows < k->rows) {
    NEST_IF(b, nest_below(b, ty, rows))
      NEST_FOR(b, tx, columns) nest_call(b, inside, ty, tx, t0 + tx);
    NEST_ELSE(b)
      NEST_FOR(b, tx, columns) nest_call(b, edge, ty, tx, t0 + tx);
  } else if (columns)
    NEST_FOR(b, tx, columns) nest_call(b, inside ? inside : edge, ty, tx, t0 + tx);
  if (columns < k->columns)
    NEST_FROM(b, tx, columns, k->columns) nest_call(b, edge, ty, tx, t0 + tx);
  return fn;
}

/* ---- multiply and join ---- */
typedef struct Piece {
  int64_t broadcast;
  int vectors, part;
  NestFn *multiply, *join;
} Piece; /* part: lanes of the last vector that are real */

static NestFn *multiply_tile(const Weights *k, const Piece *p) {
  Nest *b = k->l->b;
  const int L = k->lanes;
  NestFn *fn = nest_fn(b, nest_text(b, "multiply_%dx%d", (int)p->broadcast, p->vectors), false);
  const Ix xi = nest_arg(b, "xi"), tiles = nest_arg(b, "tiles"), s0 = nest_arg(b, "s0"),
           l0 = nest_arg(b, "l0");
  Buf *a = NEST_REGISTERS(b, "a", L, p->broadcast, p->vectors);
  NEST_UNROLL(b, i, p->broadcast)
    for (int v = 0; v < p->vectors; v++) nest_store(b, nest_at(b, a, i, v), num(b, 0));
  NEST_FOR(b, t, tiles) {
    Val x[MOST_VECTORS];
    for (int v = 0; v < p->vectors; v++)
      x[v] = nest_let(b, nest_text(b, "v%d", v), nest_load(b, nest_at(b, k->V, 0, xi, t, l0 + L * v), L));
    NEST_UNROLL(b, i, p->broadcast)
      for (int v = 0; v < p->vectors; v++)
        nest_accumulate(b, nest_at(b, a, i, v), nest_load(b, nest_at(b, k->Y, xi, t, s0 + i), 1), x[v]);
  }
  NEST_UNROLL(b, i, p->broadcast)
    for (int v = 0; v < p->vectors; v++)
      nest_store(b, nest_at(b, k->S, xi, i, L * v), nest_get(b, nest_at(b, a, i, v)));
  return fn;
}

static void add_taps(const Weights *k, Val sum, int ky_, int kx_, const Ix *s, const Ix *l0, int part) {
  Nest *b = k->l->b;
  const Ix ky = NEST_Z + ky_, kx = NEST_Z + kx_;
  for (int lane = 0; lane < part; lane++) {
    const Ix l = *l0 + lane;
    Ix index[4];
    const Ref ref = nest_ref(b, k->l->out, correlation_weight_index(&k->k, index, s, &l, &ky, &kx), index);
    nest_store(b, ref, add(k->lanes > 1 ? lane_at(b, sum, NEST_IX(lane)) : sum, nest_load(b, ref, 1)));
  }
}

static void join_vector(const Weights *k, const Ix *i, const Ix *at_, const Ix *s, const Ix *l0, int part) {
  Nest *b = k->l->b;
  const Winograd *wy = &k->w[0], *wx = &k->w[1];
  Val x[WINOGRAD_TILE], y[WINOGRAD_TILE], half[WINOGRAD_TILE][WINOGRAD_TILE];
  for (int column = 0; column < wx->n; column++) {
    for (int j = 0; j < wy->n; j++)
      x[j] = nest_let(b, nest_text(b, "x%d", j),
                      mul(nest_load(b, nest_at(b, k->S, wx->n * j + column, *i, *at_), k->lanes),
                          num(b, wy->scale[j] * wx->scale[column])));
    winograd_weight_gradient(b, wy, x, y);
    for (int j = 0; j < wy->r; j++) half[j][column] = nest_let(b, nest_text(b, "h%d%d", j, column), y[j]);
  }
  for (int ky = 0; ky < wy->r; ky++) {
    winograd_weight_gradient(b, wx, half[ky], y);
    for (int kx = 0; kx < wx->r; kx++) add_taps(k, nest_let(b, "sum", y[kx]), ky, kx, s, l0, part);
  }
}

static NestFn *join_tile(const Weights *k, const Piece *p) {
  Nest *b = k->l->b;
  const int L = k->lanes, whole = p->part < L ? p->vectors - 1 : p->vectors;
  NestFn *fn = nest_fn(b, nest_text(b, "join_%dx%d", (int)p->broadcast, p->vectors), false);
  const Ix s0 = nest_arg(b, "s0"), l0 = nest_arg(b, "l0");
  NEST_FOR(b, i, p->broadcast) {
    if (whole)
      NEST_FOR(b, v, whole) join_vector(k, &i, NEST_IX(L * v), NEST_IX(s0 + i), NEST_IX(l0 + L * v), L);
    if (whole < p->vectors)
      join_vector(k, &i, NEST_IX(L * whole), NEST_IX(s0 + i), NEST_IX(l0 + L * whole), p->part);
  }
  return fn;
}

/* ---- blocks ---- */
typedef struct Pieces {
  Piece piece[2][2];
  int64_t large[2], small[2];
} Pieces; /* [large side: whole, rest][small side]; how many */

static Pieces all_pieces(const Weights *k) {
  const int64_t step = MOST_VECTORS * k->lanes, rest = k->k.l % step, few = k->k.s % k->broadcast;
  Pieces all = {.large = {k->k.l / step, rest > 0}, .small = {k->k.s / k->broadcast, few > 0}};
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 2; j++) {
      Piece *p = &all.piece[i][j];
      if (!all.large[i] || !all.small[j]) continue;
      p->broadcast = j ? few : k->broadcast;
      p->vectors = i ? (int)ceil_divide(rest, k->lanes) : MOST_VECTORS;
      p->part = i ? (int)(rest - (p->vectors - 1) * k->lanes) : k->lanes;
      p->multiply = multiply_tile(k, p);
      p->join = join_tile(k, p);
    }
  return all;
}

static void block(Nest *b, const Weights *k, const Pieces *all, const Ix *ty, int64_t rows) {
  const Ix none = {0}, tiles = none + rows * k->columns;
  NEST_FOR(b, r, rows) {
    nest_call(b, k->split_large, none, *ty + r, k->columns * r);
    nest_call(b, k->split_small, *ty + r, k->columns * r);
  }
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 2; j++)
      if (all->large[i] && all->small[j])
        NEST_FOR(b, panel, all->large[i])
          NEST_FOR(b, group, all->small[j]) {
            const Ix l0 = MOST_VECTORS * k->lanes * (i ? none + all->large[0] : panel),
                     s0 = k->broadcast * (j ? none + all->small[0] : group);
            NEST_FOR(b, xi, k->w[0].n * k->w[1].n) nest_call(b, all->piece[i][j].multiply, xi, tiles, s0, l0);
            nest_call(b, all->piece[i][j].join, s0, l0);
          }
}

bool schedule_conv_winograd_weights(Lower *l) {
  Nest *b = l->b;
  Weights k = {.l = l, .k = correlation_of(l->node)};
  winograd_axes(&k.k, l->choice.m, k.w);
  const int64_t points = k.w[0].n * k.w[1].n;
  k.lanes = l->target->lanes;
  k.broadcast = l->target->blocking.gradient_rows;
  k.rows = ceil_divide(k.k.small.h, k.w[0].m);
  k.columns = ceil_divide(k.k.small.w, k.w[1].m);
  const int64_t bytes = 4 * points * k.columns * (padded(&k, k.k.l) + padded(&k, k.k.s)),
                most = larger(l->target->blocking.winograd_block / bytes, 1);
  k.block = ceil_divide(k.rows, ceil_divide(k.rows, smaller(k.rows, most)));
  const int64_t tiles = (k.block * k.columns) | 1, blocks = k.rows / k.block, last = k.rows % k.block;
  k.V = lower_scratch(l, "V", 4, (int64_t[]){1, points, tiles, padded(&k, k.k.l)});
  k.Y = lower_scratch(l, "Y", 3, (int64_t[]){points, tiles, padded(&k, k.k.s)});
  k.S = lower_scratch(l, "S", 3, (int64_t[]){points, k.broadcast, MOST_VECTORS * k.lanes});
  k.split_large = winograd_split(l, &k.k, k.w, k.lanes, k.V);
  k.split_small = split_row(&k);
  const Pieces all = all_pieces(&k);
  nest_fn(b, b->name, false);
  NEST_FOR(b, i, blocks) block(b, &k, &all, NEST_IX(k.block * i), k.block);
  if (last) block(b, &k, &all, NEST_IX(k.block * blocks), last);
  lower_about(l, "%s, blocks of %d tiles", winograd_name(l->arena, &k.k, l->choice.m),
              (int)(k.block * k.columns));
  return true;
}
