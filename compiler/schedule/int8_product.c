// int8_product.c: convolutions and dense layers of 8 bits by products of words.
// SPDX-License-Identifier: Apache-2.0
//
// The input is copied as words with its padding (int8_words.c), so every tile is alike. A tile of some pixels
// of a row times some vectors of output channels stays in registers while the words of its windows pass by:
// one word of the input, in all lanes, times a vector of words of the weights. Weights are packed as bytes,
// [vectors of channels][ky][words of kx and channels][channel], for every target of the file; halves are made
// of them once a tile and word.
#include "base/number.h"
#include "schedule/direct.h"
#include "schedule/int8_words.h"

typedef struct Product {
  Lower *l;
  const Int8Product *p;
  Correlation k;
  Words words;
  Finish finish;
  Buf *weight;
  int lanes, vectors, pixels; /* of a tile */
} Product;

/* ---- weights ---- */
static int32_t weight_word(const Int8Product *p, const Correlation *k, int64_t filter, int64_t tap,
                           int64_t c) {
  const int64_t taps = k->kernel[0] * k->kernel[1];
  uint32_t word = 0;
  for (int64_t i = 0; i < WORD_BYTES && c + i < k->l; i++)
    word |= (uint32_t)(uint8_t)p->weight[(filter * k->l + c + i) * taps + tap] << 8 * i;
  return (int32_t)word;
}

Buf *words_weights(Lower *l, const Int8Product *p, const Correlation *k, const Finish *finish) {
  const int64_t unit = finish->unit, group = ceil_divide(k->l, WORD_BYTES),
                taps = k->kernel[0] * k->kernel[1],
                dim[4] = {k->groups * finish->vectors, k->kernel[0], k->kernel[1] * group, unit};
  int32_t *values = NEW_ARRAY(l->arena, int32_t, dim[0] * dim[1] * dim[2] * dim[3]);
  for (int64_t f = 0; f < k->small.c; f++) {
    const int64_t vector = f / k->s * finish->vectors + f % k->s / unit, lane = f % k->s % unit;
    for (int64_t t = 0; t < taps; t++)
      for (int64_t c = 0; c < group; c++)
        values[((vector * taps + t) * group + c) * unit + lane] = weight_word(p, k, f, t, c * WORD_BYTES);
  }
  return lower_constants(l, "weight_words", I32, 4, dim, values);
}

/* ---- a tile ---- */
typedef struct Tile {
  int pixels, vectors, part; /* part: lanes of the last vector that are real */
} Tile;

typedef struct TileArgs {
  Ix y, x, vector, out, word; /* first pixel, vector of the members, output channel, word of the group */
} TileArgs;

static Ix vector_of(const Product *d, const TileArgs *a, int v) {
  return a->vector + v * d->lanes / d->finish.unit;
}
static Ix lane_of(const Product *d, int v) { return NEST_Z + v * d->lanes % d->finish.unit; }

/* One word of all windows: from one plane. */
static void add_word(const Product *d, const Tile *t, Buf *sum, Buf *in, int plane, const Ix *word,
                     const Val *weight) {
  Nest *b = d->l->b;
  const bool bytes = d->words.planes == 1;
  const int64_t step = d->k.stride[1] * d->words.pixel;
  Val w[8];
  for (int v = 0; v < t->vectors; v++)
    w[v] = bytes ? weight[v]
                 : nest_let(b, nest_text(b, plane ? "odd%d" : "even%d", v),
                            nest_primitive(b, plane ? &primitive_odd_bytes : &primitive_even_bytes, weight[v],
                                           NULL, NULL));
  NEST_UNROLL(b, p, t->pixels) {
    const Val x =
        nest_let(b, "x", splat(nest_load(b, nest_at(b, in, plane, 0, p * step + *word), 1), d->lanes));
    for (int v = 0; v < t->vectors; v++) {
      const Ref at = nest_at(b, sum, p, v);
      nest_store(b, at, nest_primitive(b, words_dot(d->l), nest_get(b, at), x, w[v]));
    }
  }
}

static void add_row(const Product *d, const Tile *t, const TileArgs *a, Buf *sum, const Ix *ky, const Ix *kx,
                    int64_t words) {
  Nest *b = d->l->b;
  const Correlation *k = &d->k;
  Buf *in = NEST_VIEW(b, "i", d->words.buf, 0, a->y * k->stride[0] + *ky * k->dilation[0],
                      (a->x * k->stride[1] + *kx * k->dilation[1]) * d->words.pixel + a->word);
  nest_pin(b, in);
  NEST_FOR(b, c, words) {
    Val w[8];
    for (int v = 0; v < t->vectors; v++)
      w[v] = nest_let(
          b, nest_text(b, "w%d", v),
          nest_load(b,
                    nest_at(b, d->weight, vector_of(d, a, v), *ky, *kx * d->words.group + c, lane_of(d, v)),
                    d->lanes));
    for (int plane = 0; plane < d->words.planes; plane++) {
      if (plane)
        nest_pin(b, in); /* else the words of both are loaded first, into registers that are not there */
      add_word(d, t, sum, in, plane, &c, w);
    }
  }
}

static NestFn *tile_of(const Product *d, const Tile *t) {
  Nest *b = d->l->b;
  const Correlation *k = &d->k;
  NestFn *fn = nest_fn(
      b, nest_text(b, "tile_%dx%d%s", t->pixels, t->vectors, t->part < d->lanes ? "_part" : ""), true);
  TileArgs a = {
      .y = nest_arg(b, "y"), .x = nest_arg(b, "x0"), .vector = nest_arg(b, "f"), .out = nest_arg(b, "f0")};
  if (k->groups > 1) a.word = nest_arg(b, "c0");
  Buf *sum = nest_buf(b, REGS, "a", (Type){I32, d->lanes}, 2, (int64_t[]){t->pixels, t->vectors});
  NEST_UNROLL(b, p, t->pixels)
    for (int v = 0; v < t->vectors; v++)
      nest_store(b, nest_at(b, sum, p, v),
                 nest_load(b, nest_at(b, d->finish.bias, vector_of(d, &a, v), lane_of(d, v)), d->lanes));
  const bool together = k->groups == 1 && k->dilation[1] == 1; /* the taps of a row lie side by side */
  NEST_FOR(b, ky, k->kernel[0])
    NEST_FOR(b, kx, together ? 1 : k->kernel[1])
      add_row(d, t, &a, sum, &ky, &kx, together ? k->kernel[1] * d->words.group : d->words.group);
  for (int v = 0; v < t->vectors; v++)
    NEST_UNROLL(b, p, t->pixels) {
      const Ix x = a.x + p, f = a.out + v * d->lanes, vector = vector_of(d, &a, v), lane = lane_of(d, v);
      lower_store(d->l, finish_vector(d->l, &d->finish, nest_get(b, nest_at(b, sum, p, v)), &vector, &lane),
                  &a.y, &x, &f, v == t->vectors - 1 ? t->part : d->lanes, d->lanes);
    }
  return fn;
}

/* ---- all tiles ---- */
typedef struct Tiles {
  NestFn *fn[2]; /* whole pixels; the rest of a row. NULL: none */
} Tiles;

static Tiles tiles_of(const Product *d, int vectors, int part) {
  const int64_t width = d->k.small.w, rest = width % d->pixels;
  Tiles tiles = {{NULL, NULL}};
  tiles.fn[0] = tile_of(d, &(Tile){d->pixels, vectors, part});
  if (rest) tiles.fn[1] = tile_of(d, &(Tile){(int)rest, vectors, part});
  return tiles;
}

/* The channels from first on of group g, in row y. */
static void call_row(const Product *d, const Tiles *tiles, const Ix *y, const Ix *g, const Ix *first,
                     const Ix *vector) {
  Nest *b = d->l->b;
  const int64_t whole = d->k.small.w / d->pixels;
  for (int rest = 0; rest < 2; rest++)
    if (tiles->fn[rest])
      NEST_FROM(b, t, rest ? whole : 0, rest ? whole + 1 : whole) {
        const Ix args[5] = {*y, t * d->pixels, *g * d->finish.vectors + *vector, *g * d->k.s + *first,
                            *g * d->words.group};
        nest_call_list(b, tiles->fn[rest], d->k.groups > 1 ? 5 : 4, args);
      }
}

static void call_all(const Product *d, const Tiles *whole, const Tiles *part, bool rows_first,
                     LoopKind outer) {
  Nest *b = d->l->b;
  const int64_t step = d->vectors * d->lanes, count = d->k.s / step, rows = d->k.small.h;
  const Ix last = NEST_Z + count * step, last_vector = NEST_Z + count * step / d->finish.unit;
  NEST_LOOP(b, y0, rows_first ? outer : SERIAL, 1, NEST_IX(0), 1, NEST_IX(rows_first ? rows : 1))
    NEST_FOR(b, g, d->k.groups) {
      if (count)
        NEST_LOOP(b, t, rows_first || d->k.groups > 1 ? SERIAL : outer, 1, NEST_IX(0), 1, NEST_IX(count))
          NEST_FOR(b, y1, rows_first ? 1 : rows)
            call_row(d, whole, NEST_IX(y0 + y1), &g, NEST_IX(t * step), NEST_IX(t * (step / d->finish.unit)));
      if (part->fn[0])
        NEST_FOR(b, y1, rows_first ? 1 : rows) call_row(d, part, NEST_IX(y0 + y1), &g, &last, &last_vector);
    }
}

/* Registers: sums, a vector of weights each, a word of the input; with halves those bytes, too, and products.
 */
static void choose_tile(Product *d) {
  const Target *t = d->l->target;
  const int64_t needed = ceil_divide(d->k.s, d->lanes), width = d->k.small.w, spare = d->words.planes;
  d->vectors = (int)larger(2, d->finish.unit / d->lanes);
  while (d->vectors < 8 && d->vectors * width < t->chains && 2 * d->vectors <= t->registers / 4)
    d->vectors *= 2;
  const int64_t vectors = smaller(d->vectors, needed),
                most = (t->registers - spare * (vectors + 1)) / vectors,
                tiles = ceil_divide(width, smaller(most, 16));
  d->pixels = (int)ceil_divide(width, tiles);
}

/* Where each pixel is made of one, rows are one row. */
static void join_rows(Product *d) {
  Correlation *k = &d->k;
  for (int axis = 0; axis < 2; axis++)
    if (k->kernel[axis] != 1 || k->stride[axis] != 1 || k->before[axis] != 0) return;
  if (k->large.h != k->small.h || k->large.w != k->small.w || d->p->dense) return;
  if (k->small.w >= 4 * d->l->target->chains) return;
  lower_join_rows(d->l);
  k->large.w = k->small.w *= k->small.h;
  k->large.h = k->small.h = 1;
}

bool schedule_int8_product(Lower *l) {
  if (l->node->op != &op_int8_product)
    return false;                          /* sums follow the target by themselves: ops/engine/walk.h */
  if (int8_is_wide(l->node)) return false; /* of 16 bits: plain loops */
  const Int8Product *p = l->node->detail;
  Product d = {.l = l, .p = p, .k = int8_geometry(l->node)};
  const Correlation *k = &d.k;
  if (l->target->dot == DOT_NONE || l->b->lead || l->rows || l->kernel->batch || l->images > 1) return false;
  if (l->in[0]->rank != 3 || l->out->rank != 3 || correlation_near_limits(k) || !finish_fits(l, p, k))
    return false;
  if (k->groups > 1 && k->l == 1 && k->s == 1) return schedule_int8_depthwise(l, k);
  if (schedule_int8_winograd(l, k)) return true;
  join_rows(&d);
  d.words = words_begin(l, k);
  d.finish = finish_begin(l, p, k, (int)direct_unit(l, k->s));
  d.lanes = (int)smaller(l->target->lanes, d.finish.unit);
  d.weight = words_weights(l, p, k, &d.finish);
  choose_tile(&d);
  const int64_t step = d.vectors * d.lanes, rest = k->s % step, vectors = ceil_divide(rest, d.lanes);
  Tiles whole = {{NULL, NULL}}, part = {{NULL, NULL}};
  if (k->s >= step) whole = tiles_of(&d, d.vectors, d.lanes);
  if (rest) part = tiles_of(&d, (int)vectors, (int)(rest - (vectors - 1) * d.lanes));
  nest_fn(l->b, l->b->name, false);
  const LoopKind outer = schedule_outer(l, correlation_macs(k));
  const bool rows_first = k->small.h > 1 && buf_bytes(d.weight) <= l->target->blocking.direct_weights;
  words_fill(l, &d.words, outer);
  call_all(&d, &whole, &part, rows_first, outer);
  lower_about(l, "8 bits, rounding %s, tiles of %d pixels x %d vectors of %d channels, products of %s",
              rounding_name(p->rounding), d.pixels, (int)(k->s < step ? vectors : d.vectors), d.lanes,
              d.words.planes == 1 ? "bytes" : "halves");
  lower_detail(l, "%s",
               rows_first ? "order: row after row, each through all weights"
                          : "order: some channels after the other, each over the whole picture");
  return true;
}
