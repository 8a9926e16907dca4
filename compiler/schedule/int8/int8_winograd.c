// int8_winograd.c: Exact int8 3x3 convolutions with stride 1: Winograd's F(4x4,3x3) in integers, vectorized
// (Lavin and Gray, 2016).
// SPDX-License-Identifier: Apache-2.0
//
// A tile of 6x6 inputs q is transformed to V = B'qB. The elements of V are at most 100 * 128 = 12,800, so
// they fit into int16. Weights g are transformed to U = GgG', where G is multiplied by 24 (its last row by
// 6). The elements of U are at most 144 * 127 = 18,288. Sums of products are modulo 2^32, and A'(U.V)A is 576
// times the outputs, modulo 2^32. Multiplying this result by the inverse of 9 modulo 2^32 yields 64 times the
// outputs. The outputs are exact if they are below 2^25, which depends on the weights. With many channels,
// this bound only holds for parts of the channels; then the outputs of the parts are added. The algorithm
// needs 1/4 of the products of a direct convolution.
//
// int8_points.c stores V and U, and conv_points.c multiplies. U is computed in each call. Stored in the
// model, U would need eight times the memory of the weights. If the image has more than a few tiles,
// computing U is cheaper than the products.
//
// With VNNI, a product of two halves costs the same as a product of four bytes, so only half of the saving
// remains.
//
// Example: `x: 14x14x64 -> conv(64, 3x3, pad=same)` --target=x86-64-v3, lines 5-20 of conv1_join_tile:
//
//     for (int i = 0; i < 6; i++) {
//       const v8i m0 = LOAD(v8i, M[0][6*i][tile][0]);
//       const v8i m1 = LOAD(v8i, M[0][6*i + 1][tile][0]);
//       const v8i m2 = LOAD(v8i, M[0][6*i + 2][tile][0]);
//       const v8i m3 = LOAD(v8i, M[0][6*i + 3][tile][0]);
//       const v8i m4 = LOAD(v8i, M[0][6*i + 4][tile][0]);
//       const v8i m5 = LOAD(v8i, M[0][6*i + 5][tile][0]);
//       const v8i a = n_wrap_sum_x8(m1, m2, (v8i){0});
//       const v8i s = n_wrap_difference_x8(m1, m2);
//       const v8i c = n_wrap_sum_x8(m3, m4, (v8i){0});
//       const v8i d = n_wrap_difference_x8(m3, m4);
//       AT(v8i, half0[i][0][0]) = n_wrap_sum_x8(n_wrap_sum_x8(m0, a, (v8i){0}), c, (v8i){0});
//       AT(v8i, half0[i][1][0]) = n_wrap_sum_x8(s, d, n_splat_x8i(1));
//       AT(v8i, half0[i][2][0]) = n_wrap_sum_x8(a, c, n_splat_x8i(2));
//       AT(v8i, half0[i][3][0]) = n_wrap_sum_x8(n_wrap_sum_x8(s, d, n_splat_x8i(3)), m5, n_splat_x8i ...
//     }
#include <stdlib.h>
#include "base/number.h"
#include "schedule/int8/int8_points.h"

enum { M = 4, SIDE = M + 2, POINTS = SIDE * SIDE, TAPS = 3, SHIFT = 6 };

typedef struct Winograd8 {
  Points8 d;  /* must be first: callbacks of conv_points.c cast a Points * to a Winograd8 * */
  Buf *total; /* sums over all parts: [slot][tile][output][filter of the bundle]; NULL: there is one part */
} Winograd8;

/* ---- parts ---- */
static bool sums_fit(const Lower *l, const Correlation *k, int64_t parts) {
  const Int8Product *p = l->node->detail;
  const int64_t terms = k->l / parts * TAPS * TAPS;
  for (int64_t part = 0; part < k->s * parts; part++) {
    int64_t sizes = 0;
    for (int64_t i = 0; i < terms; i++) sizes += l->updatable ? INT8_MAX : abs(p->weight[part * terms + i]);
    if (-INT8_MIN * sizes >= INT64_C(1) << 25) return false;
  }
  return true;
}

static int64_t quads_of_part(const Points8 *d) { return d->p.in / 2; }

/* Chooses the smallest number of parts of the input channels for which the outputs of each part are below
 * 2^25. */
static bool choose_parts(Points8 *d, const Lower *l) {
  enum { MOST_PARTS = 4 };
  for (int64_t parts = 1; parts <= MOST_PARTS; parts++) {
    if (d->quads % (parts * FEWEST_LANES) || !sums_fit(l, &d->k, parts)) continue;
    d->p.parts = parts;
    d->p.in /= parts;
    while (quads_of_part(d) % d->channels) d->channels /= 2;
    return true;
  }
  return false;
}

/* ---- halves ---- */
static Val twice(Nest *b, const char *name, Val a) { return nest_let(b, name, halves_plus(a, a)); }

/* u = Gg: rows 6 0 0, -4 -4 -4, -4 4 -4, 1 2 4, 1 -2 4, 0 0 6. */
static void int8_winograd_split_weights(Nest *b, Val u[SIDE], const Val g[TAPS]) {
  const Val first2 = twice(b, "first2", g[0]), first4 = twice(b, "first4", first2),
            middle2 = twice(b, "middle2", g[1]), middle4 = twice(b, "middle4", middle2),
            last2 = twice(b, "last2", g[2]), last4 = twice(b, "last4", last2),
            ends4 = nest_let(b, "ends4", halves_plus(first4, last4)),
            near = nest_let(b, "near", halves_plus(g[0], last4));
  u[0] = halves_plus(first4, first2);
  u[1] = halves_minus(halves_minus(num_i32(b, 0), ends4), middle4);
  u[2] = halves_minus(middle4, ends4);
  u[3] = halves_plus(near, middle2);
  u[4] = halves_minus(near, middle2);
  u[5] = halves_plus(last4, last2);
}

/* ---- the input ---- */
/* Splits the words of a tile's pixels into even and odd bytes, and transforms them along each column. */
static void split_columns(const Points8 *d, Buf *column, const Ix *y0, const Ix *x0, const Ix *quad) {
  Lower *l = d->l;
  Nest *b = l->b;
  const uint32_t zero = (uint32_t)l->node->in[0]->quant->zero & 0xffu;
  NEST_FOR(b, x, SIDE) {
    const Ix ix = *x0 + x;
    Val bytes[SIDE];
    for (int i = 0; i < SIDE; i++) {
      const Ix iy = *y0 + i;
      bytes[i] =
          nest_let(b, nest_text(b, "bytes%d", i),
                   pick(b, cond_and(nest_within(b, iy, 0, d->k.large.h), nest_within(b, ix, 0, d->k.large.w)),
                        nest_load_words(b, nest_at(b, l->in[0], iy, ix, *quad * WORD_BYTES), d->channels),
                        splat(lower_number(l, "padding", (int32_t)(zero * 0x01010101u)), d->channels)));
    }
    for (int odd = 0; odd < 2; odd++) {
      Val in[SIDE], v[SIDE];
      for (int i = 0; i < SIDE; i++)
        in[i] = words_half(b, nest_text(b, odd ? "odd%d" : "even%d", i), odd, bytes[i]);
      winograd_split_halves(b, v, in);
      for (int i = 0; i < SIDE; i++) nest_store(b, nest_at(b, column, odd, i, x, 0), v[i]);
    }
  }
}

static NestFn *int8_winograd_split_tile(const Points8 *d) {
  Nest *b = d->l->b;
  NestFn *fn = nest_fn(b, "split_tile", true);
  const Ix y0 = nest_arg(b, "y0"), x0 = nest_arg(b, "x0"), tile = nest_arg(b, "tile");
  NEST_FOR(b, part, d->p.parts)
    NEST_FOR(b, n, quads_of_part(d) / d->channels) {
      const Ix quad = quads_of_part(d) * part + n * d->channels;
      Buf *column = NEST_BUF_OF(b, STACK, "column", I32, 2, SIDE, SIDE, d->channels);
      split_columns(d, column, &y0, &x0, &quad);
      for (int odd = 0; odd < 2; odd++)
        NEST_FOR(b, i, SIDE) {
          Val in[SIDE], v[SIDE];
          for (int j = 0; j < SIDE; j++)
            in[j] = nest_let(b, nest_text(b, "d%d", j),
                             nest_load(b, nest_at(b, column, odd, i, j, 0), d->channels));
          winograd_split_halves(b, v, in);
          for (int j = 0; j < SIDE; j++)
            nest_store(b,
                       nest_at(b, d->p.V, part, i * SIDE + j, tile, quads_of_part(d) * odd + n * d->channels),
                       v[j]);
        }
    }
  return fn;
}

static NestFn *int8_winograd_split_row(const Points8 *d) {
  Nest *b = d->l->b;
  NestFn *tile = int8_winograd_split_tile(d), *fn = nest_fn(b, "split_row", false);
  (void)nest_arg(b, "slot"); /* all slots share V */
  const Ix ty = nest_arg(b, "ty"), t0 = nest_arg(b, "t0");
  NEST_FOR(b, x, d->p.width) nest_call(b, tile, M * ty - d->k.before[0], M * x - d->k.before[1], t0 + x);
  return fn;
}

/* The argument `part` of functions that are called once per part; 0 if there is one part. */
static Ix part_arg(const Points8 *d) { return d->p.parts > 1 ? nest_arg(d->l->b, "part") : NEST_Z; }

/* ---- weights ---- */
/* Transforms one word of a vector of filters to two words at each point: its even and its odd bytes. */
static NestFn *split_word(const Points8 *d) {
  Nest *b = d->l->b;
  NestFn *fn = nest_fn(b, "split_word", true);
  const Ix slot = nest_arg(b, "slot"), vector = nest_arg(b, "vector"), lane = nest_arg(b, "lane"),
           at = nest_arg(b, "at"), quad = nest_arg(b, "quad"), part = part_arg(d);
  Buf *row = NEST_BUF_OF(b, STACK, "row", I32, SIDE, TAPS, d->p.lanes);
  for (int odd = 0; odd < 2; odd++) {
    NEST_FOR(b, kx, TAPS) {
      Val g[TAPS], u[SIDE];
      for (int ky = 0; ky < TAPS; ky++) {
        const Ref word =
            nest_at(b, d->weight, vector, ky, kx * d->quads + part * quads_of_part(d) + quad, lane);
        g[ky] = words_half(b, nest_text(b, "g%d", ky), odd, nest_load(b, word, d->p.lanes));
      }
      int8_winograd_split_weights(b, u, g);
      for (int i = 0; i < SIDE; i++) nest_store(b, nest_at(b, row, i, kx, 0), u[i]);
    }
    NEST_FOR(b, i, SIDE) {
      Val g[TAPS], u[SIDE];
      for (int kx = 0; kx < TAPS; kx++)
        g[kx] = nest_let(b, nest_text(b, "g%d", kx), nest_load(b, nest_at(b, row, i, kx, 0), d->p.lanes));
      int8_winograd_split_weights(b, u, g);
      for (int j = 0; j < SIDE; j++)
        nest_store(
            b,
            nest_at(b, d->p.panels[0].w, POINTS * slot + i * SIDE + j, 0, quads_of_part(d) * odd + quad, at),
            u[j]);
    }
  }
  return fn;
}

/* Prefetches weights. They are read from memory in one stream for each tap and vector; the hardware does not
 * prefetch this number of streams. */
static void int8_winograd_prefetch_weights(const Points8 *d, const Ix *bundle, const Ix *part,
                                           const Ix *quad) {
  enum { AHEAD = 6 };
  Nest *b = d->l->b;
  const int64_t line = d->l->target->line / 4;
  for (int64_t at = 0; at < points8_width(d); at += larger(line, d->p.lanes)) {
    const Ix vector = points8_vector(d, bundle, 0, (int)(at / d->p.lanes));
    for (int64_t ky = 0; ky < TAPS; ky++)
      for (int64_t kx = 0; kx < TAPS; kx++)
        nest_prefetch(b, d->weight,
                      vector * buf_room(d->weight, 1) + ky * buf_room(d->weight, 2) +
                          (kx * d->quads + *part * quads_of_part(d) + *quad + AHEAD) * d->finish.unit +
                          at % d->finish.unit);
  }
}

static NestFn *split_weights_of(const Points8 *d) {
  Nest *b = d->l->b;
  NestFn *word = split_word(d);
  NestFn *fn = nest_fn(b, "split_weights", true);
  const Ix slot = nest_arg(b, "slot"), bundle = nest_arg(b, "bundle"), part = part_arg(d);
  NEST_FOR(b, quad, quads_of_part(d)) {
    int8_winograd_prefetch_weights(d, &bundle, &part, &quad);
    for (int v = 0; v < d->p.vectors; v++) {
      const Ix args[6] = {
          slot, points8_vector(d, &bundle, 0, v), points8_lane(d, v), NEST_Z + v * d->p.lanes, quad, part};
      nest_call_list(b, word, d->p.parts > 1 ? 6 : 5, args);
    }
  }
  return fn;
}

/* ---- the output ---- */
typedef struct JoinArgs {
  Ix y0, x0, slot, tile, bundle;
} JoinArgs;

static JoinArgs join_args(Nest *b) {
  JoinArgs a = {.y0 = nest_arg(b, "y0")};
  a.x0 = nest_arg(b, "x0");
  a.slot = nest_arg(b, "slot");
  a.tile = nest_arg(b, "tile");
  a.bundle = nest_arg(b, "bundle");
  return a;
}

static void join_column(const Winograd8 *w, Buf *half, const JoinArgs *a, int v) {
  const Points8 *d = &w->d;
  Nest *b = d->l->b;
  NEST_FOR(b, j, M) {
    const Ix ox = a->x0 + j;
    NEST_IF(b, nest_below(b, ox, d->k.small.w)) {
      Val m[SIDE], y[M];
      for (int i = 0; i < SIDE; i++)
        m[i] = nest_let(b, nest_text(b, "m%d", i), nest_load(b, nest_at(b, half, i, j, 0), d->p.lanes));
      winograd_join_words(b, y, m);
      for (int i = 0; i < M; i++) {
        const Ix oy = a->y0 + i;
        NEST_IF(b, nest_below(b, oy, d->k.small.h)) {
          const Val sum = nest_primitive(b, &primitive_part576, y[i], num_i32(b, SHIFT), NULL);
          if (w->total) {
            const Ref at = nest_at(b, w->total, a->slot, a->tile, i * M + j, v * d->p.lanes);
            nest_store(b, at, wrapped_plus(sum, nest_load(b, at, d->p.lanes)));
          } else points8_finish(d, sum, &oy, &ox, &a->bundle, 0, v);
        }
      }
    }
  }
}

static NestFn *int8_winograd_join_tile(const Winograd8 *w) {
  const Points8 *d = &w->d;
  Nest *b = d->l->b;
  NestFn *fn = nest_fn(b, "join_tile", true);
  const JoinArgs a = join_args(b);
  for (int v = 0; v < d->p.vectors; v++) {
    Buf *half = NEST_BUF_OF(b, STACK, nest_text(b, "half%d", v), I32, SIDE, M, d->p.lanes);
    NEST_FOR(b, i, SIDE) {
      Val m[SIDE], y[M];
      for (int j = 0; j < SIDE; j++)
        m[j] = nest_let(
            b, nest_text(b, "m%d", j),
            nest_load(b, nest_at(b, d->p.M, a.slot, i * SIDE + j, a.tile, v * d->p.lanes), d->p.lanes));
      winograd_join_words(b, y, m);
      for (int j = 0; j < M; j++) nest_store(b, nest_at(b, half, i, j, 0), y[j]);
    }
    join_column(w, half, &a, v);
  }
  return fn;
}

/* Creates a function that calls `tile` for the tiles of a row. */
static NestFn *int8_winograd_row_of(const Points8 *d, const char *name, NestFn *tile) {
  Nest *b = d->l->b;
  NestFn *fn = nest_fn(b, name, false);
  const Ix slot = nest_arg(b, "slot"), ty = nest_arg(b, "ty"), t0 = nest_arg(b, "t0"),
           bundle = nest_arg(b, "bundle");
  NEST_FOR(b, x, d->p.width) nest_call(b, tile, M * ty, M * x, slot, t0 + x, bundle);
  return fn;
}

static NestFn *int8_winograd_join_row(const Points *p, const Bundle *bundle) {
  const Winograd8 *w = (const Winograd8 *)p;
  (void)bundle;
  return int8_winograd_row_of(&w->d, "join_row", int8_winograd_join_tile(w));
}

/* Creates the function that sets the sums over all parts (Winograd8.total) to 0. */
static NestFn *clear_total(const Winograd8 *w) {
  const Points8 *d = &w->d;
  Nest *b = d->l->b;
  NestFn *fn = nest_fn(b, "clear_total", true);
  const Ix slot = nest_arg(b, "slot");
  NEST_FOR(b, tile, d->p.block * d->p.width)
    NEST_FOR(b, i, M * M)
      for (int v = 0; v < d->p.vectors; v++)
        nest_store(b, nest_at(b, w->total, slot, tile, i, v * d->p.lanes), splat(num_i32(b, 0), d->p.lanes));
  return fn;
}

static NestFn *int8_winograd_finish_tile(const Winograd8 *w) {
  const Points8 *d = &w->d;
  Nest *b = d->l->b;
  NestFn *fn = nest_fn(b, "finish_tile", true);
  const JoinArgs a = join_args(b);
  NEST_FOR(b, i, M)
    NEST_FOR(b, j, M) {
      const Ix oy = a.y0 + i, ox = a.x0 + j;
      NEST_IF(b, cond_and(nest_below(b, oy, d->k.small.h), nest_below(b, ox, d->k.small.w)))
        for (int v = 0; v < d->p.vectors; v++) {
          const Ref sum = nest_at(b, w->total, a.slot, a.tile, i * M + j, v * d->p.lanes);
          points8_finish(d, nest_load(b, sum, d->p.lanes), &oy, &ox, &a.bundle, 0, v);
        }
    }
  return fn;
}

/* ---- the kernel ---- */
/* Chooses blocks of rows. The transformed inputs and the sums of a block use at most three quarters of the L2
 * cache. But a block also needs a minimum number of tiles, because each block transforms all weights. All
 * blocks have the same number of rows, so the last block may extend past the image. */
static void int8_winograd_choose_blocks(Points8 *d, const Lower *l) {
  const Blocking *most = &l->target->blocking;
  const int64_t all = ceil_divide(d->k.small.h, M), line = l->target->line / 4,
                row = 4 * POINTS * (2 * d->quads + points8_width(d) + line);
  d->p.width = ceil_divide(d->k.small.w, M);
  const int64_t tiles = larger(most->winograd_tiles, most->winograd_block / 4 * 3 / row),
                blocks = ceil_divide(all, smaller(all, ceil_divide(tiles, d->p.width)));
  d->p.block = ceil_divide(all, blocks);
  d->p.rows = blocks * d->p.block;
}

/* Sets the sizes and parts. Returns NULL, or the reason why no sizes or no parts are possible. */
static const char *int8_winograd_sizes(Points8 *d, const Lower *l) {
  const Correlation k = int8_geometry(l->node);
  if (!points8_fit(d, l, &k, 1)) return "channels or filters that do not fill vectors";
  d->p.points = POINTS;
  int8_winograd_choose_blocks(d, l);
  return choose_parts(d, l) ? NULL : "sums that may exceed int32";
}

static bool int8_winograd_build(Lower *l) {
  enum { FEW_QUADS = 64 };
  Winograd8 w = {0};
  Points8 *d = &w.d;
  Points *c = &d->p;
  if (int8_winograd_sizes(d, l)) return false;
  points8_begin(d, l, d->quads < FEW_QUADS ? 0 : l->target->line / 4, false);
  if (c->parts > 1)
    w.total = lower_scratch_of(l, "total", I32, 4,
                               (int64_t[]){c->slots, c->block * c->width, M * M, points8_width(d)});
  NestFn *split = int8_winograd_split_row(d);
  c->weights = split_weights_of(d);
  if (w.total) {
    c->clear = clear_total(&w);
    c->finish = int8_winograd_row_of(d, "finish_row", int8_winograd_finish_tile(&w));
  }
  points_functions(c, split, int8_winograd_join_row);
  nest_fn(l->b, l->b->name, false);
  points_loops(l->b, c);
  points8_about(d, nest_text(l->b, "Winograd F(%dx%d,3x3)", M, M), "");
  if (c->parts > 1)
    lower_detail(l, "the channels are split into %d parts, whose outputs are added", (int)c->parts);
  return true;
}

/* ---- candidate ---- */
static bool int8_winograd_takes(const Lower *l) {
  const Correlation k = int8_takes(l, &op_int8_product) ? int8_geometry(l->node) : (Correlation){0};
  bool square = k.groups == 1;
  for (int axis = 0; axis < 2; axis++)
    square &= k.kernel[axis] == TAPS && k.stride[axis] == 1 && k.dilation[axis] == 1;
  return square;
}

static const char *int8_winograd_refused(const Lower *l, const Choice *choice) {
  const Dot own = l->target->dot;
  Points8 d;
  (void)choice;
  if (own != DOT_HALVES && own != DOT_BYTES) return "the target has no instruction for int16 products";
  const char *why = int8_product_refused(l);
  return why ? why : int8_winograd_sizes(&d, l);
}

/* Measurements show that Winograd is only faster if it needs less than this fraction of the operations of a
 * direct convolution. */
static const double FEWER = 0.8;

static Cycles int8_winograd_cycles(const Lower *l, const Target *target, const Choice *choice) {
  Points8 d;
  (void)choice;
  int8_winograd_sizes(&d, l);
  const double longer = target->rates->gain / FEWER, lanes = d.p.lanes,
               bands = (double)d.p.rows / (double)d.p.block, tiles = (double)(d.p.rows * d.p.width),
               words = 2 * (double)d.quads, blocks = (double)d.k.s / lanes,
               products = tiles * (double)POINTS * words * blocks, split = tiles * words / d.channels * 450,
               joined = tiles * blocks * 400 * (double)d.p.parts, weights = bands * words * blocks * 230;
  return int8_cycles(l, &d.k, longer * products, longer * (split + joined + weights));
}

const Schedule schedule_int8_winograd = {.name = "Winograd F(4x4,3x3)",
                                         .families = FAMILY_BIT(FAMILY_INT8),
                                         .takes = int8_winograd_takes,
                                         .refused = int8_winograd_refused,
                                         .cycles = int8_winograd_cycles,
                                         .build = int8_winograd_build};
