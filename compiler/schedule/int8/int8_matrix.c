// int8_matrix.c: int8 convolutions as products of tiles in registers that hold 16 rows of 64 bytes (AMX).
// SPDX-License-Identifier: Apache-2.0
//
// Up to 32 pixels of a row, two tiles, times two vectors of channels. The sums stay in registers for all
// words of a window, and are finished from memory. The input is copied as packed words with its padding, and
// weights are packed as for other products of bytes (int8_words.c): 16 words of a vector of channels are one
// tile. All tiles of a layer have the same size, so the registers are configured once: the last tile of a row
// overlaps the one before it, and so does the second half of a tile the first one.
//
// Example: `x: 14x14x64 -> conv(32, 3x3, pad=same)` --target=x86-64-v4-amx, lines 5-12 of conv1_tile_amx:
//
//     _Alignas(64) int32_t sums[14][32];
//     n_tile_clear_x16_amx();
//     for (int ky = 0; ky < 3; ky++)
//       n_tile_add_bytes_x16_amx(&words[0][y + ky][0], 64, &weight_words[0][ky][0][0], 64, 16, 3, 0, ...
//     n_tile_store_x16_amx(&sums[0][0], 128, 0, 1);
//     const v16i bias0 = LOAD(v16i, bias_of_bytes[0][0]);
//     const v16i bias1 = LOAD(v16i, bias_of_bytes[1][0]);
//     for (int p = 0; p < 14; p++) {
#include "base/number.h"
#include "schedule/float/direct.h"
#include "schedule/int8/int8_cost.h"
#include "schedule/int8/int8_words.h"

enum { MATRIX_ROWS = 16, MATRIX_WORDS = 16 }; /* of a tile register */
enum { MOST_VECTORS = 2, MOST_PIXELS = 2 * MATRIX_ROWS, FEWEST_PIXELS = 4, FEWEST_WORDS = 4 };

typedef struct Matrix {
  Lower *l;
  const Int8Product *p;
  Correlation k;
  Words words;
  Finish finish;
  Buf *weight;
  int64_t pixels;    /* of a tile */
  int64_t taps, run; /* along a row of the window: taps apart, and words of each that are contiguous */
  bool rows_first;
  LoopKind outer;
} Matrix;

/* Sets sizes; returns the reason if there are none. */
static const char *int8_matrix_sizes(Matrix *d, const Lower *l) {
  Correlation *k = &d->k;
  *d = (Matrix){.p = l->node->detail, .k = int8_geometry(l->node)};
  if (correlation_pointwise(k)) {
    k->large.w = k->small.w *= k->small.h;
    k->large.h = k->small.h = 1;
  }
  if (direct_unit(l, k->s) != MATRIX_WORDS) return "too few channels for a vector";
  const int64_t group = ceil_divide(k->l, WORD_BYTES), width = k->small.w;
  d->taps = k->dilation[1] == 1 ? 1 : k->kernel[1];
  d->run = k->dilation[1] == 1 ? k->kernel[1] * group : group;
  d->pixels = ceil_divide(width, ceil_divide(width, MOST_PIXELS));
  return d->pixels < FEWEST_PIXELS ? "too few pixels in a row for a tile" : NULL;
}

/* Words of a tile: a divisor of the contiguous ones. */
static int int8_matrix_words(const Matrix *d) {
  int64_t words = smaller(d->run, MATRIX_WORDS);
  while (d->run % words) words--;
  return (int)words;
}

/* ---- a tile ---- */
/* The products of a tile, without the bias. */
static void int8_matrix_products(const Matrix *d, Buf *sums, int vectors, const Ix *y, const Ix *x0,
                                 const Ix *vector) {
  Nest *b = d->l->b;
  const Correlation *k = &d->k;
  NEST_LOOP(b, row, TILED, 1, NEST_IX(0), 1, NEST_IX(d->pixels))
    NEST_FOR(b, v, vectors) {
      Buf *sum = nest_buf(b, REGS, "sum", (Type){I32, MATRIX_WORDS}, 1, (int64_t[]){1});
      nest_store(b, nest_at(b, sum, 0), splat(num_i32(b, 0), MATRIX_WORDS));
      NEST_FOR(b, ky, k->kernel[0])
        NEST_FOR(b, kx, d->taps)
          NEST_FOR(b, c, d->run) {
            const Ix at = ((*x0 + row) * k->stride[1] + kx * k->dilation[1]) * d->words.step + c;
            const Val x = nest_load(
                          b, nest_at(b, d->words.buf, 0, *y * k->stride[0] + ky * k->dilation[0], at), 1),
                      w = nest_load(b, nest_at(b, d->weight, *vector + v, ky, kx * d->words.group + c, 0),
                                    MATRIX_WORDS);
            nest_store(b, nest_at(b, sum, 0),
                       nest_primitive(b, &primitive_dot_bytes, nest_get(b, nest_at(b, sum, 0)),
                                      splat(x, MATRIX_WORDS), w));
          }
      nest_store(b, nest_at(b, sums, row, MATRIX_WORDS * v), nest_get(b, nest_at(b, sum, 0)));
    }
}

static NestFn *int8_matrix_tile(const Matrix *d, int vectors, int part) {
  Nest *b = d->l->b;
  const bool whole = part == MATRIX_WORDS && vectors == MOST_VECTORS;
  NestFn *fn = nest_fn(b, whole ? "tile" : "tile_part", true);
  const Ix y = nest_arg(b, "y"), x0 = nest_arg(b, "x0"), vector = nest_arg(b, "f"), f0 = nest_arg(b, "f0");
  Buf *sums = NEST_BUF_OF(b, STACK, "sums", I32, d->pixels, MATRIX_WORDS * vectors);
  int8_matrix_products(d, sums, vectors, &y, &x0, &vector);
  Val bias[MOST_VECTORS];
  for (int v = 0; v < vectors; v++)
    bias[v] = nest_let(b, nest_text(b, "bias%d", v),
                       nest_load(b, nest_at(b, d->finish.bias, vector + v, 0), MATRIX_WORDS));
  NEST_FOR(b, p, d->pixels)
    for (int v = 0; v < vectors; v++) {
      const Ix x = x0 + p, f = f0 + MATRIX_WORDS * v, own = vector + v;
      const Val sum =
          wrapped_plus(nest_load(b, nest_at(b, sums, p, MATRIX_WORDS * v), MATRIX_WORDS), bias[v]);
      lower_store(d->l, finish_vector(d->l, &d->finish, sum, &own, &NEST_Z), &y, &x, &f,
                  v == vectors - 1 ? part : MATRIX_WORDS, MATRIX_WORDS);
    }
  return fn;
}

/* ---- loops ---- */
typedef struct Strips {
  NestFn *whole, *part; /* NULL: none */
  int64_t wholes;
} Strips;

static void int8_matrix_call_strip(const Matrix *d, NestFn *tile, const Ix *y, const Ix *x0, const Ix *t) {
  nest_call(d->l->b, tile, *y, *x0, *t * MOST_VECTORS, *t * (MOST_VECTORS * MATRIX_WORDS));
}

static void int8_matrix_call_strips(const Matrix *d, const Strips *s, const Ix *y, const Ix *x0) {
  Nest *b = d->l->b;
  if (s->wholes)
    NEST_FOR(b, t, s->wholes) int8_matrix_call_strip(d, s->whole, y, x0, &t);
  if (s->part) int8_matrix_call_strip(d, s->part, y, x0, NEST_IX(s->wholes));
}

/* The tiles of a row: whole ones from the left, and one that ends at the right. */
static void int8_matrix_rows(const Matrix *d, const Strips *s, NestFn *tile, const Ix *y, const Ix *t) {
  Nest *b = d->l->b;
  const int64_t count = d->k.small.w / d->pixels, rest = d->k.small.w % d->pixels;
  for (int last = 0; last <= (rest > 0); last++)
    NEST_FOR(b, i, last ? 1 : count) {
      const Ix x0 = last ? NEST_Z + (d->k.small.w - d->pixels) : i * d->pixels;
      if (tile) int8_matrix_call_strip(d, tile, y, &x0, t);
      else int8_matrix_call_strips(d, s, y, &x0);
    }
}

static void int8_matrix_loops(const Matrix *d, const Strips *s) {
  Nest *b = d->l->b;
  if (d->rows_first) {
    NEST_LOOP(b, y, d->outer, 1, NEST_IX(0), 1, NEST_IX(d->k.small.h)) int8_matrix_rows(d, s, NULL, &y, NULL);
    return;
  }
  if (s->wholes)
    NEST_LOOP(b, t, d->outer, 1, NEST_IX(0), 1, NEST_IX(s->wholes))
      NEST_FOR(b, y, d->k.small.h) int8_matrix_rows(d, s, s->whole, &y, &t);
  if (s->part)
    NEST_FOR(b, y, d->k.small.h) int8_matrix_rows(d, s, s->part, &y, NEST_IX(s->wholes));
}

static bool int8_matrix_build(Lower *l) {
  Matrix d;
  if (int8_matrix_sizes(&d, l)) return false;
  const Correlation k = int8_geometry(l->node);
  if (correlation_pointwise(&k)) lower_view_rows(l, 1);
  d.l = l;
  d.words = words_begin(l, &d.k);
  d.finish = finish_begin(l, d.words.dot, d.p, &d.k, MATRIX_WORDS, false);
  d.weight = words_weights(l, d.p, &d.k, &d.finish, "");
  d.outer = schedule_outer(l, correlation_macs(&d.k));
  d.rows_first = d.k.small.h > 1 && buf_bytes(d.weight) <= l->target->blocking.direct_weights;
  l->b->tiles = (TileShape){(int)smaller(d.pixels, MATRIX_ROWS), int8_matrix_words(&d)};
  Strips s = {.wholes = d.k.s / (MOST_VECTORS * MATRIX_WORDS)};
  const int64_t rest = d.k.s - s.wholes * MOST_VECTORS * MATRIX_WORDS;
  const int vectors = (int)ceil_divide(rest, MATRIX_WORDS);
  if (s.wholes) s.whole = int8_matrix_tile(&d, MOST_VECTORS, MATRIX_WORDS);
  if (rest) s.part = int8_matrix_tile(&d, vectors, (int)rest - (vectors - 1) * MATRIX_WORDS);
  nest_fn(l->b, l->b->name, false);
  words_fill(l, &d.words, d.outer);
  int8_matrix_loops(&d, &s);
  lower_about(l, "int8, rounding %s, tiles of %d pixels x %d words x %d channels in tile registers",
              rounding_name(d.p->rounding), (int)d.pixels, l->b->tiles.pairs,
              (int)smaller(MOST_VECTORS * MATRIX_WORDS, d.k.s));
  lower_detail(l, "%s",
               d.rows_first ? "order: row by row, each with all weights"
                            : "order: blocks of channels, each over the whole image");
  return true;
}

/* ---- candidate ---- */
static bool int8_matrix_takes(const Lower *l) {
  return l->target->tiles > 0 && int8_takes(l, &op_int8_product) && int8_geometry(l->node).groups == 1;
}

static const char *int8_matrix_refused(const Lower *l, const Choice *choice) {
  Matrix d;
  (void)choice;
  const char *why = int8_product_refused(l);
  if (!why) why = int8_matrix_sizes(&d, l);
  if (!why && int8_matrix_words(&d) < FEWEST_WORDS) why = "rows of a window that tiles do not divide";
  return why;
}

/* A product of two tiles takes 16 cycles; sums go through memory, 40 cycles per tile. */
static Cycles int8_matrix_cycles(const Lower *l, const Target *target, const Choice *choice) {
  enum { PRODUCT = 16, SUMS = 40 };
  Matrix d;
  (void)target;
  (void)choice;
  int8_matrix_sizes(&d, l);
  const int64_t halves = ceil_divide(d.pixels, MATRIX_ROWS), vectors = ceil_divide(d.k.s, MATRIX_WORDS),
                steps = d.k.kernel[0] * d.taps * d.run / int8_matrix_words(&d),
                tiles = d.k.small.h * ceil_divide(d.k.small.w, d.pixels) * halves * vectors;
  const double cycles = (double)tiles * (double)(PRODUCT * steps + SUMS);
  return int8_cycles(l, &d.k, 2 * cycles, 0);
}

const Schedule schedule_int8_matrix = {.name = "matrix",
                                       .families = FAMILY_BIT(FAMILY_INT8),
                                       .takes = int8_matrix_takes,
                                       .refused = int8_matrix_refused,
                                       .cycles = int8_matrix_cycles,
                                       .build = int8_matrix_build};
