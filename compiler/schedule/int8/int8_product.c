// int8_product.c: convolutions, transposed ones and dense layers of 8 bits by products of words.
// SPDX-License-Identifier: Apache-2.0
//
// The input is copied as words with its padding (int8_words.c), so every tile is alike. A tile of some pixels
// of a row times some vectors of output channels stays in registers while the words of its windows pass by:
// one word of the input, in all lanes, times a vector of words of the weights. Weights are packed as bytes,
// [vectors of channels][ky][words of kx and channels][channel], for every target of the file. Halves are made
// of them once a call, for the channels of a tile (a strip) at a time; where a strip has few pixels, once a
// tile and word.
#include "base/number.h"
#include "schedule/float/direct.h"
#include "schedule/int8/int8_words.h"

typedef struct Product {
  Lower *l;
  const Int8Product *p;
  Correlation k;     /* from the input to the outputs of this phase: first + n * step */
  const char *phase; /* what names end in */
  int64_t first[2], step[2];
  int64_t from[2]; /* the words' row and column that window 0 begins at */
  Words words;
  Finish finish;
  Buf *weight;
  Buf *halves;        /* [slots][ky][words of kx and channels][even, odd][channels of a strip]; or NULL */
  Buf *inner;         /* by Winograd's inner product: the products of each pixel's words; or NULL */
  int lanes, vectors; /* of a tile */
  Tiling row;
  int64_t slots, strips; /* strips whose halves are kept at the same time; whole ones of a group */
  LoopKind outer;
  bool rows_first;
} Product;

/* ---- weights ---- */
static int32_t int8_product_weight_word(const Int8Product *p, const Correlation *k, int64_t filter,
                                        int64_t tap, int64_t c) {
  const int64_t taps = k->kernel[0] * k->kernel[1];
  uint32_t word = 0;
  for (int64_t i = 0; i < WORD_BYTES && c + i < k->l; i++)
    word |= (uint32_t)(uint8_t)p->weight[(filter * k->l + c + i) * taps + tap] << 8 * i;
  return (int32_t)word;
}

Buf *words_weights(Lower *l, const Int8Product *p, const Correlation *k, const Finish *finish,
                   const char *suffix) {
  const int64_t unit = finish->unit, group = ceil_divide(k->l, WORD_BYTES),
                taps = k->kernel[0] * k->kernel[1],
                dim[4] = {k->groups * finish->vectors, k->kernel[0], k->kernel[1] * group, unit};
  int32_t *values = NEW_ARRAY(l->arena, int32_t, dim[0] * dim[1] * dim[2] * dim[3]);
  for (int64_t f = 0; f < k->small.c; f++) {
    const int64_t vector = f / k->s * finish->vectors + f % k->s / unit, lane = f % k->s % unit;
    for (int64_t t = 0; t < taps; t++)
      for (int64_t c = 0; c < group; c++)
        values[((vector * taps + t) * group + c) * unit + lane] =
            int8_product_weight_word(p, k, f, t, c * WORD_BYTES);
  }
  return lower_constants(l, nest_text(l->b, "weight_words%s", suffix), I32, 4, dim, values);
}

/* ---- a tile ---- */
typedef struct Tile {
  int pixels, vectors, part; /* part: lanes of the last vector that are real */
} Tile;

typedef struct TileArgs {
  Ix y, x, vector, out, slot, word; /* first pixel, vector of the members, output channel, halves, word */
} TileArgs;

static Ix int8_product_vector_of(const Product *d, const TileArgs *a, int v) {
  return a->vector + v * d->lanes / d->finish.unit;
}
static Ix int8_product_lane_of(const Product *d, int v) { return NEST_Z + v * d->lanes % d->finish.unit; }

static Val half_words(const Product *d, int plane, int v, Val bytes) {
  Nest *b = d->l->b;
  return words_half(b, nest_text(b, plane ? "odd%d" : "even%d", v), plane, bytes);
}

/* One word of all windows: from one plane. */
static void int8_product_add_word(const Product *d, const Tile *t, Buf *sum, Buf *in, const Ix *plane,
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

/* By weights as they are packed. */
static void add_bytes(const Product *d, const Tile *t, const TileArgs *a, Buf *sum, Buf *in, const Ix *ky,
                      const Ix *kx, int64_t words) {
  Nest *b = d->l->b;
  NEST_FOR(b, c, words) {
    Val w[8], half[8];
    for (int v = 0; v < t->vectors; v++)
      w[v] = nest_let(b, nest_text(b, "w%d", v),
                      nest_load(b,
                                nest_at(b, d->weight, int8_product_vector_of(d, a, v), *ky,
                                        *kx * d->words.group + c, int8_product_lane_of(d, v)),
                                d->lanes));
    for (int plane = 0; plane < d->words.planes; plane++) {
      const bool bytes = d->words.planes == 1;
      if (plane)
        nest_pin(b, in); /* else the words of both are loaded first, into registers that are not there */
      for (int v = 0; v < t->vectors && !bytes; v++) half[v] = half_words(d, plane, v, w[v]);
      int8_product_add_word(d, t, sum, in, NEST_IX(plane), &c, bytes ? w : half);
    }
  }
}

/* The planes one after the other, or in turns where a row is short: a loop costs more than the turns. */
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
        if (turn) nest_pin(b, in); /* as above */
        for (int v = 0; v < t->vectors; v++)
          w[v] = nest_let(
              b, nest_text(b, "w%d", v),
              nest_load(b, nest_at(b, d->halves, a->slot, *ky, *kx * d->words.group + c, odd, v * d->lanes),
                        d->lanes));
        int8_product_add_word(d, t, sum, in, &odd, &c, w);
      }
}

/* Sums of halves crosswise, and one product of them (int8_inner.c). */
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

static void int8_product_add_row(const Product *d, const Tile *t, const TileArgs *a, Buf *sum, const Ix *ky,
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

/* What a pixel's sums begin with. */
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
          b, nest_at(b, d->finish.bias, int8_product_vector_of(d, a, v), int8_product_lane_of(d, v)),
          d->lanes);
      nest_store(b, nest_at(b, sum, p, v), d->inner ? wrapped_minus(bias, own) : bias);
    }
  }
}

static NestFn *int8_product_tile_of(const Product *d, const Tile *t) {
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
  const bool together = k->groups == 1 && k->dilation[1] == 1; /* the taps of a row lie side by side */
  NEST_FOR(b, ky, k->kernel[0])
    NEST_FOR(b, kx, together ? 1 : k->kernel[1])
      int8_product_add_row(d, t, &a, sum, &ky, &kx,
                           together ? k->kernel[1] * d->words.group : d->words.group);
  for (int v = 0; v < t->vectors; v++)
    NEST_UNROLL(b, p, t->pixels) {
      const Ix y = a.y * d->step[0] + d->first[0], x = (a.x + p) * d->step[1] + d->first[1],
               f = a.out + v * d->lanes, vector = int8_product_vector_of(d, &a, v),
               lane = int8_product_lane_of(d, v);
      lower_store(d->l, finish_vector(d->l, &d->finish, nest_get(b, nest_at(b, sum, p, v)), &vector, &lane),
                  &y, &x, &f, v == t->vectors - 1 ? t->part : d->lanes, d->lanes);
    }
  return fn;
}

/* ---- strips ---- */
/* Functions for strips of so many vectors. */
typedef struct Strip {
  NestFn *split, *tile[2]; /* halves of the weights; the tiles of a row. NULL: none */
} Strip;

static NestFn *split_of(const Product *d, int vectors) {
  Nest *b = d->l->b;
  NestFn *fn = nest_fn(b, nest_text(b, "split_weights_%d%s", vectors, d->phase), true);
  TileArgs a = {.slot = nest_arg(b, "slot")};
  a.vector = nest_arg(b, "f");
  NEST_FOR(b, ky, d->k.kernel[0])
    NEST_FOR(b, c, d->k.kernel[1] * d->words.group)
      for (int v = 0; v < vectors; v++) {
        const Ref at =
            nest_at(b, d->weight, int8_product_vector_of(d, &a, v), ky, c, int8_product_lane_of(d, v));
        const Val w = nest_let(b, nest_text(b, "w%d", v), nest_load(b, at, d->lanes));
        for (int plane = 0; plane < d->words.planes; plane++)
          nest_store(b, nest_at(b, d->halves, a.slot, ky, c, plane, v * d->lanes),
                     half_words(d, plane, v, w));
      }
  return fn;
}

static Strip strip_of(const Product *d, int vectors, int part) {
  Strip strip = {.split = d->halves ? split_of(d, vectors) : NULL};
  strip.tile[0] = int8_product_tile_of(d, &(Tile){(int)d->row.pixels, vectors, part});
  if (d->row.rests) strip.tile[1] = int8_product_tile_of(d, &(Tile){(int)d->row.rest, vectors, part});
  return strip;
}

/* Strip t of group g. */
static void split_strip(const Product *d, const Strip *strip, const Ix *slot, const Ix *g, const Ix *t) {
  if (strip->split)
    nest_call(d->l->b, strip->split, *slot,
              *g * d->finish.vectors + *t * (d->vectors * d->lanes / d->finish.unit));
}

static void int8_product_call_row(const Product *d, const Strip *strip, const Ix *y, const Ix *slot,
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

/* Row after row, each through all weights. Halves of all of them are there: of one group. */
static void int8_product_call_rows(const Product *d, const Strip *whole, const Strip *part) {
  Nest *b = d->l->b;
  const Ix last = NEST_Z + d->strips, first = NEST_Z;
  if (d->strips)
    NEST_FOR(b, t, d->strips) split_strip(d, whole, &t, &first, &t);
  if (part->tile[0]) split_strip(d, part, &last, &first, &last);
  NEST_LOOP(b, y, d->outer, 1, NEST_IX(0), 1, NEST_IX(d->k.small.h))
    NEST_FOR(b, g, d->k.groups) {
      if (d->strips)
        NEST_FOR(b, t, d->strips) int8_product_call_row(d, whole, &y, &t, &g, &t);
      if (part->tile[0]) int8_product_call_row(d, part, &y, &last, &g, &last);
    }
}

/* Some channels after the other, each over the whole picture. */
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
          NEST_FOR(b, y, d->k.small.h) int8_product_call_row(d, whole, &y, &slot, &g, &t);
        }
    if (part->tile[0]) {
      split_strip(d, part, &first, &g, &last);
      NEST_FOR(b, y, d->k.small.h) int8_product_call_row(d, part, &y, &first, &g, &last);
    }
  }
}

/* ---- what is chosen ---- */
/* Room for the halves of all strips, or of those that threads are at work at. */
static void choose_halves(Product *d) {
  enum { MOST_SLOTS = 16 };
  const int64_t width = d->vectors * d->lanes, row = d->k.kernel[1] * d->words.group;
  if (d->rows_first) d->slots = ceil_divide(d->k.s, width);
  else if (d->outer != PARALLEL || d->k.groups > 1) d->slots = 1;
  while (!d->rows_first && (d->slots > MOST_SLOTS || larger(1, d->strips) % d->slots != 0)) d->slots--;
  d->halves = lower_scratch_of(d->l, nest_text(d->l->b, "halves%s", d->phase), I32, 5,
                               (int64_t[]){d->slots, d->k.kernel[0], row, d->words.planes, width});
}

/* Registers: sums, a vector of weights each, a word of the input, products; with halves that are made in the
 * tile the bytes of the weights, too; with pairs ones; by the inner product the weights and words of both
 * planes, and two sums of them. */
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
                whole = d->inner ? (t->registers - 2 * vectors - 4) / vectors
                                 : (t->registers - vectors - 2) / vectors; /* with halves that are there */
  const bool split = d->inner || (d->words.planes > 1 && pixels >= 2 * whole);
  const int64_t most = split ? whole : (t->registers - vectors - 1 - others) / vectors;
  d->row = tiling_of(width, ceil_divide(width, ceil_divide(width, smaller(most, 16))));
  d->strips = d->k.s / (d->vectors * d->lanes);
  d->rows_first = d->k.small.h > 1 && (!split || d->k.groups == 1) &&
                  buf_bytes(d->weight) * (split ? 2 : 1) <= t->blocking.direct_weights;
  d->slots = larger(1, d->strips);
  if (split) choose_halves(d);
}

/* Where each pixel is made of one, rows are one row. */
static void join_rows(Product *d) {
  Correlation *k = &d->k;
  for (int axis = 0; axis < 2; axis++)
    if (k->kernel[axis] != 1 || k->stride[axis] != 1 || k->before[axis] != 0) return;
  if (k->large.h != k->small.h || k->large.w != k->small.w || d->p->dense) return;
  if (k->small.w >= 4 * d->l->target->chains) return;
  lower_join_rows(d->l, k->small.h);
  k->large.w = k->small.w *= k->small.h;
  k->large.h = k->small.h = 1;
}

/* Of the outputs of a phase. Wants all above `weight`. */
static void product_begin(Product *d, Strip strip[2]) {
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

static void product_loops(const Product *d, const Strip strip[2]) {
  (d->rows_first ? int8_product_call_rows : call_strips)(d, &strip[0], &strip[1]);
}

static void product_about(const Product *d, const char *phases) {
  lower_about(d->l, "8 bits, rounding %s, %stiles of %d pixels x %d vectors of %d channels, products of %s",
              rounding_name(d->p->rounding), phases, (int)d->row.pixels,
              (int)(d->strips ? d->vectors : ceil_divide(d->k.s, d->lanes)), d->lanes,
              d->inner                    ? "halves, half as many"
              : d->words.planes > 1       ? "halves"
              : d->words.dot == DOT_PAIRS ? "bytes in pairs"
                                          : "bytes");
  lower_detail(d->l, "%s",
               d->rows_first ? "order: row after row, each through all weights"
                             : "order: some channels after the other, each over the whole picture");
}

static bool int8_product_possible(const Lower *l, const Correlation *k) {
  if (int8_is_wide(l->node)) return false; /* of 16 bits: plain loops */
  if (l->target->dot == DOT_NONE || l->b->lead || l->rows || l->kernel->batch || l->images > 1) return false;
  return l->in[0]->rank == 3 && l->out->rank == 3 && !correlation_near_limits(k);
}

/* The same on rows of windows as pixels: what a row of the window sees is one tap of many channels. */
static void see_windows(Product *d, Int8Product *own) {
  Correlation *k = &d->k;
  const int64_t taps = k->kernel[1], rows = k->kernel[0], channels = k->l;
  int8_t *weight = NEW_ARRAY(d->l->arena, int8_t, k->s * channels * rows * taps);
  for (int64_t f = 0; f < k->s; f++)
    for (int64_t c = 0; c < channels; c++)
      for (int64_t ky = 0; ky < rows; ky++)
        for (int64_t kx = 0; kx < taps; kx++)
          weight[((f * taps + kx) * channels + c) * rows + ky] =
              d->p->weight[((f * channels + c) * rows + ky) * taps + kx];
  *own = *d->p;
  own->weight = weight;
  d->p = own;
  k->large.w = k->small.w;
  k->large.c = k->l = taps * channels;
  k->kernel[1] = k->stride[1] = 1;
  k->before[1] = 0;
}

static bool schedule_product(Lower *l) {
  Int8Product own;
  Product d = {.l = l, .p = l->node->detail, .k = int8_geometry(l->node), .phase = "", .step = {1, 1}};
  Correlation *k = &d.k;
  if (!int8_product_possible(l, k) || !finish_may(l, words_kind(l), d.p, k)) return false;
  if (k->groups > 1 && k->l == 1 && k->s == 1) return schedule_int8_depthwise(l, k);
  if (schedule_int8_winograd(l, k) || schedule_int8_strassen(l, k)) return true;
  if (words_see_windows(l, k)) {
    d.words = words_of_windows(l, k);
    see_windows(&d, &own);
  } else {
    join_rows(&d);
    d.words = words_begin(l, k);
  }
  if (inner_pays(l, &d.words, k)) d.inner = inner_begin(l, &d.words);
  d.finish = finish_begin(l, d.words.dot, d.p, k, (int)direct_unit(l, k->s), d.inner);
  Strip strip[2];
  product_begin(&d, strip);
  NestFn *inner = d.inner ? inner_function(l, &d.words, d.inner) : NULL;
  nest_fn(l->b, l->b->name, false);
  words_fill(l, &d.words, d.outer);
  if (inner) inner_fill(l, &d.words, inner, d.outer);
  product_loops(&d, strip);
  product_about(&d, "");
  return true;
}

/* ---- transposed convolutions ---- */
/* Seen from the output with stride S: S phases on each axis, each a convolution of stride 1 with part of the
 * taps (axis.c), of the same words. */
typedef struct Phases {
  Correlation k;
  Product product[DIRECT_PHASES];
  Int8Product own[DIRECT_PHASES]; /* with the weights of a phase's taps, filter by filter */
  int n;
} Phases;

static const int8_t *int8_product_taps_of(const Phases *t, const Int8Product *p, Arena *arena,
                                          const Axis axis[2]) {
  const Correlation *k = &t->k;
  const int64_t filters = k->large.c * k->s;
  int8_t *weight = NEW_ARRAY(arena, int8_t, filters *axis[0].taps *axis[1].taps), *at = weight;
  for (int64_t f = 0; f < filters; f++)
    for (int64_t ty = 0; ty < axis[0].taps; ty++)
      for (int64_t tx = 0; tx < axis[1].taps; tx++) {
        const int64_t ky = axis[0].tap_first + axis[0].tap_stride * ty,
                      kx = axis[1].tap_first + axis[1].tap_stride * tx;
        *at++ = p->weight[(f * k->kernel[0] + ky) * k->kernel[1] + kx];
      }
  return weight;
}

/* False: some outputs have no tap, or a sum might leave 32 bits. */
static bool add_phase(Phases *t, Lower *l, int64_t ry, int64_t rx) {
  const Int8Product *p = l->node->detail;
  const Axis axis[2] = {axis_phase(&t->k, 0, ry), axis_phase(&t->k, 1, rx)};
  if (!axis[0].count || !axis[1].count) return true;
  if (!axis[0].taps || !axis[1].taps) return false;
  Product *d = &t->product[t->n];
  t->own[t->n] = *p;
  t->own[t->n].weight = int8_product_taps_of(t, p, l->arena, axis);
  *d = (Product){.l = l,
                 .p = &t->own[t->n],
                 .phase = t->n ? nest_text(l->b, "_%d", t->n) : "",
                 .k = {.large = t->k.small,
                       .small = {.h = axis[0].count, .w = axis[1].count, .c = t->k.large.c},
                       .groups = t->k.groups,
                       .l = t->k.s,
                       .s = t->k.l,
                       .rank = t->k.rank}};
  for (int i = 0; i < 2; i++) {
    d->first[i] = axis[i].out_first;
    d->step[i] = axis[i].out_step;
    d->k.kernel[i] = axis[i].taps;
    d->k.stride[i] = 1;
    d->k.dilation[i] = larger(1, axis[i].tap_step);
    d->k.before[i] = -axis[i].in_first;
  }
  t->n++;
  return finish_may(l, words_kind(l), d->p, &d->k);
}

/* What all phases read of the input, with their padding, and where in it each begins. */
static Words words_of(Phases *t, Lower *l) {
  Correlation all = t->product[0].k;
  int64_t behind[2] = {0, 0};
  for (int i = 0; i < 2; i++) {
    all.before[i] = 0;
    all.kernel[i] = 1;
    for (int n = 0; n < t->n; n++) all.before[i] = larger(all.before[i], t->product[n].k.before[i]);
    for (int n = 0; n < t->n; n++) {
      const Correlation *k = &t->product[n].k;
      t->product[n].from[i] = all.before[i] - k->before[i];
      behind[i] = larger(behind[i], t->product[n].from[i] + extent_side(k->small, i) +
                                        (k->kernel[i] - 1) * k->dilation[i]);
    }
  }
  all.small.h = behind[0];
  all.small.w = behind[1];
  return words_begin(l, &all);
}

/* Phases write parts of the output: that together they write all of it is not seen by the proof. */
static void int8_product_fill(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  const int lanes = l->target->lanes;
  const Val zero = convert(num_i32(b, 0), I8), zeros = convert(splat(num_i32(b, 0), lanes), I8);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w) {
      if (e.c / lanes)
        NEST_FOR(b, v, e.c / lanes) nest_store(b, nest_at(b, l->out, y, x, lanes * v), zeros);
      if (e.c % lanes)
        NEST_FROM(b, c, e.c / lanes * lanes, e.c) nest_store(b, nest_at(b, l->out, y, x, c), zero);
    }
}

static bool schedule_transposed(Lower *l) {
  Phases *t = NEW(l->arena, Phases);
  t->k = int8_transposed_geometry(l->node);
  const int64_t sy = t->k.stride[0], sx = t->k.stride[1];
  if (!int8_product_possible(l, &t->k) || (t->k.groups > 1 && t->k.l == 1) || sy > DIRECT_PHASES ||
      sx > DIRECT_PHASES / sy)
    return false;
  for (int64_t r = 0; r < sy * sx; r++)
    if (!add_phase(t, l, r / sx, r % sx)) return false;
  if (!t->n) return false;
  const Words words = words_of(t, l);
  const Finish finish =
      finish_begin(l, words.dot, t->product[0].p, &t->product[0].k, (int)direct_unit(l, t->k.l), false);
  Strip strip[DIRECT_PHASES][2];
  for (int n = 0; n < t->n; n++) {
    Product *d = &t->product[n];
    d->words = words;
    d->finish = finish;
    if (n) d->finish.bias = finish_bias(l, &finish, d->p, &d->k, d->phase);
    product_begin(d, strip[n]);
  }
  nest_fn(l->b, l->b->name, false);
  words_fill(l, &words, t->product[0].outer);
  int8_product_fill(l);
  for (int n = 0; n < t->n; n++) product_loops(&t->product[n], strip[n]);
  product_about(&t->product[0], nest_text(l->b, "%d phases in ", t->n));
  return true;
}

/* Sums of two values follow the target by themselves: kernel/walk.h. */
static bool int8_build(Lower *l) {
  if (l->node->op == &op_int8_transposed) return schedule_transposed(l);
  return l->node->op == &op_int8_product && schedule_product(l);
}

static bool int8_takes(const Lower *l) { return !l->target->dsp; }

const Schedule schedule_int8 = {.name = "8 bits",
                                .families = FAMILY_BIT(FAMILY_INT8),
                                .takes = int8_takes,
                                .cycles = cost_kernel,
                                .build = int8_build};
