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
//
// For all images at once a block has the tiles of several images, as many as the last cache takes, so that
// sums of few tiles an image are joined once for all of them.
#include "base/number.h"
#include "schedule/schedule.h"
#include "schedule/winograd.h"

enum { MOST_VECTORS = 2 };

typedef struct Weights {
  Lower *l;
  Correlation k;
  Winograd w[2];
  int lanes;
  int64_t broadcast;          /* channels of the small side in a register tile */
  int64_t tiles[2];           /* of an image along each axis */
  bool whole;                 /* a row is all tiles of an image; else those along the second axis */
  int64_t rows, width, block; /* rows; tiles of a row; rows in a block */
  Buf *V, *Y, *S;             /* S: of each panel its own where threads share them out */
  NestFn *split_large, *split_small, *clear;
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
      const Ref ref = lower_at(k->l, k->l->in[1], NEST_IX(*y0 + j), NEST_IX(*x0 + i), channel);
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
  const Ix image = k->whole ? nest_arg(b, "image") : NEST_Z;
  k->l->row = &image;
  const Ix ty = nest_arg(b, "ty"), tx = nest_arg(b, "tx"), t = nest_arg(b, "t"), y0 = k->w[0].m * ty,
           x0 = k->w[1].m * tx;
  const int64_t whole = k->k.s / k->lanes, rest = k->k.s % k->lanes;
  if (whole)
    NEST_FOR(b, v, whole) split_channels(k, edge, &y0, &x0, &t, NEST_IX(k->lanes * v), k->lanes);
  if (rest) split_channels(k, edge, &y0, &x0, &t, NEST_IX(k->lanes * whole), (int)rest);
  return fn;
}

static void split_tiles(const Weights *k, NestFn *fn, const Ix at[3], int64_t from, int64_t to) {
  Nest *b = k->l->b;
  const int n = k->whole ? 4 : 3;
  NEST_FROM(b, tx, from, to) {
    const Ix arg[] = {at[0], at[1], tx, at[2] + tx};
    nest_call_list(b, fn, n, arg + 4 - n);
  }
}

/* The tiles of row ty of an image, from t0 on; at: the image, ty, t0. */
static void split_along(const Weights *k, NestFn *inside, NestFn *edge, const Ix at[3]) {
  Nest *b = k->l->b;
  const int64_t rows = k->k.small.h / k->w[0].m, columns = k->k.small.w / k->w[1].m; /* whole tiles */
  if (inside && rows < k->tiles[0]) {
    NEST_IF(b, nest_below(b, at[1], rows)) split_tiles(k, inside, at, 0, columns);
    NEST_ELSE(b) split_tiles(k, edge, at, 0, columns);
  } else if (columns) split_tiles(k, inside ? inside : edge, at, 0, columns);
  if (columns < k->tiles[1]) split_tiles(k, edge, at, columns, k->tiles[1]);
}

static NestFn *split_row(const Weights *k) {
  Nest *b = k->l->b;
  const int64_t rows = k->k.small.h / k->w[0].m, columns = k->k.small.w / k->w[1].m;
  NestFn *inside = rows && columns ? split_tile(k, false) : NULL;
  NestFn *edge = rows < k->tiles[0] || columns < k->tiles[1] ? split_tile(k, true) : NULL;
  NestFn *fn = nest_fn(b, "split_small_row", false);
  const Ix ty = nest_arg(b, "ty"), t0 = nest_arg(b, "t0");
  if (k->whole)
    NEST_FOR(b, along, k->tiles[0])
      split_along(k, inside, edge, (const Ix[]){ty, along, t0 + k->tiles[1] * along});
  else split_along(k, inside, edge, (const Ix[]){ty, ty, t0});
  return fn;
}

/* The tiles of an image that is not there add nothing. */
static void clear_points(const Weights *k, Buf *buf, const Ix *t0, int64_t channels) {
  Nest *b = k->l->b;
  const int rank = buf->rank;
  NEST_FOR(b, xi, buf->dim[rank - 3])
    NEST_FOR(b, t, k->width)
      NEST_FOR(b, v, ceil_divide(channels, k->lanes)) {
        const Ix at[] = {NEST_Z, xi, *t0 + t, k->lanes * v};
        nest_store(b, nest_ref(b, buf, rank, at + 4 - rank), splat(num(b, 0), k->lanes));
      }
}

static NestFn *clear_row(const Weights *k) {
  NestFn *fn = nest_fn(k->l->b, "clear_row", false);
  const Ix t0 = nest_arg(k->l->b, "t0");
  clear_points(k, k->V, &t0, k->k.l);
  clear_points(k, k->Y, &t0, k->k.s);
  return fn;
}

/* ---- multiply and join ---- */
typedef struct Piece {
  int64_t broadcast;
  int vectors, part;
  NestFn *multiply, *join;
} Piece; /* part: lanes of the last vector that are real */

/* Whose sums: the first parameter, where threads share out panels. */
static Ix panel_arg(const Weights *k) { return k->whole ? nest_arg(k->l->b, "panel") : NEST_Z; }

static NestFn *multiply_tile(const Weights *k, const Piece *p) {
  Nest *b = k->l->b;
  const int L = k->lanes;
  NestFn *fn = nest_fn(b, nest_text(b, "multiply_%dx%d", (int)p->broadcast, p->vectors), false);
  const Ix panel = panel_arg(k);
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
      nest_store(b, nest_at(b, k->S, panel, xi, i, L * v), nest_get(b, nest_at(b, a, i, v)));
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

static void join_vector(const Weights *k, const Ix *panel, const Ix *i, const Ix *at_, const Ix *s,
                        const Ix *l0, int part) {
  Nest *b = k->l->b;
  const Winograd *wy = &k->w[0], *wx = &k->w[1];
  Val x[WINOGRAD_TILE], y[WINOGRAD_TILE], half[WINOGRAD_TILE][WINOGRAD_TILE];
  for (int column = 0; column < wx->n; column++) {
    for (int j = 0; j < wy->n; j++)
      x[j] = nest_let(b, nest_text(b, "x%d", j),
                      mul(nest_load(b, nest_at(b, k->S, *panel, wx->n * j + column, *i, *at_), k->lanes),
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
  const Ix panel = panel_arg(k);
  const Ix s0 = nest_arg(b, "s0"), l0 = nest_arg(b, "l0");
  NEST_FOR(b, i, p->broadcast) {
    if (whole)
      NEST_FOR(b, v, whole)
        join_vector(k, &panel, &i, NEST_IX(L * v), NEST_IX(s0 + i), NEST_IX(l0 + L * v), L);
    if (whole < p->vectors)
      join_vector(k, &panel, &i, NEST_IX(L * whole), NEST_IX(s0 + i), NEST_IX(l0 + L * whole), p->part);
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

/* One register tile after the other of a panel of the large side: all points, then their join. */
static void sums_of_panel(Nest *b, const Weights *k, const Pieces *all, int kind, const Ix *panel,
                          int64_t tiles) {
  const Ix none = {0};
  const int skip = k->whole ? 0 : 1;
  for (int j = 0; j < 2; j++) {
    const Piece *p = &all->piece[kind][j];
    if (!all->small[j]) continue;
    NEST_FOR(b, group, all->small[j]) {
      const Ix l0 = MOST_VECTORS * k->lanes * *panel, s0 = k->broadcast * (j ? none + all->small[0] : group);
      NEST_FOR(b, xi, k->w[0].n * k->w[1].n)
        nest_call_list(b, p->multiply, 5 - skip, (const Ix[]){*panel, xi, none + tiles, s0, l0} + skip);
      nest_call_list(b, p->join, 3 - skip, (const Ix[]){*panel, s0, l0} + skip);
    }
  }
}

static void split(Nest *b, const Weights *k, const Ix *row, const Ix *t0) {
  nest_call(b, k->split_large, NEST_Z, *row, *t0);
  nest_call(b, k->split_small, *row, *t0);
}

static void block(Nest *b, const Weights *k, const Pieces *all, const Ix *row, int64_t rows,
                  const Ix *count) {
  const LoopKind loops = k->whole && k->l->threads ? PARALLEL : SERIAL;
  NEST_LOOP(b, r, loops, 1, NEST_IX(0), 1, NEST_IX(rows)) {
    const Ix here = *row + r, t0 = k->width * r;
    if (k->whole) {
      NEST_IF(b, nest_at_least(b, *count - here, 1)) split(b, k, &here, &t0);
      NEST_ELSE(b) nest_call(b, k->clear, t0);
    } else split(b, k, &here, &t0);
  }
  for (int i = 0; i < 2; i++)
    if (all->large[i])
      NEST_LOOP(b, n, all->large[i] > 1 ? loops : SERIAL, 1, NEST_IX(0), 1, NEST_IX(all->large[i]))
        sums_of_panel(b, k, all, i, NEST_IX(n + (i ? all->large[0] : 0)), rows * k->width);
}

static void cut_tiles(Weights *k) {
  for (int axis = 0; axis < 2; axis++)
    k->tiles[axis] = ceil_divide(extent_side(k->k.small, axis), k->w[axis].m);
  k->whole = k->l->rows > 0;
  k->rows = k->whole ? k->l->rows : k->tiles[0];
  k->width = k->whole ? k->tiles[0] * k->tiles[1] : k->tiles[1];
  k->block = k->whole ? cost_winograd_images(k->l->target, &k->k, k->l->choice.m, k->rows)
                      : cost_winograd_lines(k->l->target, &k->k, k->l->choice.m);
}

static void make_buffers(Weights *k) {
  const int64_t points = k->w[0].n * k->w[1].n, tiles = (k->block * k->width) | 1,
                width = MOST_VECTORS * k->lanes, panels = k->whole ? ceil_divide(k->k.l, width) : 1;
  k->V = lower_scratch(k->l, "V", 4, (int64_t[]){1, points, tiles, padded(k, k->k.l)});
  k->Y = lower_scratch(k->l, "Y", 3, (int64_t[]){points, tiles, padded(k, k->k.s)});
  k->S = lower_scratch(k->l, "S", 4, (int64_t[]){panels, points, k->broadcast, width});
}

bool schedule_conv_winograd_weights(Lower *l) {
  Nest *b = l->b;
  Weights k = {.l = l,
               .k = correlation_of(l->node),
               .lanes = l->target->lanes,
               .broadcast = l->target->blocking.gradient_rows};
  winograd_axes(&k.k, l->choice.m, k.w);
  cut_tiles(&k);
  make_buffers(&k);
  k.split_large = winograd_split(l, &k.k, k.w, k.lanes, k.V);
  k.split_small = split_row(&k);
  if (k.whole) k.clear = clear_row(&k);
  const Pieces all = all_pieces(&k);
  nest_fn(b, b->name, false);
  const Ix count = k.whole ? lower_rows(l) : NEST_Z;
  const int64_t blocks = k.rows / k.block, last = k.rows % k.block;
  NEST_FOR(b, i, blocks) block(b, &k, &all, NEST_IX(k.block * i), k.block, &count);
  if (last) block(b, &k, &all, NEST_IX(k.block * blocks), last, &count);
  lower_about(l, "%s%s, blocks of %d tiles", k.whole ? "all images at once by " : "",
              winograd_name(l->arena, &k.k, l->choice.m), (int)(k.block * k.width));
  return true;
}
