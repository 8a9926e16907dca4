// conv_strassen.c: 1x1 convolutions with stride 1, and their input gradients, with Strassen's algorithm,
// which is applied once or twice.
// SPDX-License-Identifier: Apache-2.0
//
// Such a convolution is the product of two matrices, [pixels][input channels] and [input channels][output
// channels]. If the algorithm is applied once, each axis of these matrices and of the result is divided into
// two halves. The blocks of the result are computed with 7 products of sums of blocks, instead of 8. If it is
// applied twice, each axis of a matrix is divided into four parts, and 49 products replace 64. A tile has 2
// adjacent pixels, or 4 if the algorithm is applied twice. Pixel k of a tile belongs to block k along the
// pixels. So blocks of tiles can be as small as the caches require (conv_points.c):
//
//     split    V[xi][t][c] = left factor of product xi, from channel c of each part of tile t's inputs
//     weights  the right factors, computed when the weights are packed
//     join     channel f of each part of tile t's output channels = finish(sums of M[..][t][f] + bias)
//
// The second application divides each block of the first application in the same way. An index combines the
// indices `first` and `second` of both applications: the pixel of a tile and the part of the channels are
// 2*first + second, the product is 7*first + second.
//
// Rounding error (strassen_error): on random data with 256 channels, 1e-6 of the largest output for one
// application, and 2e-6 for two. --exact uses the direct convolution.
//
// Example: `x: 14x14x2048 -> conv(2048, 1x1)` --target=x86-64-v3, lines 2-11 of conv1_split:
//
//     for (int v = 0; v < 64; v++) {
//       v8 d[7][4];
//       UNROLL for (int i = 0; i < 2; i++)
//         UNROLL for (int j = 0; j < 2; j++) {
//           const v8 x0 = LOAD(v8, in[0][4*tile + i][8*v + 512*j]);
//           const v8 x1 = LOAD(v8, in[0][4*tile + i][8*v + 512*j + 1024]);
//           const v8 x2 = LOAD(v8, in[0][4*tile + i + 2][8*v + 512*j]);
//           const v8 x3 = LOAD(v8, in[0][4*tile + i + 2][8*v + 512*j + 1024]);
//           const v8 s = x2 + x3;
//           const v8 s_2 = s - x0;
#include "base/number.h"
#include "schedule/conv_points.h"
#include "schedule/float/strassen.h"

enum { FEWEST_CHANNELS = 16 }; /* minimum number of input channels of a part */

typedef struct Conv {
  Points p; /* the first member, which conv_points.c uses */
  Lower *l;
  Correlation own;
  bool spread;    /* the kernel is an input gradient */
  int levels;     /* number of applications of the algorithm */
  int64_t parts;  /* parts along each axis of a matrix; also the number of pixels of a tile */
  int64_t pixels; /* number of pixels of the image */
  Buf *bias;
} Conv;

/* Index along an axis of a matrix, computed from the indices of both applications. */
static Ix strassen_part_of(const Conv *c, int first, const Ix *second) {
  return c->levels > 1 ? 2 * first + *second : NEST_Z + first;
}

/* ---- packed weights ---- */
/* Reads a weight. tap[0], tap[1]: row and column of the block in the first application; tap[2], tap[3]: row
 * and column of the block in the second application, inside that block. */
static Val read_tap(const Points *p, Pack *pack, const PointWeight *at, const Ix tap[4]) {
  const Conv *c = (const Conv *)p;
  const int64_t parts = c->levels > 1 ? 2 : 1;
  const Ix in = c->p.in * (parts * tap[0] + tap[2]) + at->in,
           out = c->p.filters * (parts * tap[1] + tap[3]) + at->out;
  Ix index[4];
  const int rank = correlation_weight_index(&c->own, index, c->spread ? &in : &out, c->spread ? &out : &in,
                                            &NEST_Z, &NEST_Z);
  return lower_packed_weight(c->l, pack, rank, index, &out, &in);
}

/* Transforms the taps of application `axis` of the algorithm: the applications are the axes of PointPack. If
 * the algorithm is applied once, the second axis has a single point. */
static void transform_taps(const Points *p, Nest *b, int axis, const Val *tap, Val *point) {
  if (axis == 0 || ((const Conv *)p)->levels > 1) strassen_right(b, &strassen_floats, tap, point);
  else point[0] = tap[0];
}

/* ---- split ---- */
static Val input_at(const Conv *c, bool edge, const Ix *pixel, const Ix *channel, int part) {
  Nest *b = c->l->b;
  const int L = c->p.lanes;
  const Ref ref = nest_at(b, c->l->in[0], 0, *pixel, *channel);
  Val value = nest_load_part(b, ref, part, L);
  return edge ? pick(b, nest_below(b, *pixel, c->pixels), value, L > 1 ? splat(num(b, 0), L) : num(b, 0))
              : value;
}

/* Loads one vector from each of the four blocks of the first application. Inside its block, the vector is in
 * block (i, j) of the second application. */
static void load_blocks(const Conv *c, bool edge, const Ix *tile, const Ix *channel, int part, const Ix *i,
                        const Ix *j, Val *x) {
  Nest *b = c->l->b;
  for (int k = 0; k < STRASSEN_BLOCKS; k++) {
    const Ix pixel = c->parts * *tile + strassen_part_of(c, strassen_row(k), i),
             from = c->p.in * strassen_part_of(c, strassen_column(k), j) + *channel;
    x[k] = nest_let(b, nest_text(b, "x%d", k), input_at(c, edge, &pixel, &from, part));
  }
}

static void split_channels(const Conv *c, bool edge, const Ix *slot, const Ix *tile, const Ix *t,
                           const Ix *channel, int part) {
  Nest *b = c->l->b;
  Val x[STRASSEN_BLOCKS], y[STRASSEN_PRODUCTS];
  if (c->levels == 1) {
    load_blocks(c, edge, tile, channel, part, &NEST_Z, &NEST_Z, x);
    strassen_left(b, &strassen_floats, x, y);
    for (int k = 0; k < STRASSEN_PRODUCTS; k++)
      nest_store(b, nest_at(b, c->p.V, *slot, k, *t, *channel), y[k]);
    return;
  }
  Buf *d = NEST_REGISTERS(b, "d", c->p.lanes, STRASSEN_PRODUCTS, STRASSEN_BLOCKS);
  NEST_UNROLL(b, i, 2)
    NEST_UNROLL(b, j, 2) {
      load_blocks(c, edge, tile, channel, part, &i, &j, x);
      strassen_left(b, &strassen_floats, x, y);
      for (int k = 0; k < STRASSEN_PRODUCTS; k++) nest_store(b, nest_at(b, d, k, 2 * i + j), y[k]);
    }
  NEST_UNROLL(b, i, STRASSEN_PRODUCTS) {
    for (int k = 0; k < STRASSEN_BLOCKS; k++) x[k] = nest_get(b, nest_at(b, d, i, k));
    strassen_left(b, &strassen_floats, x, y);
    for (int k = 0; k < STRASSEN_PRODUCTS; k++)
      nest_store(b, nest_at(b, c->p.V, *slot, STRASSEN_PRODUCTS * i + k, *t, *channel), y[k]);
  }
}

static NestFn *split_tile(const Conv *c, bool edge) {
  Nest *b = c->l->b;
  NestFn *fn = nest_fn(b, edge ? "split_edge" : "split", true);
  const Ix slot = nest_arg(b, "slot"), tile = nest_arg(b, "tile"), t = nest_arg(b, "t");
  const int64_t whole = c->p.in / c->p.lanes, rest = c->p.in % c->p.lanes;
  NEST_FOR(b, v, whole) split_channels(c, edge, &slot, &tile, &t, NEST_IX(c->p.lanes * v), c->p.lanes);
  if (rest) split_channels(c, edge, &slot, &tile, &t, NEST_IX(c->p.lanes * whole), (int)rest);
  return fn;
}

/* Number of rows of tiles without missing pixels. */
static int64_t whole_rows(const Conv *c) { return c->pixels / (c->parts * c->p.width); }

/* Calls the tile function for the tiles of row ty. f0: the last argument for join; NULL for split. */
static void row_tiles(const Conv *c, NestFn *fn, const Ix *slot, const Ix *ty, const Ix *t0, const Ix *f0) {
  Nest *b = c->l->b;
  if (fn)
    NEST_FOR(b, tx, c->p.width)
      nest_call_list(b, fn, f0 ? 4 : 3,
                     (const Ix[]){*slot, c->p.width * *ty + tx, *t0 + tx, f0 ? *f0 : NEST_Z});
}

static NestFn *strassen_split_row(const Conv *c) {
  Nest *b = c->l->b;
  const int64_t inside = whole_rows(c);
  NestFn *whole = inside ? split_tile(c, false) : NULL,
         *edge = inside < c->p.rows ? split_tile(c, true) : NULL;
  NestFn *fn = nest_fn(b, "split_row", false);
  const Ix slot = nest_arg(b, "slot"), ty = nest_arg(b, "ty"), t0 = nest_arg(b, "t0");
  NEST_IF(b, nest_below(b, ty, inside)) row_tiles(c, whole, &slot, &ty, &t0, NULL);
  NEST_ELSE(b) row_tiles(c, edge, &slot, &ty, &t0, NULL);
  return fn;
}

/* ---- join ---- */
typedef struct Join {
  const Conv *c;
  bool edge;
  Ix slot, tile, t, f0, f; /* f0 + f: index of the first channel in a part of the output channels; part:
                              number of channels */
  int part;
} Join;

/* Stores one vector to each of the four blocks of the first application. Inside its block, the vector is in
 * block (pixel, part) of the second application. */
static void put_blocks(const Join *j, const Ix *pixel, const Ix *part, const Val *y) {
  const Conv *c = j->c;
  Nest *b = c->l->b;
  const int L = c->p.lanes;
  for (int k = 0; k < STRASSEN_BLOCKS; k++) {
    const Ix x = c->parts * j->tile + strassen_part_of(c, strassen_row(k), pixel),
             channel = c->p.filters * strassen_part_of(c, strassen_column(k), part) + j->f0 + j->f;
    NEST_IF(b, j->edge ? nest_below(b, x, c->pixels) : nest_always(b)) {
      Val sum = c->bias ? add(y[k], nest_load(b, nest_at(b, c->bias, channel), L)) : y[k];
      lower_store(c->l, sum, &NEST_Z, &x, &channel, j->part, L);
    }
  }
}

static void load_products(const Join *j, const Ix *first, Val *x) {
  const Conv *c = j->c;
  Nest *b = c->l->b;
  for (int k = 0; k < STRASSEN_PRODUCTS; k++)
    x[k] = nest_let(b, nest_text(b, "x%d", k),
                    nest_load(b, nest_at(b, c->p.M, j->slot, *first + k, j->t, j->f), c->p.lanes));
}

static void join_channels(const Join *join) {
  const Conv *c = join->c;
  Nest *b = c->l->b;
  Val x[STRASSEN_PRODUCTS], y[STRASSEN_BLOCKS];
  if (c->levels == 1) {
    load_products(join, &NEST_Z, x);
    strassen_result(b, &strassen_floats, x, y);
    put_blocks(join, &NEST_Z, &NEST_Z, y);
    return;
  }
  Buf *d = NEST_REGISTERS(b, "d", c->p.lanes, STRASSEN_PRODUCTS, STRASSEN_BLOCKS);
  NEST_UNROLL(b, i, STRASSEN_PRODUCTS) {
    load_products(join, NEST_IX(STRASSEN_PRODUCTS * i), x);
    strassen_result(b, &strassen_floats, x, y);
    for (int k = 0; k < STRASSEN_BLOCKS; k++) nest_store(b, nest_at(b, d, i, k), y[k]);
  }
  NEST_UNROLL(b, i, 2)
    for (int j = 0; j < 2; j++) { /* this loop is unrolled here, because the prover cannot describe the
                                     channels of two parts as one box */
      for (int k = 0; k < STRASSEN_PRODUCTS; k++) x[k] = nest_get(b, nest_at(b, d, k, 2 * i + j));
      strassen_result(b, &strassen_floats, x, y);
      put_blocks(join, &i, NEST_IX(j), y);
    }
}

static NestFn *join_tile(const Conv *c, const Bundle *bundle, bool edge) {
  Nest *b = c->l->b;
  NestFn *fn = nest_fn(
      b, nest_text(b, "join%s%s", edge ? "_edge" : "", bundle == &c->p.bundle[1] ? "_rest" : ""), true);
  const Ix slot = nest_arg(b, "slot"), tile = nest_arg(b, "tile"), t = nest_arg(b, "t"),
           f0 = nest_arg(b, "f0");
  const int64_t whole = bundle->valid / c->p.lanes, rest = bundle->valid % c->p.lanes;
  Join join = {.c = c, .edge = edge, .slot = slot, .tile = tile, .t = t, .f0 = f0, .part = c->p.lanes};
  NEST_FOR(b, v, whole) {
    join.f = c->p.lanes * v;
    join_channels(&join);
  }
  if (rest) {
    join.f = NEST_Z + c->p.lanes * whole;
    join.part = (int)rest;
    join_channels(&join);
  }
  return fn;
}

static NestFn *join_row(const Points *p, const Bundle *bundle) {
  const Conv *c = (const Conv *)p;
  Nest *b = c->l->b;
  const int64_t inside = whole_rows(c);
  NestFn *whole = inside ? join_tile(c, bundle, false) : NULL,
         *edge = inside < c->p.rows ? join_tile(c, bundle, true) : NULL;
  NestFn *fn = nest_fn(b, nest_text(b, "join_row%s", bundle == &p->bundle[1] ? "_rest" : ""), false);
  const Ix slot = nest_arg(b, "slot"), ty = nest_arg(b, "ty"), t0 = nest_arg(b, "t0"), f0 = nest_arg(b, "f0");
  NEST_IF(b, nest_below(b, ty, inside)) row_tiles(c, whole, &slot, &ty, &t0, &f0);
  NEST_ELSE(b) row_tiles(c, edge, &slot, &ty, &t0, &f0);
  return fn;
}

/* ---- the kernel ---- */
/* Number of tiles in a row, chosen so that few tiles are missing in the last row of an image of `tiles`
 * tiles. Blocks of tiles consist of whole rows. */
static int64_t row_width(int64_t tiles) {
  enum { NARROWEST = 6, WIDEST = 16 };
  int64_t best = tiles;
  if (tiles > WIDEST) best = WIDEST;
  for (int64_t width = smaller(tiles, WIDEST); width >= NARROWEST; width--)
    if (ceil_divide(tiles, width) * width < ceil_divide(tiles, best) * best) best = width;
  return best;
}

bool strassen_takes(const Correlation *k) { return k->groups == 1 && correlation_pointwise(k); }

static int points_of(int parts) {
  return parts == 2 ? STRASSEN_PRODUCTS : STRASSEN_PRODUCTS * STRASSEN_PRODUCTS;
}

const char *strassen_refused_for(Arena *arena, const Target *layout, bool exact, const Correlation *k,
                                 int parts) {
  if (layout->lanes == 1) return "no vectors";
  if (k->l % parts || k->s % parts)
    return arena_printf(arena, "channel counts that %d does not divide", parts);
  if (k->l / parts < FEWEST_CHANNELS)
    return arena_printf(arena, "fewer than %d input channels in each part", FEWEST_CHANNELS);
  const int64_t padded = k->s / parts + 2 * (int64_t)layout->lanes,
                weights = bounded_product(bounded_product(k->l / parts, padded), points_of(parts));
  if (weights > INT32_MAX / 2) return "too many weights";
  return exact ? "--exact" : NULL;
}

static const char *conv_strassen_refused(const Lower *l, const Choice *choice) {
  if (l->kernel->gate) return "a gate scales the weights for each image";
  if (l->kernel->pool) return "a fused pooling";
  const Correlation k = correlation_gathering(l->node);
  return strassen_refused_for(l->arena, l->layout, l->exact, &k, choice->m);
}

const char *strassen_name(int parts) { return parts == 2 ? "Strassen" : "Strassen twice"; }

static bool conv_strassen_build(Lower *l) {
  const Correlation k = correlation_gathering(l->node);
  Conv c = {.l = l,
            .own = correlation_of(l->node),
            .spread = correlation_spreads(l->node),
            .parts = l->choice.m,
            .levels = l->choice.m == 2 ? 1 : 2,
            .pixels = k.small.h * k.small.w};
  const int64_t tiles = ceil_divide(c.pixels, c.parts), width = row_width(tiles);
  c.p = (Points){.l = l,
                 .points = points_of(l->choice.m),
                 .groups = 1,
                 .in = k.l / c.parts,
                 .channels = k.l / c.parts,
                 .phases = {1, 1},
                 .filters = k.s / c.parts,
                 .rows = ceil_divide(tiles, width),
                 .width = width,
                 .macs = correlation_macs(&k),
                 .block_tiles = l->target->blocking.strassen_tiles};
  lower_view_rows(l, 1);
  const int more = c.levels > 1 ? 2 : 1;
  points_begin(&c.p, &(PointPack){{{2, 2}, {more, more}},
                                  {STRASSEN_PRODUCTS, c.levels > 1 ? STRASSEN_PRODUCTS : 1},
                                  read_tap,
                                  transform_taps});
  c.bias = correlation_bias(l, &c.own, c.spread, k.s + direct_unit(l, c.p.filters));
  points_functions(&c.p, strassen_split_row(&c), join_row);
  nest_fn(l->b, l->b->name, false);
  points_loops(l->b, &c.p);
  points_about(&c.p, strassen_name((int)c.parts));
  return true;
}

/* ---- candidate ---- */
static bool conv_strassen_takes(const Lower *l) {
  const Correlation k = correlation_ranked(l->node);
  return takes_channels(l) && strassen_takes(&k);
}

static void conv_strassen_sizes(const Lower *l, Choices *choices) {
  (void)l;
  for (int parts = 2; parts <= 4; parts *= 2) choices_add(choices, (Choice){.m = parts});
}

static const char *conv_strassen_title(const Lower *l, const Choice *choice) {
  (void)l;
  return strassen_name(choice->m);
}

static Cycles conv_strassen_cycles(const Lower *l, const Target *target, const Choice *choice) {
  const Correlation k = correlation_ranked(l->node);
  return cost_strassen(target, &k, choice->m, l->batch, l->weight_bytes);
}

static WinogradError conv_strassen_error(const Lower *l, const Choice *choice) {
  return strassen_error(choice->m / 2, correlation_ranked(l->node).l);
}

const Schedule schedule_conv_strassen = {.name = "Strassen",
                                         .tuning_name = "strassen",
                                         .families =
                                             FAMILY_BIT(FAMILY_CONV) | FAMILY_BIT(FAMILY_CONV_SCATTER),
                                         .takes = conv_strassen_takes,
                                         .sizes = conv_strassen_sizes,
                                         .title = conv_strassen_title,
                                         .refused = conv_strassen_refused,
                                         .cycles = conv_strassen_cycles,
                                         .error = conv_strassen_error,
                                         .build = conv_strassen_build,
                                         .variants = choices_by_tiles};
