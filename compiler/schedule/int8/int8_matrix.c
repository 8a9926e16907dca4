// int8_matrix.c: int8 convolutions in tile registers (AMX), each of which holds 16 rows of 64 bytes.
// SPDX-License-Identifier: Apache-2.0
//
// A tile is a part of the map (matrix.h) times one or two vectors of channels. The sums stay in registers for
// all words of a window; then they are stored, and the epilogue reads them from memory. The input is copied
// as packed words with its padding. The weights are packed as for other products of bytes (int8_words.c): 16
// words of each channel of a vector fill one register.
//
// Example: `x: 14x14x64 -> conv(32, 3x3, pad=same)` --target=x86-64-v4-amx, lines 5-12 of conv1_tile_amx:
//
//     _Alignas(64) int32_t sums[28][32];
//     n_tile_clear_x16_amx(4);
//     for (int ky = 0; ky < 3; ky++)
//       n_tile_add_bytes_x16_amx(&words[0][y + ky][0], 64, 1024, 2, &weight_words[0][ky][0][0], 64,  ...
//     n_tile_store_x16_amx(&sums[0][0], 128, 1792, 2, 1);
//     const v16i bias0 = LOAD(v16i, bias_of_bytes[0][0]);
//     const v16i bias1 = LOAD(v16i, bias_of_bytes[1][0]);
//     for (int p = 0; p < 2; p++)
#include "base/number.h"
#include "schedule/float/direct.h"
#include "schedule/int8/int8_cost.h"
#include "schedule/int8/int8_words.h"
#include "schedule/matrix.h"

enum { MOST_VECTORS = 2, FEWEST_WORDS = 4 };

typedef struct Matrix {
  Lower *l;
  const Int8Product *p;
  Correlation k;
  MatrixMap map;
  Words words;
  Finish finish;
  Buf *weight;
  int64_t taps, run; /* a row of the window is `taps` separate runs of `run` contiguous words */
  bool rows_first;
  LoopKind outer;
} Matrix;

/* Sets the sizes. Returns NULL, or the reason why no sizes are possible. */
static const char *int8_matrix_sizes(Matrix *d, const Lower *l) {
  Correlation *k = &d->k;
  *d = (Matrix){.p = l->node->detail, .k = int8_geometry(l->node)};
  if (correlation_pointwise(k)) {
    k->large.w = k->small.w *= k->small.h;
    k->large.h = k->small.h = 1;
  }
  if (direct_unit(l, k->s) != MATRIX_LANES) return "too few channels for a vector";
  const int64_t group = ceil_divide(k->l, WORD_BYTES);
  d->taps = k->dilation[1] == 1 ? 1 : k->kernel[1];
  d->run = k->dilation[1] == 1 ? k->kernel[1] * group : group;
  d->map = matrix_map(k, (int64_t[]){k->small.h, k->small.w}, (int64_t[]){1, 1}, k->s,
                      k->kernel[0] * k->kernel[1] > 1);
  return matrix_refused(&d->map);
}

/* ---- a tile ---- */
typedef struct Int8Tile { /* the context of MatrixBuild; part: number of lanes in use in the last vector */
  const Matrix *d;
  int vectors, part;
} Int8Tile;

typedef struct Int8Sums {
  const Matrix *d;
  Buf *sums;
  Ix y, x, vector;
} Int8Sums;

/* The sum of the products, without the bias. */
static void int8_matrix_sum(const void *context, const Ix *u, const Ix *q, const Ix *v) {
  const Int8Sums *s = context;
  const Matrix *d = s->d;
  const Correlation *k = &d->k;
  Nest *b = d->l->b;
  Buf *sum = nest_buf(b, REGS, "sum", (Type){I32, MATRIX_LANES}, 1, (int64_t[]){1});
  nest_store(b, nest_at(b, sum, 0), splat(num_i32(b, 0), MATRIX_LANES));
  NEST_FOR(b, ky, k->kernel[0])
    NEST_FOR(b, kx, d->taps)
      NEST_FOR(b, c, d->run) {
        const Ix row = matrix_row_of(&d->map, &s->y, u) * k->stride[0] + ky * k->dilation[0],
                 column = matrix_column_of(&d->map, &s->x, u, q) * k->stride[1] + kx * k->dilation[1],
                 at = column * d->words.step + c;
        const Val in = nest_load(b, words_at(b, &d->words, 0, &row, &at), 1),
                  w = nest_load(b, nest_at(b, d->weight, s->vector + *v, ky, kx * d->words.group + c, 0),
                                MATRIX_LANES);
        nest_store(b, nest_at(b, sum, 0),
                   nest_primitive(b, &primitive_dot_bytes, nest_get(b, nest_at(b, sum, 0)),
                                  splat(in, MATRIX_LANES), w));
      }
  nest_store(b, nest_at(b, s->sums, matrix_place(&d->map, u, q), MATRIX_LANES * *v),
             nest_get(b, nest_at(b, sum, 0)));
}

static NestFn *int8_matrix_tile(const void *context, int64_t blocks, int64_t skip) {
  const Int8Tile *t = context;
  const Matrix *d = t->d;
  const MatrixMap *map = &d->map;
  Nest *b = d->l->b;
  const bool whole = t->part == MATRIX_LANES && t->vectors == map->vectors, row = matrix_is_row(map);
  NestFn *fn = nest_fn(b, whole ? "tile" : "tile_part", true);
  const Ix y = nest_arg(b, "y"), x = nest_arg(b, "x"), vector = nest_arg(b, "f"), f0 = nest_arg(b, "f0");
  Buf *sums = NEST_BUF_OF(b, STACK, "sums", I32, matrix_sums(map, blocks), MATRIX_LANES * t->vectors);
  matrix_groups(b, map, blocks, t->vectors, int8_matrix_sum, &(Int8Sums){d, sums, y, x, vector});
  Val bias[MOST_VECTORS];
  for (int v = 0; v < t->vectors; v++)
    bias[v] = nest_let(b, nest_text(b, "bias%d", v),
                       nest_load(b, nest_at(b, d->finish.bias, vector + v, 0), MATRIX_LANES));
  NEST_FOR(b, p, map->pitch ? map->h : row ? 1 : blocks)
    NEST_FROM(b, q, skip, map->pitch ? map->w : row ? matrix_sums(map, blocks) : map->columns)
      for (int v = 0; v < t->vectors; v++) {
        const Ix oy = y + p, ox = x + q, f = f0 + MATRIX_LANES * v, own = vector + v,
                 place = p * (map->pitch ? map->pitch : map->columns) + q;
        const Val sum =
            wrapped_plus(nest_load(b, nest_at(b, sums, place, MATRIX_LANES * v), MATRIX_LANES), bias[v]);
        lower_store(d->l, finish_vector(d->l, &d->finish, sum, &own, &NEST_Z), &oy, &ox, &f,
                    v == t->vectors - 1 ? t->part : MATRIX_LANES, MATRIX_LANES);
      }
  return fn;
}

/* ---- loops ---- */
typedef struct Strips { /* the functions for whole tiles of channels, and for the last tile */
  MatrixFns whole, part;
  int64_t wholes;
  bool rest;
} Strips;

typedef struct Strip { /* the context of MatrixCall */
  const Matrix *d;
  Ix t;
} Strip;

static void int8_matrix_call(const void *context, NestFn *fn, const Ix *y, const Ix *x) {
  const Strip *s = context;
  const int vectors = s->d->map.vectors;
  nest_call(s->d->l->b, fn, *y, *x, s->t * vectors, s->t * (vectors * MATRIX_LANES));
}

static void int8_matrix_row(const Matrix *d, const Strips *s, int span, const Ix *n) {
  Nest *b = d->l->b;
  if (s->wholes)
    NEST_FOR(b, t, s->wholes) {
      const Strip strip = {d, t};
      matrix_row_tiles(b, &d->map, &s->whole, span, n, int8_matrix_call, &strip);
    }
  const Strip last = {d, NEST_Z + s->wholes};
  if (s->rest) matrix_row_tiles(b, &d->map, &s->part, span, n, int8_matrix_call, &last);
}

static void int8_matrix_loops(const Matrix *d, const Strips *s) {
  Nest *b = d->l->b;
  for (int span = 0; d->rows_first && span < 2; span++) {
    const int64_t count = d->map.outer[span].count;
    if (count)
      NEST_LOOP(b, n, count > 1 ? d->outer : SERIAL, 1, NEST_IX(0), 1, NEST_IX(count))
        int8_matrix_row(d, s, span, &n);
  }
  if (d->rows_first) return;
  if (s->wholes)
    NEST_LOOP(b, t, d->outer, 1, NEST_IX(0), 1, NEST_IX(s->wholes)) {
      const Strip strip = {d, t};
      matrix_tiles(b, &d->map, &s->whole, int8_matrix_call, &strip);
    }
  const Strip last = {d, NEST_Z + s->wholes};
  if (s->rest) matrix_tiles(b, &d->map, &s->part, int8_matrix_call, &last);
}

static bool int8_matrix_build(Lower *l) {
  Matrix d;
  if (int8_matrix_sizes(&d, l)) return false;
  const Correlation k = int8_geometry(l->node);
  if (correlation_pointwise(&k)) lower_view_rows(l, 1);
  d.l = l;
  d.words = d.map.pitch ? words_in_line(l, &d.k, d.map.spare) : words_begin(l, &d.k);
  d.finish = finish_begin(l, d.words.dot, d.p, &d.k, MATRIX_LANES, false);
  d.weight = words_weights(l, d.p, &d.k, &d.finish, "");
  d.outer = schedule_outer(l, correlation_macs(&d.k));
  d.rows_first = d.map.outer[0].count + d.map.outer[1].count > 1 &&
                 buf_bytes(d.weight) <= l->target->blocking.direct_weights;
  l->b->tiles = (TileShape){.rows = (int)d.map.columns, .pairs = matrix_step(d.run)};
  const int width = d.map.vectors * MATRIX_LANES, rest = (int)(d.k.s % width),
            vectors = (int)ceil_divide(rest, MATRIX_LANES);
  const Int8Tile whole = {&d, d.map.vectors, MATRIX_LANES},
                 part = {&d, vectors, rest - (vectors - 1) * MATRIX_LANES};
  Strips s = {.wholes = d.k.s / width, .rest = rest > 0};
  if (s.wholes) s.whole = matrix_functions(&d.map, int8_matrix_tile, &whole);
  if (rest) s.part = matrix_functions(&d.map, int8_matrix_tile, &part);
  nest_fn(l->b, l->b->name, false);
  words_fill(l, &d.words, d.outer);
  int8_matrix_loops(&d, &s);
  lower_about(l, "int8, rounding %s, tiles of %d x %d pixels x %d words x %d channels in tile registers",
              rounding_name(d.p->rounding), (int)d.map.blocks, (int)d.map.columns, l->b->tiles.pairs,
              (int)smaller(width, d.k.s));
  if (d.map.pitch) lower_detail(l, "the map is one tile, with %d pixels per row", (int)d.map.pitch);
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
  if (!why && matrix_step(d.run) < FEWEST_WORDS) why = "rows of a window that cannot be divided into tiles";
  return why;
}

/* Sums are stored and loaded, which takes 3 cycles per vector. */
static Cycles int8_matrix_cycles(const Lower *l, const Target *target, const Choice *choice) {
  Matrix d;
  (void)target;
  (void)choice;
  int8_matrix_sizes(&d, l);
  const double steps = (double)(d.k.kernel[0] * d.taps * (d.run / matrix_step(d.run))),
               sums = (double)(d.k.small.h * d.k.small.w * ceil_divide(d.k.s, MATRIX_LANES));
  return int8_cycles(l, &d.k, 2 * (matrix_cycles(&d.map, d.k.s, (int64_t)steps) + 3 * sums), 0);
}

const Schedule schedule_int8_matrix = {.name = "matrix",
                                       .families = FAMILY_BIT(FAMILY_INT8),
                                       .takes = int8_matrix_takes,
                                       .refused = int8_matrix_refused,
                                       .cycles = int8_matrix_cycles,
                                       .build = int8_matrix_build};
