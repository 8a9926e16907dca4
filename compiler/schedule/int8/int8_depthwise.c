// int8_depthwise.c: Vectorized int8 depthwise convolutions: one channel per lane.
// SPDX-License-Identifier: Apache-2.0
//
// For each channel, a word holds elements of one column from adjacent rows of the window: 4 bytes, or 2
// halves (int16). Every window that contains the column multiplies the same word. Tiles of pixels are
// computed along the row: the words of each column are built once, and multiplied by all taps that read the
// column. Before that, the input is copied with its padding.
//
// If the channels fill groups of four vectors (quads), words are loaded from the copy in memory order. Lane i
// then has four channels, 4i to 4i + 3. Within each lane, bytes of words from several rows are exchanged, so
// that lane i of vector v gets channel 4i + v. The results are stored as bytes of such words again, so no
// vector is widened or narrowed. Vectors 0 and 2, from even bytes, are computed first, then vectors 1 and 3.
//
// Example: `x: 14x14x32 -> depthwise(3x3, pad=same)` --target=x86-64-v3, lines 18-27 of depthwise1_tile_4:
//
//     const v8i r0_0_0 = n_words_x8i(&rows[i]);
//     const v8i h0_0_0 = n_even_bytes_x8(r0_0_0);
//     const v8i r0_0_1 = n_words_x8i(&rows[i + 512]);
//     const v8i h0_0_1 = n_even_bytes_x8(r0_0_1);
//     const v8i lower0_0 = h0_0_0;
//     const v8i upper0_0 = h0_0_1;
//     const v8i x0_0_0 = n_low_halves_x8(lower0_0, upper0_0);
//     const v8i x0_0_1 = n_high_halves_x8(lower0_0, upper0_0);
//     even[0][0] = n_dot_halves_x8(even[0][0], x0_0_0, w0_0);
//     even[0][1] = n_dot_halves_x8(even[0][1], x0_0_1, w1_0);
#include "base/number.h"
#include "schedule/float/direct.h"
#include "schedule/int8/int8_cost.h"

enum {
  MOST_TAPS = 16,
  MOST_UNROLLED = 256,
  FEWEST_LANES = 4
}; /* MOST_TAPS: maximum number of taps along a row; MOST_UNROLLED: maximum number of taps of a window,
      because windows are unrolled */

typedef struct Depthwise {
  Lower *l;
  const Int8Product *p;
  Correlation k;
  Finish finish;
  Buf *rows, *weight;
  int64_t height,
      words; /* height: number of rows in a word; words: number of words of a column of the window */
  int lanes, pixels;
  bool copies_words; /* rows are copied four bytes per lane */
} Depthwise;

/* Number of rows in a word. Without quads, rows are shifted into a word one by one, so several rows fill the
 * last elements of the word; a single row is in the first element. */
static int64_t rows_of_word(const Depthwise *d, int64_t word) {
  return smaller(d->height, d->k.kernel[0] - word * d->height);
}

/* With quads: index of the word's element in which column_words stores the first of n rows of a channel. */
static int64_t first_of_quad(const Depthwise *d, int64_t n, int64_t channel) {
  if (d->height == 2) return n == 1 ? channel % WORD_BYTES / 2 : 0;
  return n == 1 ? channel % WORD_BYTES : n == 2 ? channel % WORD_BYTES / 2 * 2 : 0;
}

static int32_t weight_word(const Depthwise *d, int64_t channel, int64_t word, int64_t kx) {
  const int64_t n = rows_of_word(d, word), bits = 32 / d->height,
                first = d->finish.quads ? first_of_quad(d, n, channel)
                        : n > 1         ? d->height - n
                                        : 0;
  const uint32_t mask = (UINT32_C(1) << bits) - 1;
  uint32_t made = 0;
  for (int64_t i = 0; i < n; i++) {
    const int64_t ky = word * d->height + i;
    const int8_t w = d->p->weight[(channel * d->k.kernel[0] + ky) * d->k.kernel[1] + kx];
    made |= ((uint32_t)(int32_t)w & mask) << bits * (first + i);
  }
  return (int32_t)made;
}

static int64_t vector_of(const Depthwise *d, int64_t channel) {
  const int64_t unit = d->finish.unit, quad = WORD_BYTES * unit;
  return d->finish.quads ? channel / quad * WORD_BYTES + channel % WORD_BYTES : channel / unit;
}
static int64_t lane_of(const Depthwise *d, int64_t channel) {
  const int64_t unit = d->finish.unit;
  return d->finish.quads ? channel % (WORD_BYTES * unit) / WORD_BYTES : channel % unit;
}

static Buf *int8_depthwise_packed_weights(const Depthwise *d) {
  const int64_t unit = d->finish.unit, dim[4] = {d->finish.vectors, d->words, d->k.kernel[1], unit};
  int32_t *values = NEW_ARRAY(d->l->arena, int32_t, dim[0] * dim[1] * dim[2] * dim[3]);
  for (int64_t c = 0; c < d->k.s; c++)
    for (int64_t word = 0; word < dim[1]; word++)
      for (int64_t kx = 0; kx < dim[2]; kx++)
        values[((vector_of(d, c) * dim[1] + word) * dim[2] + kx) * unit + lane_of(d, c)] =
            weight_word(d, c, word, kx);
  return lower_constants(d->l, d->height == 4 ? "weight_bytes" : "weight_halves", I32, 4, dim, values);
}

/* ---- the padded copy of the input: elements + 128, or unchanged elements ---- */
/* Copies bytes of a pixel, four bytes per lane; pad: stores padding instead. Returns the number of bytes that
 * were copied. */
static int64_t store_words(const Depthwise *d, const Ix *y, const Ix *to, const Ix *x, bool pad) {
  Nest *b = d->l->b;
  Lower *l = d->l;
  const bool lifts = words_lift(d->finish.dot);
  const uint32_t zero = (uint32_t)(l->node->in[0]->quant->zero + words_lift(d->finish.dot)) & 0xffu;
  const int64_t bytes = d->k.large.c;
  int64_t done = 0;
  for (int lanes = l->target->lanes; lanes >= 4; lanes /= 2) {
    const int64_t count = (bytes - done) / (lanes * WORD_BYTES);
    if (count)
      NEST_FOR(b, v, count) {
        const Ix at = done + v * (lanes * WORD_BYTES);
        Val q = splat(lower_number(l, "padding", (int32_t)(zero * 0x01010101u)), lanes);
        if (!pad) q = nest_load_words(b, nest_at(b, l->in[0], *y - d->k.before[0], *x, at), lanes);
        if (!pad && lifts) q = nest_primitive(b, &primitive_bytes_up, q, NULL, NULL);
        nest_store_words(b, nest_at(b, d->rows, *y, *to, at), q);
      }
    done += count * lanes * WORD_BYTES;
  }
  return done;
}

static void store_numbers(const Depthwise *d, const Ix *y, const Ix *to, const Ix *x, int64_t done,
                          bool pad) {
  Nest *b = d->l->b;
  Lower *l = d->l;
  const int64_t c = d->k.large.c;
  const int32_t lift = words_lift(d->finish.dot);
  for (int lanes = l->target->lanes; lanes >= 1; lanes = lanes > 4 ? lanes / 2 : lanes - 3) {
    const int64_t count = (c - done) / lanes;
    if (count)
      NEST_FOR(b, v, count) {
        const Ix at = done + v * lanes;
        const Val q =
            pad ? lanes > 1 ? splat(int8_zero(l, 0), lanes) : int8_zero(l, 0)
                : convert(nest_load(b, nest_at(b, l->in[0], *y - d->k.before[0], *x, at), lanes), I32);
        nest_store(b, nest_at(b, d->rows, *y, *to, at),
                   convert(add(q, num_i32(b, lift)), d->rows->type.elem));
      }
    done += count * lanes;
  }
}

static void int8_depthwise_store_row(const Depthwise *d, const Ix *y, const Ix *from, int64_t n, bool pad) {
  Nest *b = d->l->b;
  NEST_FOR(b, x, n) {
    const Ix to = *from + x;
    store_numbers(d, y, &to, &x, d->copies_words ? store_words(d, y, &to, &x, pad) : 0, pad);
  }
}

static void fill_rows(const Depthwise *d, LoopKind outer) {
  Nest *b = d->l->b;
  const Correlation *k = &d->k;
  const int64_t rows = d->rows->dim[0], columns = d->rows->dim[1], top = smaller(k->before[0], rows),
                bottom = smaller(rows, top + k->large.h), left = smaller(k->before[1], columns),
                right = smaller(columns, left + k->large.w);
  const Ix zero = {0}, behind = zero + left, end = zero + right;
  NEST_FOR(b, y, top) int8_depthwise_store_row(d, &y, &zero, columns, true);
  NEST_LOOP(b, y, bottom - top > 1 ? outer : SERIAL, 1, NEST_IX(top), 1, NEST_IX(bottom)) {
    int8_depthwise_store_row(d, &y, &zero, left, true);
    int8_depthwise_store_row(d, &y, &behind, right - left, false);
    int8_depthwise_store_row(d, &y, &end, columns - right, true);
  }
  NEST_FROM(b, y, bottom, rows) int8_depthwise_store_row(d, &y, &zero, columns, true);
}

/* ---- a tile ---- */
typedef struct Tile {
  int pixels, part;
  Ix y, x, vector, lane, c;
  Buf *in; /* the input of the windows, from the top left corner of the first window on */
} Tile;

static Val int8_depthwise_element(const Depthwise *d, const Tile *t, int64_t ky, int64_t j) {
  Nest *b = d->l->b;
  const Ref at = nest_at(b, t->in, ky * d->k.dilation[0], j, 0);
  return convert(nest_load_part(b, at, t->part, d->lanes), I32);
}

/* Builds word number `word` of column j of the tile's input. */
static Val column_word(const Depthwise *d, const Tile *t, int64_t word, int64_t j) {
  Nest *b = d->l->b;
  const int64_t n = rows_of_word(d, word), first = word * d->height;
  if (n == 1) return int8_depthwise_element(d, t, first, j);
  Val made = splat(num_i32(b, 0), d->lanes);
  for (int64_t i = 0; i < n; i++)
    made = nest_primitive(b, d->height == 4 ? &primitive_push_byte : &primitive_push_half, made,
                          int8_depthwise_element(d, t, first + i, j), NULL);
  return made;
}

static void add_word(const Depthwise *d, const Tile *t, Buf *sum, int64_t word) {
  Nest *b = d->l->b;
  const int64_t S = d->k.stride[1], D = d->k.dilation[1], taps = d->k.kernel[1],
                columns = (t->pixels - 1) * S + (taps - 1) * D + 1;
  Val w[MOST_TAPS];
  for (int64_t kx = 0; kx < taps; kx++)
    w[kx] = nest_let(b, nest_text(b, "w%d", (int)kx),
                     nest_load(b, nest_at(b, d->weight, t->vector, word, kx, t->lane), d->lanes));
  for (int64_t j = 0; j < columns; j++) {
    Val x = NULL;
    for (int64_t kx = 0; kx < taps; kx++) {
      const int64_t from = j - kx * D;
      if (from < 0 || from % S || from / S >= t->pixels) continue;
      if (!x) x = nest_let(b, nest_text(b, "x%d", (int)j), column_word(d, t, word, j));
      const Ref to = nest_at(b, sum, from / S);
      nest_store(b, to, nest_primitive(b, words_dot(d->finish.dot, d->lanes), nest_get(b, to), x, w[kx]));
    }
  }
}

/* Declares the parameters of a tile function. */
static Tile tile_args(const Depthwise *d, int pixels, int part) {
  Nest *b = d->l->b;
  Tile t = {.pixels = pixels, .part = part};
  t.y = nest_arg(b, "y");
  t.x = nest_arg(b, "x0");
  t.vector = nest_arg(b, "f");
  t.lane = nest_arg(b, "h");
  t.c = nest_arg(b, "c");
  t.in = NEST_VIEW(b, "i", d->rows, t.y * d->k.stride[0], t.x * d->k.stride[1], t.c);
  nest_pin(b, t.in);
  return t;
}

static NestFn *int8_depthwise_tile_of(const Depthwise *d, int pixels, int part) {
  Nest *b = d->l->b;
  NestFn *fn = nest_fn(b, nest_text(b, "tile_%d%s", pixels, part < d->lanes ? "_part" : ""), true);
  const Tile t = tile_args(d, pixels, part);
  Buf *sum = nest_buf(b, REGS, "a", (Type){I32, d->lanes}, 1, (int64_t[]){pixels});
  NEST_UNROLL(b, p, pixels)
    nest_store(b, nest_at(b, sum, p), nest_load(b, nest_at(b, d->finish.bias, t.vector, t.lane), d->lanes));
  for (int64_t word = 0; word < d->words; word++) add_word(d, &t, sum, word);
  NEST_UNROLL(b, p, pixels) {
    const Ix x = t.x + p;
    lower_store(d->l, finish_vector(d->l, &d->finish, nest_get(b, nest_at(b, sum, p)), &t.vector, &t.lane),
                &t.y, &x, &t.c, part, d->lanes);
  }
  return fn;
}

/* ---- a tile of quads ---- */
/* Builds two vectors of words of column j of the tile's input. Lane i of x[0] has channel 4i, and lane i of
 * x[1] has channel 4i + 2; if `odd` is 1, these lanes have channels 4i + 1 and 4i + 3. */
static void column_words(const Depthwise *d, const Tile *t, int64_t word, int64_t j, int odd, Val x[2]) {
  Nest *b = d->l->b;
  const int64_t n = rows_of_word(d, word), first = word * d->height;
  const Primitive *two = odd ? &primitive_odd_of_two : &primitive_even_of_two;
  Val r[WORD_BYTES] = {NULL}, upper = NULL, lower;
  for (int64_t i = 0; i < n; i++) {
    const Ref at = nest_at(b, t->in, (first + i) * d->k.dilation[0], j, 0);
    r[i] =
        nest_let(b, nest_text(b, "r%d_%d_%d", (int)word, (int)j, (int)i), nest_load_words(b, at, d->lanes));
    if (d->height == 2) r[i] = words_half(b, nest_text(b, "h%d_%d_%d", (int)word, (int)j, (int)i), odd, r[i]);
  }
  lower = r[0];
  if (d->height == 2) upper = n > 1 ? r[1] : NULL;
  else {
    if (n > 1) lower = nest_primitive(b, two, r[0], r[1], NULL);
    if (n == 3) upper = odd ? nest_primitive(b, &primitive_push_byte, r[2], num_i32(b, 0), NULL) : r[2];
    if (n == 4) upper = nest_primitive(b, two, r[2], r[3], NULL);
  }
  lower = nest_let(b, nest_text(b, "lower%d_%d", (int)word, (int)j), lower);
  x[0] = x[1] = lower;
  if (!upper) return;
  upper = nest_let(b, nest_text(b, "upper%d_%d", (int)word, (int)j), upper);
  for (int i = 0; i < 2; i++)
    x[i] =
        nest_let(b, nest_text(b, "x%d_%d_%d", (int)word, (int)j, i),
                 nest_primitive(b, i ? &primitive_high_halves : &primitive_low_halves, lower, upper, NULL));
}

static void add_quad_word(const Depthwise *d, const Tile *t, Buf *sum, int64_t word, int odd) {
  Nest *b = d->l->b;
  const int64_t S = d->k.stride[1], D = d->k.dilation[1], taps = d->k.kernel[1],
                columns = (t->pixels - 1) * S + (taps - 1) * D + 1;
  Val w[2][MOST_TAPS];
  for (int i = 0; i < 2; i++)
    for (int64_t kx = 0; kx < taps; kx++)
      w[i][kx] = nest_let(
          b, nest_text(b, "w%d_%d", i, (int)kx),
          nest_load(b, nest_at(b, d->weight, t->vector + (odd + 2 * i), word, kx, t->lane), d->lanes));
  for (int64_t j = 0; j < columns; j++) {
    Val x[2] = {NULL, NULL};
    for (int64_t kx = 0; kx < taps; kx++) {
      const int64_t from = j - kx * D;
      if (from < 0 || from % S || from / S >= t->pixels) continue;
      if (!x[0]) column_words(d, t, word, j, odd, x);
      for (int i = 0; i < 2; i++) {
        const Ref to = nest_at(b, sum, from / S, i);
        nest_store(b, to,
                   nest_primitive(b, words_dot(d->finish.dot, d->lanes), nest_get(b, to), x[i], w[i][kx]));
      }
    }
  }
}

static NestFn *quad_tile_of(const Depthwise *d, int pixels) {
  Nest *b = d->l->b;
  NestFn *fn = nest_fn(b, nest_text(b, "tile_%d", pixels), true);
  const Tile t = tile_args(d, pixels, d->lanes);
  Buf *joined[2];
  for (int odd = 0; odd < 2; odd++) {
    if (odd) nest_pin(b, t.in); /* otherwise compilers keep the loaded values, and run out of registers */
    Buf *sum = nest_buf(b, REGS, odd ? "odd" : "even", (Type){I32, d->lanes}, 2, (int64_t[]){pixels, 2});
    joined[odd] =
        nest_buf(b, REGS, odd ? "odd_halves" : "even_halves", (Type){I32, d->lanes}, 1, (int64_t[]){pixels});
    const Ix vector[2] = {t.vector + odd, t.vector + odd + 2};
    NEST_UNROLL(b, p, pixels)
      for (int i = 0; i < 2; i++)
        nest_store(b, nest_at(b, sum, p, i),
                   nest_load(b, nest_at(b, d->finish.bias, vector[i], t.lane), d->lanes));
    for (int64_t word = 0; word < d->words; word++) add_quad_word(d, &t, sum, word, odd);
    NEST_UNROLL(b, p, pixels) {
      Val q[2];
      for (int i = 0; i < 2; i++)
        q[i] = finish_words(d->l, &d->finish, nest_get(b, nest_at(b, sum, p, i)), &vector[i], &t.lane);
      nest_store(b, nest_at(b, joined[odd], p), nest_primitive(b, &primitive_cut_halves, q[0], q[1], NULL));
    }
  }
  NEST_UNROLL(b, p, pixels) {
    const Ix x = t.x + p;
    nest_store_words(b, lower_at(d->l, d->l->out, &t.y, &x, &t.c),
                     nest_primitive(b, &primitive_cut_bytes, nest_get(b, nest_at(b, joined[0], p)),
                                    nest_get(b, nest_at(b, joined[1], p)), NULL));
  }
  return fn;
}

static void call_quads(const Depthwise *d, NestFn *fn, const Ix *y, const Ix *x) {
  Nest *b = d->l->b;
  const int64_t unit = d->finish.unit, steps = unit / d->lanes;
  NEST_FOR(b, v, d->k.s / (WORD_BYTES * unit))
    NEST_FOR(b, i, steps) {
      const Ix lane = i * d->lanes,
               args[5] = {*y, *x, v * WORD_BYTES, lane, v * (WORD_BYTES * unit) + lane * WORD_BYTES};
      nest_call_list(b, fn, 5, args);
    }
}

/* ---- all tiles ---- */
typedef struct Tiles {
  NestFn *fn[2][2]; /* [whole tiles, the rest of a row][whole vectors, the rest of the channels] */
} Tiles;

static void call_channels(const Depthwise *d, const Tiles *tiles, int rest, const Ix *y, const Ix *x) {
  Nest *b = d->l->b;
  if (d->finish.quads) {
    call_quads(d, tiles->fn[rest][0], y, x);
    return;
  }
  const int64_t unit = d->finish.unit, steps = unit / d->lanes, whole = d->k.s / unit,
                more = d->k.s % unit / d->lanes, lost = d->k.s % d->lanes;
  for (int part = 0; part < 3; part++) { /* whole units (Finish.unit); whole vectors; a partial vector */
    const int64_t units = part ? 1 : whole, count = part == 0 ? steps : part == 1 ? more : lost > 0;
    if (!count || !units) continue;
    NEST_FOR(b, v, units)
      NEST_FOR(b, i, count) {
        const Ix vector = part ? NEST_Z + whole : v, lane = (part == 2 ? NEST_Z + more : i) * d->lanes,
                 args[5] = {*y, *x, vector, lane, vector * unit + lane};
        nest_call_list(b, tiles->fn[rest][part == 2], 5, args);
      }
  }
}

static Tiles int8_depthwise_tiles_of(const Depthwise *d) {
  const int64_t rest = d->k.small.w % d->pixels;
  const int lost = (int)(d->k.s % d->lanes);
  Tiles tiles = {{{NULL}}};
  for (int r = 0; r < 2 && d->finish.quads; r++)
    if (!r || rest) tiles.fn[r][0] = quad_tile_of(d, r ? (int)rest : d->pixels);
  for (int r = 0; r < 2 && !d->finish.quads; r++)
    for (int part = 0; part < 2; part++)
      if ((!r || rest) && (part ? lost > 0 : d->k.s >= d->lanes))
        tiles.fn[r][part] = int8_depthwise_tile_of(d, r ? (int)rest : d->pixels, part ? lost : d->lanes);
  return tiles;
}

/* Chooses the number of pixels of a tile so that registers hold the sums, the weights of the taps of a row, a
 * word, and products. With quads, a pixel needs three registers (two sums, and the result of the even
 * channels), and a tap needs two weights. Five registers remain for the rows of a word and temporaries. */
static void choose_pixels(Depthwise *d) {
  const int registers = d->l->target->registers;
  const int64_t width = d->k.small.w, taps = d->k.kernel[1],
                most = d->finish.quads ? larger((registers - 2 * taps - 5) / 3, 4)
                                       : smaller(larger(registers - 3 - taps, 4), 14);
  d->pixels = (int)ceil_divide(width, ceil_divide(width, most));
}

/* Number of rows in a word. Words have the kind that the target's dot product reads. Words of the other kind
 * would have to be built byte by byte, which would cost more than their products save. */
static int64_t word_height(const Lower *l) { return l->target->dot == DOT_HALVES ? 2 : 4; }

static bool int8_depthwise_build(Lower *l) {
  const Int8Product *p = l->node->detail;
  const Dot dot = l->target->dot;
  const Correlation geometry = int8_geometry(l->node);
  Depthwise d = {.l = l, .p = p, .k = geometry, .height = word_height(l)};
  Correlation *k = &d.k;
  k->s = k->groups; /* treats all channels as one group */
  k->groups = 1;
  d.words = ceil_divide(k->kernel[0], d.height);
  const int unit = (int)direct_unit(l, k->s);
  const bool quads =
      l->target->lanes >= FEWEST_LANES && unit >= FEWEST_LANES && k->s % (WORD_BYTES * unit) == 0;
  d.finish = quads ? finish_quads(l, dot, p, k, unit) : finish_begin(l, dot, p, k, unit, false);
  d.lanes = (int)smaller(l->target->lanes, d.finish.unit);
  d.weight = int8_depthwise_packed_weights(&d);
  choose_pixels(&d);
  d.copies_words = !words_lift(dot) || k->large.c % (FEWEST_LANES * WORD_BYTES) == 0;
  d.rows = lower_scratch_of(
      l, "rows", words_lift(dot) && !d.copies_words ? U8 : I8, 3,
      (int64_t[]){(k->small.h - 1) * k->stride[0] + (k->kernel[0] - 1) * k->dilation[0] + 1,
                  (k->small.w - 1) * k->stride[1] + (k->kernel[1] - 1) * k->dilation[1] + 1, k->large.c});
  const Tiles tiles = int8_depthwise_tiles_of(&d);
  Nest *b = l->b;
  nest_fn(b, b->name, false);
  const LoopKind outer = schedule_outer(l, correlation_macs(&geometry));
  const int64_t rest = k->small.w % d.pixels, whole = k->small.w / d.pixels;
  fill_rows(&d, outer);
  NEST_LOOP(b, y, outer, 1, NEST_IX(0), 1, NEST_IX(k->small.h)) {
    NEST_FOR(b, t, whole) call_channels(&d, &tiles, 0, &y, NEST_IX(t * d.pixels));
    if (rest) call_channels(&d, &tiles, 1, &y, NEST_IX(whole * d.pixels));
  }
  lower_about(l, "int8, rounding %s, tiles of %d pixels x %d channels, products of %s",
              rounding_name(p->rounding), d.pixels, d.lanes, d.height == 4 ? "bytes" : "int16 pairs");
  return true;
}

/* ---- candidate ---- */
static bool int8_depthwise_takes(const Lower *l) {
  const Correlation k = int8_takes(l, &op_int8_product) ? int8_geometry(l->node) : (Correlation){0};
  return int8_by_channel(&k);
}

static const char *int8_depthwise_refused(const Lower *l, const Choice *choice) {
  const Correlation k = int8_geometry(l->node);
  (void)choice;
  if (k.kernel[1] > MOST_TAPS || k.kernel[0] * k.kernel[1] > MOST_UNROLLED)
    return "a window of too many taps";
  return int8_product_refused(l);
}

/* Estimate for tiles without quads: the words of each column are built element by element, and then
 * multiplied. */
static Cycles int8_depthwise_cycles(const Lower *l, const Target *target, const Choice *choice) {
  (void)target;
  (void)choice;
  const Correlation k = int8_geometry(l->node);
  const double columns = (double)(k.small.h * k.small.w * k.stride[1]) *
                         (double)ceil_divide(k.groups, smaller(l->target->lanes, direct_unit(l, k.groups))),
               words = (double)ceil_divide(k.kernel[0], word_height(l));
  return int8_cycles(l, &k, columns * words * (double)k.kernel[1] / (double)k.stride[1],
                     columns * (double)k.kernel[0]);
}

const Schedule schedule_int8_depthwise = {.name = "channels apart",
                                          .families = FAMILY_BIT(FAMILY_INT8),
                                          .takes = int8_depthwise_takes,
                                          .refused = int8_depthwise_refused,
                                          .cycles = int8_depthwise_cycles,
                                          .build = int8_depthwise_build};
