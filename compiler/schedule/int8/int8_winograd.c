// int8_winograd.c: Winograd's F(4x4,3x3) in whole numbers, exact, by vectors: 3x3 convolutions of stride 1 in
// 8 bits (Lavin and Gray, 2016).
// SPDX-License-Identifier: Apache-2.0
//
// A tile of 6x6 inputs q becomes V = B'qB: at most 68 * 128 = 8,704, which fits into 16 bits. Weights are
// U = GgG', with G times 24 (its last row times 6): at most 144 * 127 = 18,288. Sums of products are modulo
// 2^32, and A'(U.V)A is 576 times the outputs modulo 2^32. Times 1 / 9, that is 64 times the outputs: exact
// where they lie below 2^25, which follows from the weights. Of many channels that holds for parts of them,
// whose outputs are added up. Four times fewer products.
//
// The model has the weights as bytes, as int8_product.c packs them: U is made in each call, block by block of
// filters. In the model it would be eight times as large, and to make it takes less than the products where
// the picture has more than a few tiles. Two channels of four lie in the halves of a word: words of the even
// ones come first, then those of the odd ones.
//
// With VNNI a product of two halves takes as long as one of four bytes, so half of the saving is left.
#include <stdlib.h>
#include "base/number.h"
#include "schedule/float/direct.h"
#include "schedule/int8/int8_words.h"

enum { M = 4, SIDE = M + 2, POINTS = SIDE * SIDE, TAPS = 3, SHIFT = 6, FEWEST_LANES = 4, MOST_SLOTS = 4 };

typedef struct Winograd8 {
  Lower *l;
  Correlation k;
  Finish finish;
  Buf *weight;                  /* of the model */
  Buf *V;                       /* [points][tiles][even, odd][quads of channels] */
  Buf *U;                       /* [slots][points][even, odd][quads of a part][width] */
  Buf *sums;                    /* [slots][points][tiles][width] */
  Buf *total;                   /* of parts: [slots][tiles][outputs][width]; or NULL */
  int lanes, vectors, channels; /* of a block of filters; lanes of vectors of channels */
  int64_t width, words;         /* filters of a block; words of a pixel */
  int64_t columns, rows, bands; /* tiles of a row, rows of a band, bands */
  int64_t slots;                /* blocks of filters that are at work at the same time */
  Tiling tiles;                 /* register tiles of a band */
  int64_t parts, quads;         /* of the channels, whose outputs are added up; of a part */
} Winograd8;

/* ---- may it, and does it pay? ---- */
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

/* As few parts as have sums that fit. */
static bool choose_parts(Winograd8 *d) {
  enum { MOST_PARTS = 4 };
  for (d->parts = 1; d->parts <= MOST_PARTS; d->parts++) {
    d->quads = d->words / 2 / d->parts;
    if (d->quads * d->parts * 2 == d->words && sums_fit(d->l, &d->k, d->parts)) return true;
  }
  return false;
}

static bool possible(const Lower *l, const Correlation *k) {
  const Dot own = l->target->dot;
  if ((own != DOT_HALVES && own != DOT_BYTES) || k->groups != 1) return false;
  for (int axis = 0; axis < 2; axis++)
    if (k->kernel[axis] != TAPS || k->stride[axis] != 1 || k->dilation[axis] != 1) return false;
  return true;
}

/* Tiles with what they hang over the picture. */
static int64_t tiles_of(const Correlation *k, int axis) {
  return ceil_divide(extent_side(k->small, axis), M);
}

/* In operations on vectors, of which two products or four others run in a cycle. */
static bool pays(const Winograd8 *d) {
  const Correlation *k = &d->k;
  const double lanes = d->lanes, tiles = (double)(d->bands * d->rows * d->columns), words = (double)d->words,
               filters = (double)k->s, blocks = filters / lanes,
               direct = (double)(k->small.h * k->small.w * TAPS * TAPS) * words * blocks,
               products = tiles * (double)POINTS * words * blocks, split = tiles * words / d->channels * 450,
               joined = tiles * blocks * 400 * (double)d->parts,
               weights = (double)d->bands * words * blocks * 230;
  const Dot kind = words_kind(d->l);
  const double rate = kind == DOT_BYTES ? 2 : kind == DOT_PAIRS ? 1.2 : 1; /* of direct products, by halves */
  return products / 2 + (split + joined + weights) / 4 < 0.8 * direct / 2 / rate;
}

/* ---- halves ---- */
static Val twice(Nest *b, const char *name, Val a) { return nest_let(b, name, halves_plus(a, a)); }

/* u = Gg: rows 6 0 0, -4 -4 -4, -4 4 -4, 1 2 4, 1 -2 4, 0 0 6. */
static void split_weights(Nest *b, Val u[SIDE], const Val g[TAPS]) {
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
/* Words of the pixels of a tile, column by column. */
static void split_columns(const Winograd8 *d, Buf *column, const Ix *y0, const Ix *x0, const Ix *quad) {
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

static NestFn *split_function(const Winograd8 *d) {
  Nest *b = d->l->b;
  NestFn *fn = nest_fn(b, "split_tile", true);
  const Ix y0 = nest_arg(b, "y0"), x0 = nest_arg(b, "x0"), tile = nest_arg(b, "tile");
  NEST_FOR(b, n, d->words / 2 / d->channels) {
    const Ix quad = n * d->channels;
    Buf *column = NEST_BUF_OF(b, STACK, "column", I32, 2, SIDE, SIDE, d->channels);
    split_columns(d, column, &y0, &x0, &quad);
    NEST_FOR(b, odd, 2)
      NEST_FOR(b, i, SIDE) {
        Val in[SIDE], v[SIDE];
        for (int j = 0; j < SIDE; j++)
          in[j] = nest_let(b, nest_text(b, "d%d", j),
                           nest_load(b, nest_at(b, column, odd, i, j, 0), d->channels));
        winograd_split_halves(b, v, in);
        for (int j = 0; j < SIDE; j++) nest_store(b, nest_at(b, d->V, i * SIDE + j, tile, odd, quad), v[j]);
      }
  }
  return fn;
}

/* An argument of functions that are called for each part. */
static Ix part_arg(const Winograd8 *d) { return d->parts > 1 ? nest_arg(d->l->b, "part") : NEST_Z; }

/* ---- weights ---- */
/* The vector of a block's weights in the model. */
static Ix vector_of(const Winograd8 *d, const Ix *block, int v) {
  return *block * (d->width / d->finish.unit) + v * d->lanes / d->finish.unit;
}
static Ix lane_of(const Winograd8 *d, int v) { return NEST_Z + v * d->lanes % d->finish.unit; }

/* One word of a vector of filters, which becomes two of each point. */
static NestFn *word_function(const Winograd8 *d) {
  Nest *b = d->l->b;
  NestFn *fn = nest_fn(b, "split_word", true);
  const Ix slot = nest_arg(b, "slot"), vector = nest_arg(b, "vector"), lane = nest_arg(b, "lane"),
           at = nest_arg(b, "at"), quad = nest_arg(b, "quad"), part = part_arg(d);
  Buf *row = NEST_BUF_OF(b, STACK, "row", I32, SIDE, TAPS, d->lanes);
  for (int odd = 0; odd < 2; odd++) {
    NEST_FOR(b, kx, TAPS) {
      Val g[TAPS], u[SIDE];
      for (int ky = 0; ky < TAPS; ky++) {
        const Ref word =
            nest_at(b, d->weight, vector, ky, kx * (d->words / 2) + part * d->quads + quad, lane);
        g[ky] = words_half(b, nest_text(b, "g%d", ky), odd, nest_load(b, word, d->lanes));
      }
      split_weights(b, u, g);
      for (int i = 0; i < SIDE; i++) nest_store(b, nest_at(b, row, i, kx, 0), u[i]);
    }
    NEST_FOR(b, i, SIDE) {
      Val g[TAPS], u[SIDE];
      for (int kx = 0; kx < TAPS; kx++)
        g[kx] = nest_let(b, nest_text(b, "g%d", kx), nest_load(b, nest_at(b, row, i, kx, 0), d->lanes));
      split_weights(b, u, g);
      for (int j = 0; j < SIDE; j++) nest_store(b, nest_at(b, d->U, slot, i * SIDE + j, odd, quad, at), u[j]);
    }
  }
  return fn;
}

/* Weights come from memory, by a stream for each tap and vector: more than CPUs follow by themselves. */
static void prefetch_weights(const Winograd8 *d, const Ix *block, const Ix *part, const Ix *quad) {
  enum { AHEAD = 6 };
  Nest *b = d->l->b;
  const int64_t line = d->l->target->line / 4;
  for (int64_t at = 0; at < d->width; at += larger(line, d->lanes)) {
    const Ix vector = *block * (d->width / d->finish.unit) + at / d->finish.unit;
    for (int64_t ky = 0; ky < TAPS; ky++)
      for (int64_t kx = 0; kx < TAPS; kx++)
        nest_prefetch(b, d->weight,
                      vector * buf_room(d->weight, 1) + ky * buf_room(d->weight, 2) +
                          (kx * (d->words / 2) + *part * d->quads + *quad + AHEAD) * d->finish.unit +
                          at % d->finish.unit);
  }
}

static NestFn *weights_function(const Winograd8 *d) {
  Nest *b = d->l->b;
  NestFn *word = word_function(d);
  NestFn *fn = nest_fn(b, "split_weights", true);
  const Ix slot = nest_arg(b, "slot"), block = nest_arg(b, "block"), part = part_arg(d);
  NEST_FOR(b, quad, d->quads) {
    prefetch_weights(d, &block, &part, &quad);
    for (int v = 0; v < d->vectors; v++) {
      const Ix args[6] = {slot, vector_of(d, &block, v), lane_of(d, v), NEST_Z + v * d->lanes, quad, part};
      nest_call_list(b, word, d->parts > 1 ? 6 : 5, args);
    }
  }
  return fn;
}

/* ---- products ---- */
typedef struct ProductArgs {
  Ix slot, point, tile, group, part; /* the first tile; its register tile of the band */
} ProductArgs;

static void add_quad(const Winograd8 *d, const ProductArgs *a, Buf *sum, const Ix *odd, const Ix *quad) {
  Nest *b = d->l->b;
  Val w[8];
  for (int v = 0; v < d->vectors; v++)
    w[v] = nest_let(b, nest_text(b, "w%d", v),
                    nest_load(b, nest_at(b, d->U, a->slot, a->point, *odd, *quad, v * d->lanes), d->lanes));
  NEST_UNROLL(b, t, sum->dim[0]) {
    const Val x = nest_let(
        b, "x",
        splat(nest_load(b, nest_at(b, d->V, a->point, a->tile + t, *odd, a->part * d->quads + *quad), 1),
              d->lanes));
    for (int v = 0; v < d->vectors; v++) {
      const Ref at = nest_at(b, sum, t, v);
      nest_store(b, at, nest_primitive(b, &primitive_dot_halves, nest_get(b, at), x, w[v]));
    }
  }
}

/* While a line of each tile is multiplied, that of the next tiles is fetched, and of the next point's weights
 * what falls to these tiles. */
static void prefetch_ahead(const Winograd8 *d, const ProductArgs *a, int64_t tiles, const Ix *odd,
                           const Ix *quad, int64_t line) {
  Nest *b = d->l->b;
  const int64_t row = buf_room(d->V, 2), groups = d->tiles.count + d->tiles.rests,
                share = ceil_divide(line, groups);
  NEST_UNROLL(b, t, tiles)
    nest_prefetch(b, d->V,
                  a->point * buf_room(d->V, 1) + (a->tile + tiles + t) * row + *odd * buf_room(d->V, 3) +
                      a->part * d->quads + *quad);
  for (int64_t i = 0; i < share; i++)
    for (int64_t at = 0; at < d->width; at += line)
      nest_prefetch(b, d->U,
                    a->slot * buf_room(d->U, 1) + (a->point + 1) * buf_room(d->U, 2) +
                        *odd * buf_room(d->U, 3) + (*quad + a->group * share + i) * d->width + at);
}

static NestFn *products_function(const Winograd8 *d, int64_t tiles) {
  Nest *b = d->l->b;
  const int64_t line = d->l->target->line / 4;
  NestFn *fn = nest_fn(b, nest_text(b, "products_%d", (int)tiles), true);
  ProductArgs a = {.slot = nest_arg(b, "slot")};
  a.point = nest_arg(b, "point");
  a.tile = nest_arg(b, "tile");
  a.group = nest_arg(b, "group");
  a.part = part_arg(d);
  Buf *sum = nest_buf(b, REGS, "a", (Type){I32, d->lanes}, 2, (int64_t[]){tiles, d->vectors});
  NEST_UNROLL(b, t, tiles)
    for (int v = 0; v < d->vectors; v++) nest_store(b, nest_at(b, sum, t, v), splat(num_i32(b, 0), d->lanes));
  NEST_FOR(b, odd, 2) {
    if (d->quads % line) {
      NEST_FOR(b, quad, d->quads) add_quad(d, &a, sum, &odd, &quad);
    } else {
      NEST_FOR(b, l, d->quads / line) {
        const Ix first = l * line;
        prefetch_ahead(d, &a, tiles, &odd, &first, line);
        NEST_FOR(b, q, line) add_quad(d, &a, sum, &odd, NEST_IX(first + q));
      }
    }
  }
  NEST_UNROLL(b, t, tiles)
    for (int v = 0; v < d->vectors; v++)
      nest_store(b, nest_at(b, d->sums, a.slot, a.point, a.tile + t, v * d->lanes),
                 nest_get(b, nest_at(b, sum, t, v)));
  return fn;
}

/* ---- the output ---- */
/* An output of the tile: output channels from f on. */
static void finish(const Winograd8 *d, Val sum, const Ix *y, const Ix *x, const Ix *block, int v) {
  Nest *b = d->l->b;
  const Ix f = *block * d->width + v * d->lanes, vector = vector_of(d, block, v), lane = lane_of(d, v);
  const Val bias = nest_load(b, nest_at(b, d->finish.bias, vector, lane), d->lanes);
  lower_store(d->l, finish_vector(d->l, &d->finish, wrapped_plus(sum, bias), &vector, &lane), y, x, &f,
              d->lanes, d->lanes);
}

typedef struct JoinArgs {
  Ix y0, x0, slot, tile, block;
} JoinArgs;

static JoinArgs join_args(Nest *b) {
  JoinArgs a = {.y0 = nest_arg(b, "y0")};
  a.x0 = nest_arg(b, "x0");
  a.slot = nest_arg(b, "slot");
  a.tile = nest_arg(b, "tile");
  a.block = nest_arg(b, "block");
  return a;
}

static void join_rows(const Winograd8 *d, Buf *half, const JoinArgs *a, int v) {
  Nest *b = d->l->b;
  NEST_FOR(b, j, M) {
    const Ix ox = a->x0 + j;
    NEST_IF(b, nest_below(b, ox, d->k.small.w)) {
      Val m[SIDE], y[M];
      for (int i = 0; i < SIDE; i++)
        m[i] = nest_let(b, nest_text(b, "m%d", i), nest_load(b, nest_at(b, half, i, j, 0), d->lanes));
      winograd_join_words(b, y, m);
      for (int i = 0; i < M; i++) {
        const Ix oy = a->y0 + i;
        NEST_IF(b, nest_below(b, oy, d->k.small.h)) {
          const Val sum = nest_primitive(b, &primitive_part576, y[i], num_i32(b, SHIFT), NULL);
          if (d->total) {
            const Ref at = nest_at(b, d->total, a->slot, a->tile, i * M + j, v * d->lanes);
            nest_store(b, at, wrapped_plus(sum, nest_load(b, at, d->lanes)));
          } else finish(d, sum, &oy, &ox, &a->block, v);
        }
      }
    }
  }
}

/* Of parts: what they are added to, and what becomes of it. */
static NestFn *clear_function(const Winograd8 *d) {
  Nest *b = d->l->b;
  NestFn *fn = nest_fn(b, "clear_total", true);
  const Ix slot = nest_arg(b, "slot");
  NEST_FOR(b, tile, d->rows * d->columns)
    NEST_FOR(b, i, M * M)
      for (int v = 0; v < d->vectors; v++)
        nest_store(b, nest_at(b, d->total, slot, tile, i, v * d->lanes), splat(num_i32(b, 0), d->lanes));
  return fn;
}

static NestFn *finish_function(const Winograd8 *d) {
  Nest *b = d->l->b;
  NestFn *fn = nest_fn(b, "finish_tile", true);
  const JoinArgs a = join_args(b);
  NEST_FOR(b, i, M)
    NEST_FOR(b, j, M) {
      const Ix oy = a.y0 + i, ox = a.x0 + j;
      NEST_IF(b, cond_and(nest_below(b, oy, d->k.small.h), nest_below(b, ox, d->k.small.w)))
        for (int v = 0; v < d->vectors; v++)
          finish(d, nest_load(b, nest_at(b, d->total, a.slot, a.tile, i * M + j, v * d->lanes), d->lanes),
                 &oy, &ox, &a.block, v);
    }
  return fn;
}

static NestFn *join_function(const Winograd8 *d) {
  Nest *b = d->l->b;
  NestFn *fn = nest_fn(b, "join_tile", true);
  const JoinArgs a = join_args(b);
  for (int v = 0; v < d->vectors; v++) {
    Buf *half = NEST_BUF_OF(b, STACK, nest_text(b, "half%d", v), I32, SIDE, M, d->lanes);
    NEST_FOR(b, i, SIDE) {
      Val m[SIDE], y[M];
      for (int j = 0; j < SIDE; j++)
        m[j] =
            nest_let(b, nest_text(b, "m%d", j),
                     nest_load(b, nest_at(b, d->sums, a.slot, i * SIDE + j, a.tile, v * d->lanes), d->lanes));
      winograd_join_words(b, y, m);
      for (int j = 0; j < M; j++) nest_store(b, nest_at(b, half, i, j, 0), y[j]);
    }
    join_rows(d, half, &a, v);
  }
  return fn;
}

/* ---- the whole ---- */
/* Bands of rows whose transformed inputs and sums take three quarters of the second cache, but not of few
 * tiles, for each band transforms all weights. */
static void choose_bands(Winograd8 *d) {
  const Blocking *most = &d->l->target->blocking;
  const int64_t all = tiles_of(&d->k, 0), line = d->l->target->line / 4,
                row = 4 * POINTS * (d->words + d->width + line);
  d->columns = tiles_of(&d->k, 1);
  const int64_t tiles = larger(most->winograd_tiles, most->winograd_block / 4 * 3 / row),
                rows = smaller(all, ceil_divide(tiles, d->columns));
  d->bands = ceil_divide(all, rows);
  d->rows = ceil_divide(all, d->bands);
}

static Tiling tiling(const Winograd8 *d) {
  const int64_t most = (d->l->target->registers - d->vectors - 2) / d->vectors, all = d->rows * d->columns;
  return tiling_of(all, ceil_divide(all, ceil_divide(all, larger(1, smaller(most, 16)))));
}

static bool fits(Winograd8 *d) {
  const Lower *l = d->l;
  d->lanes = l->target->lanes;
  const int64_t unit = direct_unit(l, d->k.s);
  d->width = larger(2 * d->lanes, unit);
  d->vectors = (int)(d->width / d->lanes);
  d->words = d->k.l / 2;
  d->channels = d->lanes;
  while (d->channels > FEWEST_LANES && d->k.l % (d->channels * WORD_BYTES)) d->channels /= 2;
  return d->lanes >= FEWEST_LANES && d->lanes <= unit && d->k.l % (d->channels * WORD_BYTES) == 0 &&
         d->k.s % d->width == 0;
}

/* For each tile of a band. */
static void call_tiles(const Winograd8 *d, NestFn *fn, const Ix *band, const Ix *slot, const Ix *block) {
  Nest *b = d->l->b;
  NEST_FOR(b, r, d->rows)
    NEST_FOR(b, x, d->columns)
      nest_call(b, fn, *band * (d->rows * M) + r * M, x * M, *slot, r * d->columns + x, *block);
}

static void call_products(const Winograd8 *d, NestFn *const fn[2], const Ix *slot, const Ix *part) {
  Nest *b = d->l->b;
  const int64_t count[2] = {d->tiles.count, d->tiles.rests}, tiles[2] = {d->tiles.pixels, d->tiles.rest};
  NEST_FOR(b, point, POINTS)
    for (int rest = 0; rest < 2; rest++)
      if (fn[rest])
        NEST_FOR(b, t, count[rest]) {
          const Ix args[5] = {*slot, point, rest * count[0] * tiles[0] + t * tiles[rest], rest * count[0] + t,
                              *part};
          nest_call_list(b, fn[rest], d->parts > 1 ? 5 : 4, args);
        }
}

static void main_function(const Winograd8 *d, LoopKind outer) {
  Nest *b = d->l->b;
  const int64_t blocks = d->k.s / d->width, each = blocks / d->slots;
  NestFn *split = split_function(d), *weights = weights_function(d),
         *products[2] = {products_function(d, d->tiles.pixels),
                         d->tiles.rests ? products_function(d, d->tiles.rest) : NULL},
         *joined = join_function(d), *clear = d->total ? clear_function(d) : NULL,
         *finished = d->total ? finish_function(d) : NULL;
  nest_fn(b, b->name, false);
  NEST_FOR(b, band, d->bands) {
    NEST_LOOP(b, r, outer, 1, NEST_IX(0), 1, NEST_IX(d->rows))
      NEST_FOR(b, x, d->columns)
        nest_call(b, split, band * (d->rows * M) + r * M - d->k.before[0], x * M - d->k.before[1],
                  r * d->columns + x);
    NEST_LOOP(b, slot, outer, 1, NEST_IX(0), 1, NEST_IX(d->slots))
      NEST_FOR(b, n, each) {
        const Ix block = slot * each + n;
        if (clear) nest_call(b, clear, slot);
        NEST_FOR(b, part, d->parts) {
          const Ix args[3] = {slot, block, part};
          nest_call_list(b, weights, d->parts > 1 ? 3 : 2, args);
          call_products(d, products, &slot, &part);
          call_tiles(d, joined, &band, &slot, &block);
        }
        if (finished) call_tiles(d, finished, &band, &slot, &block);
      }
  }
}

bool schedule_int8_winograd(Lower *l, const Correlation *k) {
  const Int8Product *p = l->node->detail;
  Winograd8 d = {.l = l, .k = *k};
  if (!possible(l, k) || !fits(&d)) return false;
  choose_bands(&d);
  if (!choose_parts(&d) || !pays(&d)) return false;
  const int64_t blocks = k->s / d.width, tiles = d.rows * d.columns;
  const LoopKind outer = schedule_outer(l, correlation_macs(k));
  d.slots = 1;
  while (l->threads && outer == PARALLEL && d.slots < MOST_SLOTS && blocks % (2 * d.slots) == 0) d.slots *= 2;
  d.tiles = tiling(&d);
  d.finish = finish_begin(l, DOT_HALVES, p, k, (int)direct_unit(l, k->s), false);
  d.weight = words_weights(l, p, k, &d.finish, "");
  /* One more each, else points, or tiles of many channels, would be a power of 2 apart and share the same
   * lines of the first cache. */
  enum { FEW_QUADS = 64 };
  const int64_t quads = d.words / 2, line = l->target->line / 4;
  d.V = lower_scratch_of(l, "V", I32, 4,
                         (int64_t[]){POINTS, tiles + 1, 2, quads + (quads < FEW_QUADS ? 0 : line)});
  d.U = lower_scratch_of(l, "U", I32, 5, (int64_t[]){d.slots, POINTS, 2, d.quads + 1, d.width});
  d.sums = lower_scratch_of(l, "sums", I32, 4, (int64_t[]){d.slots, POINTS, tiles + 1, d.width});
  if (d.parts > 1)
    d.total = lower_scratch_of(l, "total", I32, 4, (int64_t[]){d.slots, tiles, M * M, d.width});
  main_function(&d, outer);
  lower_about(l, "8 bits, Winograd F(%dx%d,3x3) in whole numbers, rounding %s", M, M,
              rounding_name(p->rounding));
  lower_detail(l, "register tiles of %d tiles x %d vectors of %d filters", (int)d.tiles.pixels, d.vectors,
               d.lanes);
  if (d.parts > 1) lower_detail(l, "the channels in %d parts, whose outputs are added up", (int)d.parts);
  return true;
}
