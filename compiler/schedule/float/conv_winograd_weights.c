// conv_winograd_weights.c: Weight gradients of convolutions, computed with Winograd.
// SPDX-License-Identifier: Apache-2.0
//
// For each tile, the convolution is A^T [(G w G^T) * (B^T x B)] A. This is linear in w, so the gradient uses
// the transposed matrices:
//
//     split     V[xi][t][l] = B^T (tile t of the large side, channel l) B
//               Y[xi][t][s] = A (m x m pixels of the small side, channel s) A^T
//     multiply  S[xi][s][l] = sum over t of Y[xi][t][s] * V[xi][t][l]
//     join      dw[s][l] += G^T S[..][s][l] G
//
// The sums of a few channels of the small side and some vectors of channels of the large side stay in
// registers during the loop over the tiles of a block. V and Y are divided into panels of channels,
// [xi][group][panel][t][channel]; a panel of V has two vectors. So a register tile reads two contiguous
// streams, which stay in the L1 cache for all register tiles of a pair of panels. When all points of a pair
// of panels have been computed, the sums S of the pair are joined. Each group has separate panels of both
// sides.
//
// In the batched form, a block has the tiles of several images. The last-level cache limits the number of
// images. The sums of a block are joined once for all of its images. This saves time if an image has few
// tiles.
//
// Example: `x: 28x28x32 -> conv(32, 3x3, pad=same) -> train(8)` --target=x86-64-v3 --train,
// lines 4-13 of conv1_weight_gradient_multiply_6x2:
//
//     UNROLL for (int i = 0; i < 6; i++) {
//       a[i][0] = (v8){0};
//       a[i][1] = (v8){0};
//     }
//     for (int t = 0; t < 28; t++) {
//       const v8 v0_2 = LOAD(v8, V[0][xi][0][large][t][0]);
//       const v8 v1_2 = LOAD(v8, V[0][xi][0][large][t][8]);
//       UNROLL for (int i = 0; i < 6; i++) {
//         a[i][0] += Y[xi][0][0][t][inner + i] * v0_2;
//         a[i][1] += Y[xi][0][0][t][inner + i] * v1_2;
#include "base/number.h"
#include "schedule/float/conv_winograd.h"
#include "schedule/float/phases.h"
#include "schedule/float/rows.h"

enum { MOST_VECTORS = 2 };

typedef struct Weights {
  Lower *l;
  Correlation k;
  Winograd w[2];
  int lanes;
  int64_t broadcast; /* number of channels of the small side in a register tile */
  int64_t tiles[2];  /* number of tiles of an image along each axis */
  bool whole; /* batched: a row of tiles contains all tiles of an image; otherwise it contains the tiles along
                 the second axis */
  int64_t rows, width, block; /* number of rows of tiles; tiles per row; rows per block */
  int64_t large,
      small;      /* channels per panel of the large side, and of the small side; no panel spans two groups */
  Buf *V, *Y, *S; /* S: sums of one pair of panels; batched: one array per panel of V, because threads process
                     different panels of V at the same time */
  NestFn *split_large, *split_small, *clear;
} Weights;

/* ---- split of the small side ---- */
typedef struct Split {
  const Weights *k;
  bool edge;
  Ix y0, x0, t;
} Split;

static void winograd_weight_split_channels(const void *split, const Channels *at) {
  const Split *s = split;
  const Weights *k = s->k;
  Nest *b = k->l->b;
  const int L = k->lanes, m[] = {k->w[0].m, k->w[1].m}, n[] = {k->w[0].n, k->w[1].n};
  const Extent e = k->k.small;
  Buf *d = NEST_REGISTERS(b, "d", L, n[0], m[1]);
  Val x[WINOGRAD_TILE], y[WINOGRAD_TILE], zero = L > 1 ? splat(num(b, 0), L) : num(b, 0);
  NEST_UNROLL(b, i, m[1]) {
    for (int j = 0; j < m[0]; j++) {
      const Ix row = s->y0 + j, column = s->x0 + i;
      const Ref ref = lower_at(k->l, k->l->in[1], &row, &column, &at->channel);
      Val value = nest_load_part(b, ref, at->part, L);
      x[j] = nest_let(
          b, nest_text(b, "x%d", j),
          s->edge ? pick(b, cond_and(nest_below(b, row, e.h), nest_below(b, column, e.w)), value, zero)
                  : value);
    }
    winograd_output_gradient(b, &k->w[0], x, y);
    for (int j = 0; j < n[0]; j++) nest_store(b, nest_at(b, d, j, i), y[j]);
  }
  NEST_UNROLL(b, i, n[0]) {
    for (int j = 0; j < m[1]; j++) x[j] = nest_get(b, nest_at(b, d, i, j));
    winograd_output_gradient(b, &k->w[1], x, y);
    for (int j = 0; j < n[1]; j++)
      nest_store(b, nest_at(b, k->Y, n[1] * i + j, at->group, at->panel, s->t, at->inner), y[j]);
  }
}

static NestFn *winograd_weight_split_tile(const Weights *k, bool edge) {
  Nest *b = k->l->b;
  NestFn *fn = nest_fn(b, edge ? "split_small_edge" : "split_small", true);
  const Ix image = k->whole ? nest_arg(b, "image") : NEST_Z;
  k->l->row = &image;
  const Ix ty = nest_arg(b, "ty"), tx = nest_arg(b, "tx"), t = nest_arg(b, "t");
  const Split split = {k, edge, k->w[0].m * ty, k->w[1].m * tx, t};
  winograd_channels(b, k->k.groups, k->k.s, k->small, k->lanes, winograd_weight_split_channels, &split);
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

/* Transforms the tiles of row ty of an image, and stores them from tile t0 on. at: the image, ty, t0. */
static void split_along(const Weights *k, NestFn *inside, NestFn *edge, const Ix at[3]) {
  Nest *b = k->l->b;
  const int64_t rows = k->k.small.h / k->w[0].m,
                columns = k->k.small.w / k->w[1].m; /* numbers of whole tiles along both axes */
  if (inside && rows < k->tiles[0]) {
    NEST_IF(b, nest_below(b, at[1], rows)) split_tiles(k, inside, at, 0, columns);
    NEST_ELSE(b) split_tiles(k, edge, at, 0, columns);
  } else if (columns) split_tiles(k, inside ? inside : edge, at, 0, columns);
  if (columns < k->tiles[1]) split_tiles(k, edge, at, columns, k->tiles[1]);
}

static NestFn *winograd_weight_split_row(const Weights *k) {
  Nest *b = k->l->b;
  const int64_t rows = k->k.small.h / k->w[0].m, columns = k->k.small.w / k->w[1].m;
  NestFn *inside = rows && columns ? winograd_weight_split_tile(k, false) : NULL;
  NestFn *edge = rows < k->tiles[0] || columns < k->tiles[1] ? winograd_weight_split_tile(k, true) : NULL;
  NestFn *fn = nest_fn(b, "split_small_row", false);
  const Ix ty = nest_arg(b, "ty"), t0 = nest_arg(b, "t0");
  if (k->whole)
    NEST_FOR(b, along, k->tiles[0])
      split_along(k, inside, edge, (const Ix[]){ty, along, t0 + k->tiles[1] * along});
  else split_along(k, inside, edge, (const Ix[]){ty, ty, t0});
  return fn;
}

/* For clear_channels, which clears the tiles of a missing image, so that the image adds nothing to the
 * sums. */
typedef struct Clear {
  const Weights *k;
  Buf *buf;
  Ix t0;
} Clear;

static void clear_channels(const void *clear, const Channels *at) {
  const Clear *c = clear;
  Nest *b = c->k->l->b;
  const int rank = c->buf->rank;
  NEST_FOR(b, xi, c->buf->dim[rank - 5])
    NEST_FOR(b, t, c->k->width) {
      const Ix index[] = {NEST_Z, xi, at->group, at->panel, c->t0 + t, at->inner};
      nest_store(b, nest_ref(b, c->buf, rank, index + 6 - rank), splat(num(b, 0), c->k->lanes));
    }
}

static NestFn *clear_row(const Weights *k) {
  Nest *b = k->l->b;
  NestFn *fn = nest_fn(b, "clear_row", false);
  const Ix t0 = nest_arg(b, "t0");
  winograd_channels(b, k->k.groups, k->k.l, k->large, k->lanes, clear_channels, &(Clear){k, k->V, t0});
  winograd_channels(b, k->k.groups, k->k.s, k->small, k->lanes, clear_channels, &(Clear){k, k->Y, t0});
  return fn;
}

/* ---- multiply and join ---- */
/* A panel of the large side, and its functions. part: lanes in use in its last vector. */
typedef struct Piece {
  int vectors, part;
  /* multiply[0]: for register tiles with `broadcast` channels of the small side; multiply[1]: for the
   * remaining channels */
  NestFn *multiply[2];
  NestFn *join[2]; /* join[0]: for whole panels of the small side; join[1]: for the last panel */
} Piece;

/* The group, which is the last argument of multiply and join. Without groups, they do not have this
 * argument. */
static Ix winograd_weight_group_arg(const Weights *k) {
  return k->k.groups > 1 ? nest_arg(k->l->b, "group") : NEST_Z;
}

static Ix sums_of(const Weights *k, const Ix *large) { return k->whole ? *large : NEST_Z; }

/* Creates the function that multiplies panel `large` by `broadcast` channels of panel `small`, from `inner`
 * on. */
static NestFn *winograd_weight_multiply_tile(const Weights *k, const Piece *p, int64_t broadcast) {
  Nest *b = k->l->b;
  const int L = k->lanes;
  NestFn *fn = nest_fn(b, nest_text(b, "multiply_%dx%d", (int)broadcast, p->vectors), false);
  const Ix xi = nest_arg(b, "xi"), tiles = nest_arg(b, "tiles"), small = nest_arg(b, "small"),
           inner = nest_arg(b, "inner"), large = nest_arg(b, "large"), sums = sums_of(k, &large),
           group = winograd_weight_group_arg(k);
  Buf *a = NEST_REGISTERS(b, "a", L, broadcast, p->vectors);
  NEST_UNROLL(b, i, broadcast)
    for (int v = 0; v < p->vectors; v++) nest_store(b, nest_at(b, a, i, v), num(b, 0));
  NEST_FOR(b, t, tiles) {
    Val x[MOST_VECTORS];
    for (int v = 0; v < p->vectors; v++)
      x[v] = nest_let(b, nest_text(b, "v%d", v),
                      nest_load(b, nest_at(b, k->V, 0, xi, group, large, t, L * v), L));
    NEST_UNROLL(b, i, broadcast)
      for (int v = 0; v < p->vectors; v++)
        nest_accumulate(b, nest_at(b, a, i, v),
                        nest_load(b, nest_at(b, k->Y, xi, group, small, t, inner + i), 1), x[v]);
  }
  NEST_UNROLL(b, i, broadcast)
    for (int v = 0; v < p->vectors; v++)
      nest_store(b, nest_at(b, k->S, sums, xi, inner + i, L * v), nest_get(b, nest_at(b, a, i, v)));
  return fn;
}

/* In memory, the gradients of one filter and channel are contiguous. So the sums of a vector of channels are
 * first stored on the stack. From there, the sums of each channel are added to its gradients. */
static void winograd_weight_add_taps(const Weights *k, Buf *taps, const Ix *s, const Ix *l0, int part) {
  Nest *b = k->l->b;
  NEST_FOR(b, ky, k->w[0].r)
    NEST_ROLLED(b, lane, part)
      NEST_UNROLL(b, kx, k->w[1].r) {
        const Ix l = *l0 + lane;
        Ix index[4];
        const Ref ref =
            nest_ref(b, k->l->out, correlation_weight_index(&k->k, index, s, &l, &ky, &kx), index);
        const Val sum = nest_load(b, nest_at(b, taps, ky, kx, lane), 1);
        nest_store(b, ref, lower_adds(k->l) ? add(sum, nest_load(b, ref, 1)) : sum);
      }
}

static void join_vector(const Weights *k, const Ix *sums, const Ix *i, const Ix *at_, const Ix *s,
                        const Ix *l0, int part) {
  Nest *b = k->l->b;
  const Winograd *wy = &k->w[0], *wx = &k->w[1];
  Buf *d = NEST_REGISTERS(b, "d", k->lanes, wy->r, wx->n),
      *taps = NEST_BUF(b, STACK, "taps", wy->r, wx->r, k->lanes);
  Val x[WINOGRAD_TILE], y[WINOGRAD_TILE];
  NEST_UNROLL(b, column, wx->n) {
    for (int j = 0; j < wy->n; j++)
      x[j] = nest_let(b, nest_text(b, "x%d", j),
                      mul(nest_load(b, nest_at(b, k->S, *sums, wx->n * j + column, *i, *at_), k->lanes),
                          num(b, wy->scale[j])));
    winograd_weight_gradient(b, wy, x, y);
    for (int j = 0; j < wy->r; j++) nest_store(b, nest_at(b, d, j, column), y[j]);
  }
  NEST_UNROLL(b, ky, wy->r) {
    for (int j = 0; j < wx->n; j++)
      x[j] =
          nest_let(b, nest_text(b, "x%d", j), mul(nest_get(b, nest_at(b, d, ky, j)), num(b, wx->scale[j])));
    winograd_weight_gradient(b, wx, x, y);
    for (int kx = 0; kx < wx->r; kx++) nest_store(b, nest_at(b, taps, ky, kx, 0), y[kx]);
  }
  winograd_weight_add_taps(k, taps, s, l0, part);
}

static NestFn *join_panels(const Weights *k, const Piece *p, int64_t channels) {
  Nest *b = k->l->b;
  const int L = k->lanes, whole = p->part < L ? p->vectors - 1 : p->vectors;
  NestFn *fn = nest_fn(b, nest_text(b, "join_%dx%d", (int)channels, p->vectors), false);
  const Ix small = nest_arg(b, "small"), large = nest_arg(b, "large"), sums = sums_of(k, &large),
           group = winograd_weight_group_arg(k);
  NEST_FOR(b, i, channels) {
    const Ix s = k->k.s * group + k->small * small + i, l0 = k->large * large;
    if (whole)
      NEST_FOR(b, v, whole) join_vector(k, &sums, &i, NEST_IX(L * v), &s, NEST_IX(l0 + L * v), L);
    if (whole < p->vectors)
      join_vector(k, &sums, &i, NEST_IX(L * whole), &s, NEST_IX(l0 + L * whole), p->part);
  }
  return fn;
}

/* ---- blocks ---- */
static Piece make_piece(const Weights *k, int64_t channels) {
  const int64_t left = k->k.s % k->small, few = left % k->broadcast;
  Piece p = {.vectors = (int)ceil_divide(channels, k->lanes)};
  p.part = (int)(channels - (p.vectors - 1) * k->lanes);
  if (k->k.s >= k->broadcast) p.multiply[0] = winograd_weight_multiply_tile(k, &p, k->broadcast);
  if (few) p.multiply[1] = winograd_weight_multiply_tile(k, &p, few);
  if (k->k.s >= k->small) p.join[0] = join_panels(k, &p, k->small);
  if (left) p.join[1] = join_panels(k, &p, left);
  return p;
}

static void call_pair(const Weights *k, NestFn *fn, int n, Ix *args, const Ix *group) {
  args[n] = *group;
  nest_call_list(k->l->b, fn, k->k.groups > 1 ? n + 1 : n, args);
}

/* Computes a pair of panels: all points, then the join. channels: number of channels of the panel of the
 * small side. */
static void pair(Nest *b, const Weights *k, const Piece *p, const Ix *group, const Ix *large, const Ix *small,
                 int64_t channels, int64_t tiles) {
  const int64_t whole = channels / k->broadcast;
  NEST_FOR(b, xi, k->w[0].n * k->w[1].n) {
    if (whole)
      NEST_FOR(b, i, whole)
        call_pair(k, p->multiply[0], 5, (Ix[6]){xi, NEST_Z + tiles, *small, k->broadcast * i, *large}, group);
    if (channels % k->broadcast)
      call_pair(k, p->multiply[1], 5,
                (Ix[6]){xi, NEST_Z + tiles, *small, NEST_Z + k->broadcast * whole, *large}, group);
  }
  call_pair(k, p->join[channels < k->small], 2, (Ix[3]){*small, *large}, group);
}

static void pairs(Nest *b, const Weights *k, const Piece *p, const Ix *group, const Ix *large,
                  int64_t tiles) {
  const int64_t whole = k->k.s / k->small, left = k->k.s % k->small;
  if (whole)
    NEST_FOR(b, small, whole) pair(b, k, p, group, large, &small, k->small, tiles);
  if (left) pair(b, k, p, group, large, NEST_IX(whole), left, tiles);
}

static void split(Nest *b, const Weights *k, const Ix *row, const Ix *t0) {
  nest_call(b, k->split_large, NEST_Z, *row, *t0);
  nest_call(b, k->split_small, *row, *t0);
}

static void winograd_weight_block(Nest *b, const Weights *k, const Piece piece[2], const Ix *row,
                                  int64_t rows, const Ix *count) {
  const LoopKind loops = k->whole && k->l->threads ? PARALLEL : SERIAL;
  const int64_t whole = k->k.l / k->large;
  NEST_LOOP(b, r, loops, 1, NEST_IX(0), 1, NEST_IX(rows)) {
    const Ix here = *row + r, t0 = k->width * r;
    if (k->whole) {
      NEST_IF(b, nest_at_least(b, *count - here, 1)) split(b, k, &here, &t0);
      NEST_ELSE(b) nest_call(b, k->clear, t0);
    } else split(b, k, &here, &t0);
  }
  NEST_FOR(b, group, k->k.groups) {
    if (whole)
      NEST_LOOP(b, large, whole > 1 ? loops : SERIAL, 1, NEST_IX(0), 1, NEST_IX(whole))
        pairs(b, k, &piece[0], &group, &large, rows * k->width);
    if (k->k.l % k->large) pairs(b, k, &piece[1], &group, NEST_IX(whole), rows * k->width);
  }
}

static void winograd_weight_cut_tiles(Weights *k) {
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
                large = ceil_divide(k->k.l, k->large), small = ceil_divide(k->k.s, k->small);
  k->V = lower_scratch(k->l, "V", 6, (int64_t[]){1, points, k->k.groups, large, tiles, k->large});
  k->Y = lower_scratch(k->l, "Y", 5, (int64_t[]){points, k->k.groups, small, tiles, k->small});
  k->S = lower_scratch(k->l, "S", 4, (int64_t[]){k->whole ? large : 1, points, k->small, k->large});
}

static bool conv_winograd_weights_build(Lower *l) {
  Nest *b = l->b;
  Weights k = {.l = l,
               .k = correlation_of(l->node),
               .lanes = l->target->lanes,
               .broadcast = l->target->blocking.dense_rows};
  k.large = MOST_VECTORS * k.lanes;
  k.small = least_multiple(k.broadcast, k.lanes);
  winograd_axes(&k.k, l->choice.m, k.w);
  winograd_weight_cut_tiles(&k);
  if (!k.whole || k.rows > k.block) lower_must_add(l);
  make_buffers(&k);
  k.split_large = winograd_split(l, &k.k, k.w, k.lanes, k.V);
  k.split_small = winograd_weight_split_row(&k);
  if (k.whole) k.clear = clear_row(&k);
  Piece piece[2] = {{0}};
  if (k.k.l >= k.large) piece[0] = make_piece(&k, k.large);
  if (k.k.l % k.large) piece[1] = make_piece(&k, k.k.l % k.large);
  nest_fn(b, b->name, false);
  const Ix count = k.whole ? lower_rows(l) : NEST_Z;
  const int64_t blocks = k.rows / k.block, last = k.rows % k.block;
  NEST_FOR(b, i, blocks) winograd_weight_block(b, &k, piece, NEST_IX(k.block * i), k.block, &count);
  if (last) winograd_weight_block(b, &k, piece, NEST_IX(k.block * blocks), last, &count);
  lower_about(l, "%s%s, blocks of %d tiles", k.whole ? "batched " : "",
              winograd_name(l->arena, &k.k, l->choice.m), (int)(k.block * k.width));
  return true;
}

static bool conv_winograd_weights_takes(const Lower *l) { return takes_whole_batch(l) || takes_channels(l); }

static Cycles conv_winograd_weights_cycles(const Lower *l, const Target *target, const Choice *choice) {
  const Correlation k = correlation_of(l->node);
  const RowsCosts costs = rows_costs(l);
  if (takes_whole_batch(l)) return rows_by_winograd(&costs, l->node, choice->m, l->batch);
  return cost_winograd_weights(target, &k, choice->m);
}

const Schedule schedule_conv_winograd_weights = {.name = "Winograd",
                                                 .tuning_name = "winograd",
                                                 .families = FAMILY_BIT(FAMILY_CONV_WEIGHTS),
                                                 .takes = conv_winograd_weights_takes,
                                                 .sizes = conv_winograd_sizes,
                                                 .title = conv_winograd_title,
                                                 .refused = conv_winograd_refused,
                                                 .cycles = conv_winograd_weights_cycles,
                                                 .error = conv_winograd_error,
                                                 .build = conv_winograd_weights_build,
                                                 .variants = choices_by_tiles};
