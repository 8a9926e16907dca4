// int8_strassen.c: convolutions of 1x1 with stride 1 in 8 bits by Strassen's algorithm, in whole numbers,
// exact.
// SPDX-License-Identifier: Apache-2.0
//
// Pixels by input channels, times input channels by filters: all three are cut in halves along both axes, and
// seven products of sums of blocks do for eight of blocks, in Winograd's form with fifteen additions
// (strassen.h). Two pixels side by side are a tile, one of each half; a block has filters of one half and as
// many of the other behind them. Factors are sums of up to four halves: at most 512, so that those of the
// inner product (int8_inner.c), where the target gains by it, fit 16 bits, too. Sums of products are modulo
// 2^32, and what they come to fits 32 bits.
//
// The model has the weights as bytes, as int8_product.c packs them; each call makes the factors of some
// filters of both halves at a time.
#include "base/number.h"
#include "schedule/float/direct.h"
#include "schedule/int8/int8_words.h"
#include "schedule/float/strassen.h"

enum { POINTS = STRASSEN_PRODUCTS, BLOCKS = STRASSEN_BLOCKS, PARTS = 2, FEWEST_LANES = 4, MOST_SLOTS = 4 };

typedef struct Strassen8 {
  Lower *l;
  Correlation k;
  Finish finish;
  Buf *weight;                  /* of the model */
  Buf *V;                       /* [points][tiles][even, odd][quads of a half] */
  Buf *U;                       /* [slots][points][even, odd][quads of a half][width] */
  Buf *sums;                    /* [slots][points][tiles][width] */
  Buf *own_V, *own_U;           /* by the inner product: [points][tiles]; [slots][points][width]; or NULL */
  int lanes, vectors, channels; /* of a block of filters of a half; lanes of vectors of channels */
  int64_t width, quads;         /* filters of a block in each half; words of bytes of a half */
  int64_t pixels, bands, tiles; /* tiles of a band, the last of which may be some of those before again */
  int64_t slots;                /* blocks of filters that are at work at the same time */
  Tiling tiling;                /* register tiles of a band */
} Strassen8;

/* ---- may it, and does it pay? ---- */
static bool possible(const Lower *l, const Correlation *k) {
  const Int8Product *p = l->node->detail;
  if (words_kind(l) != DOT_HALVES || k->groups != 1 || p->dense) return false;
  for (int axis = 0; axis < 2; axis++)
    if (k->kernel[axis] != 1 || k->stride[axis] != 1 || k->before[axis] != 0) return false;
  return k->large.h == k->small.h && k->large.w == k->small.w;
}

/* In operations on vectors, by product of the whole: an eighth of two of them is saved. Additions take two or
 * three for each word of the input, of the weights and of the sums; sums are begun and stored nearly twice as
 * often, which takes most. */
static bool pays(const Strassen8 *d) {
  const double inputs = 2.1 / (double)d->k.s, weights = 2.1 * (double)d->bands / (double)d->pixels,
               sums = 20 / (double)d->k.l;
  return inputs + weights + sums < 0.11;
}

/* ---- halves, and words modulo 2^32 ---- */
static const StrassenSums of_halves = {halves_plus, halves_minus}, of_words = {wrapped_plus, wrapped_minus};

/* ---- the input ---- */
/* Even and odd bytes of four blocks of words. */
static void split_blocks(const Strassen8 *d, Val y[2][POINTS], const Val bytes[BLOCKS],
                         void (*split)(Nest *, const StrassenSums *, const Val *, Val *)) {
  Nest *b = d->l->b;
  for (int odd = 0; odd < 2; odd++) {
    Val x[BLOCKS];
    for (int i = 0; i < BLOCKS; i++)
      x[i] = words_half(b, nest_text(b, odd ? "odd%d" : "even%d", i), odd, bytes[i]);
    split(b, &of_halves, x, y[odd]);
  }
}

/* The products of a tile's words by themselves at a point. */
static void store_own(const Strassen8 *d, const Ix *point, const Ix *tile) {
  Nest *b = d->l->b;
  Buf *sum = nest_buf(b, REGS, "a", (Type){I32, d->channels}, 1, (int64_t[]){1});
  const Ref to = nest_at(b, sum, 0);
  nest_store(b, to, splat(num_i32(b, 0), d->channels));
  NEST_FOR(b, n, d->quads / d->channels) {
    const Ix at = n * d->channels;
    nest_store(b, to,
               nest_primitive(b, &primitive_dot_halves, nest_get(b, to),
                              nest_load(b, nest_at(b, d->V, *point, *tile, 0, at), d->channels),
                              nest_load(b, nest_at(b, d->V, *point, *tile, 1, at), d->channels)));
  }
  const Val all = nest_let(b, "all", nest_get(b, to));
  nest_store(b, nest_at(b, d->own_V, *point, *tile), inner_total(all));
}

static NestFn *split_function(const Strassen8 *d) {
  Nest *b = d->l->b;
  NestFn *fn = nest_fn(b, "split_tile", true);
  const Ix x0 = nest_arg(b, "x0"), tile = nest_arg(b, "tile");
  NEST_FOR(b, n, d->quads / d->channels) {
    const Ix quad = n * d->channels;
    Val bytes[BLOCKS], y[2][POINTS];
    for (int i = 0; i < BLOCKS; i++) {
      const Ix at = (quad + i % PARTS * d->quads) * WORD_BYTES;
      bytes[i] = nest_let(b, nest_text(b, "bytes%d", i),
                          nest_load_words(b, nest_at(b, d->l->in[0], 0, x0 + i / PARTS, at), d->channels));
    }
    split_blocks(d, y, bytes, strassen_left);
    for (int odd = 0; odd < 2; odd++)
      for (int i = 0; i < POINTS; i++) nest_store(b, nest_at(b, d->V, i, tile, odd, quad), y[odd][i]);
  }
  if (d->own_V)
    NEST_FOR(b, point, POINTS) store_own(d, &point, &tile);
  return fn;
}

/* ---- weights ---- */
/* The vector of the model with filters of a block, of one half or the other. */
static Ix vector_of(const Strassen8 *d, const Ix *block, int half, int v) {
  return (*block * PARTS + half) * (d->width / d->finish.unit) + v * d->lanes / d->finish.unit;
}
static Ix lane_of(const Strassen8 *d, int v) { return NEST_Z + v * d->lanes % d->finish.unit; }

static void store_own_weights(const Strassen8 *d, const Ix *slot, const Ix *point) {
  Nest *b = d->l->b;
  Buf *sum = nest_buf(b, REGS, "a", (Type){I32, d->lanes}, 1, (int64_t[]){d->vectors});
  for (int v = 0; v < d->vectors; v++) nest_store(b, nest_at(b, sum, v), splat(num_i32(b, 0), d->lanes));
  NEST_FOR(b, quad, d->quads)
    for (int v = 0; v < d->vectors; v++) {
      const Ref to = nest_at(b, sum, v);
      nest_store(
          b, to,
          nest_primitive(b, &primitive_dot_halves, nest_get(b, to),
                         nest_load(b, nest_at(b, d->U, *slot, *point, 0, quad, v * d->lanes), d->lanes),
                         nest_load(b, nest_at(b, d->U, *slot, *point, 1, quad, v * d->lanes), d->lanes)));
    }
  for (int v = 0; v < d->vectors; v++)
    nest_store(b, nest_at(b, d->own_U, *slot, *point, v * d->lanes), nest_get(b, nest_at(b, sum, v)));
}

/* They come from memory, by a stream for each vector of each block. */
static void prefetch_weights(const Strassen8 *d, const Ix *block, const Ix *quad) {
  enum { AHEAD = 8 };
  Nest *b = d->l->b;
  for (int i = 0; i < BLOCKS; i++)
    for (int v = 0; v < d->vectors; v++)
      if (v * d->lanes % d->finish.unit == 0)
        nest_prefetch(b, d->weight,
                      vector_of(d, block, i % PARTS, v) * buf_room(d->weight, 1) +
                          (*quad + i / PARTS * d->quads + AHEAD) * d->finish.unit);
}

static NestFn *weights_function(const Strassen8 *d) {
  Nest *b = d->l->b;
  NestFn *fn = nest_fn(b, "split_weights", true);
  const Ix slot = nest_arg(b, "slot"), block = nest_arg(b, "block");
  NEST_FOR(b, quad, d->quads) {
    prefetch_weights(d, &block, &quad);
    for (int v = 0; v < d->vectors; v++) {
      Val bytes[BLOCKS], y[2][POINTS];
      for (int i = 0; i < BLOCKS; i++)
        bytes[i] = nest_let(b, nest_text(b, "bytes%d", i),
                            nest_load(b,
                                      nest_at(b, d->weight, vector_of(d, &block, i % PARTS, v), 0,
                                              quad + i / PARTS * d->quads, lane_of(d, v)),
                                      d->lanes));
      split_blocks(d, y, bytes, strassen_right);
      for (int odd = 0; odd < 2; odd++)
        for (int i = 0; i < POINTS; i++)
          nest_store(b, nest_at(b, d->U, slot, i, odd, quad, v * d->lanes), y[odd][i]);
    }
  }
  if (d->own_U)
    NEST_FOR(b, point, POINTS) store_own_weights(d, &slot, &point);
  return fn;
}

/* ---- products ---- */
typedef struct ProductArgs {
  Ix slot, point, tile; /* the first tile */
} ProductArgs;

/* The vectors of a word of the weights, and a word of a tile in all lanes. */
static void load_weights(const Strassen8 *d, const ProductArgs *a, Val *w, const Ix *odd, const Ix *quad,
                         const char *name) {
  Nest *b = d->l->b;
  for (int v = 0; v < d->vectors; v++)
    w[v] = nest_let(b, nest_text(b, "%s%d", name, v),
                    nest_load(b, nest_at(b, d->U, a->slot, a->point, *odd, *quad, v * d->lanes), d->lanes));
}
static Val load_word(const Strassen8 *d, const ProductArgs *a, const Ix *t, const Ix *odd, const Ix *quad,
                     const char *name) {
  Nest *b = d->l->b;
  return nest_let(b, name,
                  splat(nest_load(b, nest_at(b, d->V, a->point, a->tile + *t, *odd, *quad), 1), d->lanes));
}

static void add_quad(const Strassen8 *d, const ProductArgs *a, Buf *sum, const Ix *odd, const Ix *quad) {
  Nest *b = d->l->b;
  Val w[8];
  load_weights(d, a, w, odd, quad, "w");
  NEST_UNROLL(b, t, sum->dim[0]) {
    const Val x = load_word(d, a, &t, odd, quad, "x");
    for (int v = 0; v < d->vectors; v++) {
      const Ref at = nest_at(b, sum, t, v);
      nest_store(b, at, nest_primitive(b, &primitive_dot_halves, nest_get(b, at), x, w[v]));
    }
  }
}

/* Both planes, crosswise: int8_inner.c. */
static void add_inner_quad(const Strassen8 *d, const ProductArgs *a, Buf *sum, const Ix *quad) {
  Nest *b = d->l->b;
  Val even[8], odd[8];
  const Ix first = NEST_Z, second = NEST_Z + 1;
  load_weights(d, a, even, &first, quad, "even");
  load_weights(d, a, odd, &second, quad, "odd");
  NEST_UNROLL(b, t, sum->dim[0]) {
    const Val x = load_word(d, a, &t, &first, quad, "x_even"),
              y = load_word(d, a, &t, &second, quad, "x_odd");
    for (int v = 0; v < d->vectors; v++) {
      const Ref at = nest_at(b, sum, t, v);
      nest_store(b, at,
                 nest_primitive(b, &primitive_dot_halves, nest_get(b, at), halves_plus(x, odd[v]),
                                halves_plus(y, even[v])));
    }
  }
}

static NestFn *products_function(const Strassen8 *d, int64_t tiles) {
  Nest *b = d->l->b;
  NestFn *fn = nest_fn(b, nest_text(b, "products_%d", (int)tiles), true);
  ProductArgs a = {.slot = nest_arg(b, "slot")};
  a.point = nest_arg(b, "point");
  a.tile = nest_arg(b, "tile");
  Buf *sum = nest_buf(b, REGS, "a", (Type){I32, d->lanes}, 2, (int64_t[]){tiles, d->vectors});
  NEST_UNROLL(b, t, tiles) {
    Val own = splat(num_i32(b, 0), d->lanes);
    if (d->own_V)
      own = nest_let(b, "own", splat(nest_load(b, nest_at(b, d->own_V, a.point, a.tile + t), 1), d->lanes));
    for (int v = 0; v < d->vectors; v++) {
      Val begin = own;
      if (d->own_V)
        begin = wrapped_minus(
            splat(num_i32(b, 0), d->lanes),
            wrapped_plus(own, nest_load(b, nest_at(b, d->own_U, a.slot, a.point, v * d->lanes), d->lanes)));
      nest_store(b, nest_at(b, sum, t, v), begin);
    }
  }
  if (d->own_V) {
    NEST_FOR(b, quad, d->quads) add_inner_quad(d, &a, sum, &quad);
  } else {
    NEST_FOR(b, odd, 2)
      NEST_FOR(b, quad, d->quads) add_quad(d, &a, sum, &odd, &quad);
  }
  NEST_UNROLL(b, t, tiles)
    for (int v = 0; v < d->vectors; v++)
      nest_store(b, nest_at(b, d->sums, a.slot, a.point, a.tile + t, v * d->lanes),
                 nest_get(b, nest_at(b, sum, t, v)));
  return fn;
}

/* ---- the output ---- */
static NestFn *join_function(const Strassen8 *d) {
  Lower *l = d->l;
  Nest *b = l->b;
  NestFn *fn = nest_fn(b, "join_tile", true);
  const Ix x0 = nest_arg(b, "x0"), slot = nest_arg(b, "slot"), tile = nest_arg(b, "tile"),
           block = nest_arg(b, "block"), row = NEST_Z;
  for (int v = 0; v < d->vectors; v++) {
    Val m[POINTS], y[BLOCKS];
    for (int i = 0; i < POINTS; i++)
      m[i] = nest_let(b, nest_text(b, "m%d", i),
                      nest_load(b, nest_at(b, d->sums, slot, i, tile, v * d->lanes), d->lanes));
    strassen_result(b, &of_words, m, y);
    for (int i = 0; i < BLOCKS; i++) {
      const int half = i % PARTS;
      const Ix x = x0 + i / PARTS, vector = vector_of(d, &block, half, v), lane = lane_of(d, v),
               f = (block * PARTS + half) * d->width + v * d->lanes;
      const Val bias = nest_load(b, nest_at(b, d->finish.bias, vector, lane), d->lanes);
      lower_store(l, finish_vector(l, &d->finish, wrapped_plus(y[i], bias), &vector, &lane), &row, &x, &f,
                  d->lanes, d->lanes);
    }
  }
  return fn;
}

/* ---- the whole ---- */
static bool fits(Strassen8 *d) {
  const Lower *l = d->l;
  const Correlation *k = &d->k;
  const int64_t unit = direct_unit(l, k->s);
  d->lanes = l->target->lanes;
  d->width = larger(2 * d->lanes, unit);
  d->vectors = (int)(d->width / d->lanes);
  d->quads = k->l / WORD_BYTES / PARTS;
  d->pixels = k->small.h * k->small.w;
  d->channels = d->lanes;
  while (d->channels > FEWEST_LANES && d->quads % d->channels) d->channels /= 2;
  return d->lanes >= FEWEST_LANES && d->lanes <= unit && k->l % (d->channels * WORD_BYTES * PARTS) == 0 &&
         k->s % (d->width * PARTS) == 0 && d->pixels >= PARTS;
}

/* As many bands of tiles as keep their factors and sums in a cache. Those are read once for each block of
 * filters, one after the other, so it may be slower than the second. */
static void choose_bands(Strassen8 *d) {
  enum { ROOM = 1 << 19 };
  const int64_t room = larger(ROOM, d->l->target->blocking.winograd_block / 4 * 3),
                tile = 4 * POINTS * (2 * d->quads + d->width), all = ceil_divide(d->pixels, PARTS);
  d->tiles = ceil_divide(all, ceil_divide(all * tile, room));
  d->bands = ceil_divide(all, d->tiles);
}

static void call_products(const Strassen8 *d, NestFn *const fn[2], const Ix *slot) {
  Nest *b = d->l->b;
  const int64_t count[2] = {d->tiling.count, d->tiling.rests}, tiles[2] = {d->tiling.pixels, d->tiling.rest};
  NEST_FOR(b, point, POINTS)
    for (int rest = 0; rest < 2; rest++)
      if (fn[rest])
        NEST_FOR(b, t, count[rest])
          nest_call(b, fn[rest], *slot, point, rest * count[0] * tiles[0] + t * tiles[rest]);
}

/* A function of the first pixel of each tile of a band and what follows it. Where the pixels are odd in
 * number, the last tile has one of the tile before again. */
static void call_tiles(const Strassen8 *d, NestFn *fn, LoopKind kind, const Ix *first, int n,
                       const Ix *before, const Ix *behind) {
  Nest *b = d->l->b;
  const int64_t whole = smaller(d->tiles, d->pixels / PARTS);
  NEST_LOOP(b, t, kind, 1, NEST_IX(0), 1, NEST_IX(whole)) {
    const Ix args[4] = {*first + t * PARTS, before ? *before : t, t, behind ? *behind : NEST_Z};
    nest_call_list(b, fn, n, args);
  }
  if (whole < d->tiles) {
    const Ix args[4] = {NEST_Z + (d->pixels - PARTS), before ? *before : NEST_Z + whole, NEST_Z + whole,
                        behind ? *behind : NEST_Z};
    nest_call_list(b, fn, n, args);
  }
}

typedef struct Functions {
  NestFn *split, *weights, *products[2], *join;
} Functions;

static void do_band(const Strassen8 *d, const Functions *f, LoopKind outer, const Ix *first) {
  Nest *b = d->l->b;
  const int64_t each = d->k.s / PARTS / d->width / d->slots;
  call_tiles(d, f->split, outer, first, 2, NULL, NULL);
  NEST_LOOP(b, slot, outer, 1, NEST_IX(0), 1, NEST_IX(d->slots))
    NEST_FOR(b, n, each) {
      const Ix block = slot * each + n;
      nest_call(b, f->weights, slot, block);
      call_products(d, f->products, &slot);
      call_tiles(d, f->join, SERIAL, first, 4, &slot, &block);
    }
}

static void main_function(const Strassen8 *d, LoopKind outer) {
  Nest *b = d->l->b;
  const Functions f = {
      split_function(d),
      weights_function(d),
      {products_function(d, d->tiling.pixels), d->tiling.rests ? products_function(d, d->tiling.rest) : NULL},
      join_function(d)};
  nest_fn(b, b->name, false);
  if (d->bands > 1)
    NEST_FOR(b, band, d->bands - 1) do_band(d, &f, outer, NEST_IX(band * (d->tiles * PARTS)));
  /* the last one, of whose tiles some may be there already */
  do_band(d, &f, outer, NEST_IX(larger(0, d->pixels - d->tiles * PARTS)));
}

bool schedule_int8_strassen(Lower *l, const Correlation *k) {
  const Int8Product *p = l->node->detail;
  Strassen8 d = {.l = l, .k = *k};
  if (!possible(l, k) || !fits(&d)) return false;
  choose_bands(&d);
  if (!pays(&d)) return false;
  const LoopKind outer = schedule_outer(l, correlation_macs(k));
  const int64_t blocks = k->s / PARTS / d.width;
  d.slots = 1;
  while (l->threads && outer == PARALLEL && d.slots < MOST_SLOTS && blocks % (2 * d.slots) == 0) d.slots *= 2;
  lower_join_rows(l, k->small.h);
  d.k.large.w = d.k.small.w = d.pixels;
  d.k.large.h = d.k.small.h = 1;
  d.finish = finish_begin(l, DOT_HALVES, p, k, (int)direct_unit(l, k->s), false);
  d.weight = words_weights(l, p, k, &d.finish, "");
  const bool inner = inner_gains(l);
  const int most = inner ? (l->target->registers - 2 * d.vectors - 4) / d.vectors
                         : (l->target->registers - d.vectors - 2) / d.vectors;
  d.tiling = tiling_of(d.tiles, ceil_divide(d.tiles, ceil_divide(d.tiles, larger(1, smaller(most, 16)))));
  /* Not a power of 2 apart, else points, or tiles, would share the same lines of the first cache. */
  const int64_t line = l->target->line / 4;
  d.V = lower_scratch_of(l, "V", I32, 4, (int64_t[]){POINTS, d.tiles + 1, 2, d.quads + line / 2});
  d.U = lower_scratch_of(l, "U", I32, 5, (int64_t[]){d.slots, POINTS, 2, d.quads + 1, d.width});
  d.sums = lower_scratch_of(l, "sums", I32, 4, (int64_t[]){d.slots, POINTS, d.tiles + 1, d.width});
  if (inner) {
    d.own_V = lower_scratch_of(l, "own_V", I32, 2, (int64_t[]){POINTS, d.tiles});
    d.own_U = lower_scratch_of(l, "own_U", I32, 3, (int64_t[]){d.slots, POINTS, d.width});
  }
  main_function(&d, outer);
  lower_about(l, "8 bits, Strassen's algorithm in whole numbers, rounding %s, products of halves%s",
              rounding_name(p->rounding), inner ? ", half as many" : "");
  lower_detail(l, "register tiles of %d tiles x %d vectors of %d filters", (int)d.tiling.pixels, d.vectors,
               d.lanes);
  if (d.bands > 1) lower_detail(l, "%d bands of %d tiles", (int)d.bands, (int)d.tiles);
  return true;
}
