// int8_tiles.c: Register tiles of int8 convolutions: some pixels times some vectors of channels.
// SPDX-License-Identifier: Apache-2.0
//
// The sums of a tile stay in registers during the loop over the words of its windows. Each step multiplies
// one word of the input, broadcast to all lanes, by a vector of words of the weights. Weights are packed as
// bytes, [vector of channels][ky][word of kx and channels][channel], in the same way for all targets of the
// generated file. For products of int16 pairs, the weights are split into int16 halves once per call, strip
// by strip; a strip is the channels of one tile. If the image has few pixels, each tile instead splits each
// word just before it is used.
#include "schedule/int8/int8_tiles.h"
#include "base/number.h"

/* ---- a tile ---- */
typedef struct Tile {
  int pixels, vectors, part; /* part: lanes in use in the last vector */
} Tile;

typedef struct TileArgs {
  Ix y, x, vector, out, slot, word; /* y, x: the first pixel; vector: first vector in the model's arrays; out:
                                       first output channel; slot: index in `halves`; word: with groups, the
                                       first word of the group in a pixel */
} TileArgs;

static Ix int8_tiles_vector_of(const Product *d, const TileArgs *a, int v) {
  return a->vector + v * d->lanes / d->finish.unit;
}
static Ix int8_tiles_lane_of(const Product *d, int v) { return NEST_Z + v * d->lanes % d->finish.unit; }

static Val half_words(const Product *d, int plane, int v, Val bytes) {
  Nest *b = d->l->b;
  return words_half(b, nest_text(b, plane ? "odd%d" : "even%d", v), plane, bytes);
}

/* For each window of the tile, adds the products of one word of a plane. */
static void int8_tiles_add_word(const Product *d, const Tile *t, Buf *sum, Buf *in, const Ix *plane,
                                const Ix *word, const Val *w) {
  Nest *b = d->l->b;
  const int64_t step = d->k.stride[1] * d->words.step;
  NEST_UNROLL(b, p, t->pixels) {
    const Ref from = nest_at(b, in, *plane, 0, p * step + *word * d->words.unit);
    const Val one = d->words.unit == 1 ? nest_load(b, from, 1) : nest_load_words(b, from, 1),
              x = nest_let(b, "x", splat(one, d->lanes));
    for (int v = 0; v < t->vectors; v++) {
      const Ref at = nest_at(b, sum, p, v);
      nest_store(b, at, nest_primitive(b, words_dot(d->words.dot, d->lanes), nest_get(b, at), x, w[v]));
    }
  }
}

/* Adds the products with the packed weights. If inputs are words of halves, each word of four weights is
 * split into halves just before its use. */
static void add_bytes(const Product *d, const Tile *t, const TileArgs *a, Buf *sum, Buf *in, const Ix *ky,
                      const Ix *kx, int64_t words) {
  Nest *b = d->l->b;
  NEST_FOR(b, c, words) {
    Val w[8], half[8];
    for (int v = 0; v < t->vectors; v++)
      w[v] = nest_let(b, nest_text(b, "w%d", v),
                      nest_load(b,
                                nest_at(b, d->weight, int8_tiles_vector_of(d, a, v), *ky,
                                        *kx * d->words.group + c, int8_tiles_lane_of(d, v)),
                                d->lanes));
    for (int plane = 0; plane < d->words.planes; plane++) {
      const bool bytes = d->words.planes == 1;
      if (plane)
        nest_pin(b, in); /* otherwise compilers load both planes' words first, and run out of registers */
      for (int v = 0; v < t->vectors && !bytes; v++) half[v] = half_words(d, plane, v, w[v]);
      int8_tiles_add_word(d, t, sum, in, NEST_IX(plane), &c, bytes ? w : half);
    }
  }
}

/* Adds the products of one plane after the other. If a row is short, one loop processes both planes, because
 * a second loop would take more time. */
static void add_halves(const Product *d, const Tile *t, const TileArgs *a, Buf *sum, Buf *in, const Ix *ky,
                       const Ix *kx, int64_t words) {
  enum { SHORT = 16 };
  Nest *b = d->l->b;
  const int turns = words < SHORT ? d->words.planes : 1;
  NEST_FOR(b, plane, d->words.planes / turns)
    NEST_FOR(b, c, words)
      for (int turn = 0; turn < turns; turn++) {
        const Ix odd = plane + turn;
        Val w[8];
        if (turn) nest_pin(b, in); /* as in add_bytes */
        for (int v = 0; v < t->vectors; v++)
          w[v] = nest_let(
              b, nest_text(b, "w%d", v),
              nest_load(b, nest_at(b, d->halves, a->slot, *ky, *kx * d->words.group + c, odd, v * d->lanes),
                        d->lanes));
        int8_tiles_add_word(d, t, sum, in, &odd, &c, w);
      }
}

/* Adds Winograd's inner product (int8_inner.c) to the accumulators: for each pair of words, (even input + odd
 * weight) * (odd input + even weight). */
static void add_inner(const Product *d, const Tile *t, const TileArgs *a, Buf *sum, Buf *in, const Ix *ky,
                      const Ix *kx, int64_t words) {
  Nest *b = d->l->b;
  NEST_FOR(b, c, words) {
    Val w[2][8], x[2];
    for (int odd = 0; odd < 2; odd++)
      for (int v = 0; v < t->vectors; v++)
        w[odd][v] = nest_let(
            b, nest_text(b, odd ? "odd%d" : "even%d", v),
            nest_load(b, nest_at(b, d->halves, a->slot, *ky, *kx * d->words.group + c, odd, v * d->lanes),
                      d->lanes));
    NEST_UNROLL(b, p, t->pixels) {
      for (int odd = 0; odd < 2; odd++) {
        const Ref from = nest_at(b, in, odd, 0, p * (d->k.stride[1] * d->words.step) + c);
        x[odd] = nest_let(b, odd ? "x_odd" : "x_even", splat(nest_load(b, from, 1), d->lanes));
      }
      for (int v = 0; v < t->vectors; v++) {
        const Ref at = nest_at(b, sum, p, v);
        nest_store(b, at,
                   nest_primitive(b, &primitive_dot_halves, nest_get(b, at),
                                  nest_primitive(b, &primitive_add_halves, x[0], w[1][v], NULL),
                                  nest_primitive(b, &primitive_add_halves, x[1], w[0][v], NULL)));
      }
    }
  }
}

static void int8_tiles_add_row(const Product *d, const Tile *t, const TileArgs *a, Buf *sum, const Ix *ky,
                               const Ix *kx, int64_t words) {
  Nest *b = d->l->b;
  const Correlation *k = &d->k;
  Buf *in = NEST_VIEW(b, "i", d->words.buf, 0, a->y * k->stride[0] + *ky * k->dilation[0] + d->from[0],
                      (a->x * k->stride[1] + *kx * k->dilation[1] + d->from[1]) * d->words.step + a->word);
  nest_pin(b, in);
  if (d->inner) add_inner(d, t, a, sum, in, ky, kx, words);
  else if (d->halves) add_halves(d, t, a, sum, in, ky, kx, words);
  else add_bytes(d, t, a, sum, in, ky, kx, words);
}

/* Sets the sums of all pixels of the tile to their initial values. */
static void first_sums(const Product *d, const Tile *t, const TileArgs *a, Buf *sum) {
  Nest *b = d->l->b;
  const Correlation *k = &d->k;
  NEST_UNROLL(b, p, t->pixels) {
    Val own = num_i32(b, 0);
    for (int64_t ky = 0; ky < k->kernel[0] && d->inner; ky++)
      for (int64_t kx = 0; kx < k->kernel[1]; kx++)
        own = wrapped_plus(own, nest_load(b,
                                          nest_at(b, d->inner, a->y * k->stride[0] + ky * k->dilation[0],
                                                  (a->x + p) * k->stride[1] + kx * k->dilation[1]),
                                          1));
    if (d->inner) own = nest_let(b, "own", splat(own, d->lanes));
    for (int v = 0; v < t->vectors; v++) {
      const Val bias = nest_load(
          b, nest_at(b, d->finish.bias, int8_tiles_vector_of(d, a, v), int8_tiles_lane_of(d, v)), d->lanes);
      nest_store(b, nest_at(b, sum, p, v), d->inner ? wrapped_minus(bias, own) : bias);
    }
  }
}

static NestFn *int8_tile_of(const Product *d, const Tile *t) {
  Nest *b = d->l->b;
  const Correlation *k = &d->k;
  NestFn *fn = nest_fn(
      b, nest_text(b, "tile_%dx%d%s%s", t->pixels, t->vectors, t->part < d->lanes ? "_part" : "", d->phase),
      true);
  TileArgs a = {.y = nest_arg(b, "y")};
  a.x = nest_arg(b, "x0");
  a.vector = nest_arg(b, "f");
  a.out = nest_arg(b, "f0");
  if (d->halves) a.slot = nest_arg(b, "slot");
  if (k->groups > 1) a.word = nest_arg(b, "c0");
  Buf *sum = nest_buf(b, REGS, "a", (Type){I32, d->lanes}, 2, (int64_t[]){t->pixels, t->vectors});
  first_sums(d, t, &a, sum);
  const bool together =
      k->groups == 1 && k->dilation[1] == 1; /* whether the words of all taps of a row are contiguous */
  NEST_FOR(b, ky, k->kernel[0])
    NEST_FOR(b, kx, together ? 1 : k->kernel[1])
      int8_tiles_add_row(d, t, &a, sum, &ky, &kx, together ? k->kernel[1] * d->words.group : d->words.group);
  for (int v = 0; v < t->vectors; v++)
    NEST_UNROLL(b, p, t->pixels) {
      const Ix y = a.y * d->step[0] + d->first[0], x = (a.x + p) * d->step[1] + d->first[1],
               f = a.out + v * d->lanes, vector = int8_tiles_vector_of(d, &a, v),
               lane = int8_tiles_lane_of(d, v);
      lower_store(d->l, finish_vector(d->l, &d->finish, nest_get(b, nest_at(b, sum, p, v)), &vector, &lane),
                  &y, &x, &f, v == t->vectors - 1 ? t->part : d->lanes, d->lanes);
    }
  return fn;
}

/* ---- strips ---- */
static NestFn *split_of(const Product *d, int vectors) {
  Nest *b = d->l->b;
  NestFn *fn = nest_fn(b, nest_text(b, "split_weights_%d%s", vectors, d->phase), true);
  TileArgs a = {.slot = nest_arg(b, "slot")};
  a.vector = nest_arg(b, "f");
  NEST_FOR(b, ky, d->k.kernel[0])
    NEST_FOR(b, c, d->k.kernel[1] * d->words.group)
      for (int v = 0; v < vectors; v++) {
        const Ref at = nest_at(b, d->weight, int8_tiles_vector_of(d, &a, v), ky, c, int8_tiles_lane_of(d, v));
        const Val w = nest_let(b, nest_text(b, "w%d", v), nest_load(b, at, d->lanes));
        for (int plane = 0; plane < d->words.planes; plane++)
          nest_store(b, nest_at(b, d->halves, a.slot, ky, c, plane, v * d->lanes),
                     half_words(d, plane, v, w));
      }
  return fn;
}

static Strip strip_of(const Product *d, int vectors, int part) {
  Strip strip = {.split = d->halves ? split_of(d, vectors) : NULL};
  strip.tile[0] = int8_tile_of(d, &(Tile){(int)d->row.pixels, vectors, part});
  if (d->row.rests) strip.tile[1] = int8_tile_of(d, &(Tile){(int)d->row.rest, vectors, part});
  return strip;
}

/* Splits the weights of strip t of group g into halves. */
static void split_strip(const Product *d, const Strip *strip, const Ix *slot, const Ix *g, const Ix *t) {
  if (strip->split)
    nest_call(d->l->b, strip->split, *slot,
              *g * d->finish.vectors + *t * (d->vectors * d->lanes / d->finish.unit));
}

static void int8_tiles_call_row(const Product *d, const Strip *strip, const Ix *y, const Ix *slot,
                                const Ix *g, const Ix *t) {
  Nest *b = d->l->b;
  const int64_t width = d->vectors * d->lanes, count[2] = {d->row.count, d->row.rests},
                pixels[2] = {d->row.pixels, d->row.rest};
  for (int rest = 0; rest < 2; rest++)
    if (strip->tile[rest])
      NEST_FOR(b, i, count[rest]) {
        Ix args[6] = {*y, rest * count[0] * pixels[0] + i * pixels[rest],
                      *g * d->finish.vectors + *t * (width / d->finish.unit), *g * d->k.s + *t * width};
        int n = 4;
        if (d->halves) args[n++] = *slot;
        if (d->k.groups > 1) args[n++] = *g * d->words.group;
        nest_call_list(b, strip->tile[rest], n, args);
      }
}

/* Computes the image row by row; each row reads all weights. If weights are split, the halves of all strips
 * are stored before the first row. */
static void int8_tiles_call_rows(const Product *d, const Strip *whole, const Strip *part) {
  Nest *b = d->l->b;
  const Ix last = NEST_Z + d->strips, first = NEST_Z;
  if (d->strips)
    NEST_FOR(b, t, d->strips) split_strip(d, whole, &t, &first, &t);
  if (part->tile[0]) split_strip(d, part, &last, &first, &last);
  NEST_LOOP(b, y, d->outer, 1, NEST_IX(0), 1, NEST_IX(d->k.small.h))
    NEST_FOR(b, g, d->k.groups) {
      if (d->strips)
        NEST_FOR(b, t, d->strips) int8_tiles_call_row(d, whole, &y, &t, &g, &t);
      if (part->tile[0]) int8_tiles_call_row(d, part, &y, &last, &g, &last);
    }
}

/* Computes one strip of channels after the other, each for the whole image. */
static void call_strips(const Product *d, const Strip *whole, const Strip *part) {
  Nest *b = d->l->b;
  const int64_t each = d->strips / d->slots;
  const Ix last = NEST_Z + d->strips, first = NEST_Z;
  NEST_FOR(b, g, d->k.groups) {
    if (d->strips)
      NEST_LOOP(b, slot, d->k.groups > 1 ? SERIAL : d->outer, 1, NEST_IX(0), 1, NEST_IX(d->slots))
        NEST_FOR(b, n, each) {
          const Ix t = slot * each + n;
          split_strip(d, whole, &slot, &g, &t);
          NEST_FOR(b, y, d->k.small.h) int8_tiles_call_row(d, whole, &y, &slot, &g, &t);
        }
    if (part->tile[0]) {
      split_strip(d, part, &first, &g, &last);
      NEST_FOR(b, y, d->k.small.h) int8_tiles_call_row(d, part, &y, &first, &g, &last);
    }
  }
}

/* ---- choices ---- */
/* Creates the buffer for the halves of all strips, or of the strips that threads process at the same time. */
static void choose_halves(Product *d) {
  enum { MOST_SLOTS = 16 };
  const int64_t width = d->vectors * d->lanes, row = d->k.kernel[1] * d->words.group;
  if (d->rows_first) d->slots = ceil_divide(d->k.s, width);
  else if (d->outer != PARALLEL || d->k.groups > 1) d->slots = 1;
  while (!d->rows_first && (d->slots > MOST_SLOTS || larger(1, d->strips) % d->slots != 0)) d->slots--;
  d->halves = lower_scratch_of(d->l, nest_text(d->l->b, "halves%s", d->phase), I32, 5,
                               (int64_t[]){d->slots, d->k.kernel[0], row, d->words.planes, width});
}

/* Chooses a tile that fits in the registers. A tile needs registers for its sums, for one vector of weights
 * per vector of channels, for a word of the input, and for products. A tile that splits weights itself also
 * keeps their bytes. Pairs of bytes need a vector of ones. The inner product needs the weights and words of
 * both planes, and two sums of a weight and a word. */
static void choose_tile(Product *d) {
  const Target *t = d->l->target;
  const int64_t needed = ceil_divide(d->k.s, d->lanes), width = d->k.small.w, pixels = width * d->k.small.h;
  d->vectors = (int)larger(2, d->finish.unit / d->lanes);
  while (d->vectors < 8 && d->vectors * width < t->chains && 2 * d->vectors <= t->registers / 4)
    d->vectors *= 2;
  const int64_t vectors = smaller(d->vectors, needed),
                others = d->words.dot == DOT_PAIRS ? 2
                         : d->words.planes > 1     ? vectors + 1
                                                   : 0,
                whole = d->inner
                            ? (t->registers - 2 * vectors - 4) / vectors
                            : (t->registers - vectors - 2) /
                                  vectors; /* number of pixels of a tile if the weights are already split */
  const bool split = d->inner || (d->words.planes > 1 && pixels >= 2 * whole);
  const int64_t most = split ? whole : (t->registers - vectors - 1 - others) / vectors;
  d->row = tiling_of(width, ceil_divide(width, ceil_divide(width, smaller(most, 16))));
  d->strips = d->k.s / (d->vectors * d->lanes);
  d->rows_first = d->k.small.h > 1 && (!split || d->k.groups == 1) &&
                  buf_bytes(d->weight) * (split ? 2 : 1) <= t->blocking.direct_weights;
  d->slots = larger(1, d->strips);
  if (split) choose_halves(d);
}

void int8_tiles_begin(Product *d, Strip strip[2]) {
  Lower *l = d->l;
  d->weight = words_weights(l, d->p, &d->k, &d->finish, d->phase);
  d->lanes = (int)smaller(l->target->lanes, d->finish.unit);
  d->outer = schedule_outer(l, correlation_macs(&d->k));
  choose_tile(d);
  const int64_t rest = d->k.s - d->strips * d->vectors * d->lanes, vectors = ceil_divide(rest, d->lanes);
  strip[0] = strip[1] = (Strip){0};
  if (d->strips) strip[0] = strip_of(d, d->vectors, d->lanes);
  if (rest) strip[1] = strip_of(d, (int)vectors, (int)(rest - (vectors - 1) * d->lanes));
}

void int8_tiles_loops(const Product *d, const Strip strip[2]) {
  (d->rows_first ? int8_tiles_call_rows : call_strips)(d, &strip[0], &strip[1]);
}

void int8_tiles_about(const Product *d, const char *phases) {
  lower_about(d->l, "int8, rounding %s, %stiles of %d pixels x %d vectors of %d channels, products of %s",
              rounding_name(d->p->rounding), phases, (int)d->row.pixels,
              (int)(d->strips ? d->vectors : ceil_divide(d->k.s, d->lanes)), d->lanes,
              d->inner                    ? "int16 pairs (half as many, with Winograd's inner product)"
              : d->words.planes > 1       ? "int16 pairs"
              : d->words.dot == DOT_PAIRS ? "pairs of bytes"
                                          : "bytes");
  lower_detail(d->l, "%s",
               d->rows_first ? "order: row by row, each with all weights"
                             : "order: blocks of channels, each over the whole image");
}
