// int8_depthwise.c: a convolution of each channel alone, in 8 bits: a channel is a lane.
// SPDX-License-Identifier: Apache-2.0
//
// A word of each channel holds elements of one column, from rows that lie under each other in the window: 4
// bytes, or 2 halves. Every window that sees the column multiplies the same word. As a tile of pixels goes
// along the row, the words of a column are made, and multiplied by all taps that meet it. The input is copied
// with its padding first.
#include "base/number.h"
#include "schedule/direct.h"
#include "schedule/int8_words.h"

enum { MOST_TAPS = 16, MOST_UNROLLED = 256 }; /* along a row; of a window */

typedef struct Depthwise {
  Lower *l;
  const Int8Product *p;
  Correlation k;
  Finish finish;
  Buf *rows, *weight;
  int64_t height, words; /* rows of a word; words of a column of the window */
  int lanes, pixels;
} Depthwise;

/* Rows of a word. They are its last elements, for the last one was pushed last; a single one is its first. */
static int64_t rows_of_word(const Depthwise *d, int64_t word) {
  return smaller(d->height, d->k.kernel[0] - word * d->height);
}

static int32_t weight_word(const Depthwise *d, int64_t channel, int64_t word, int64_t kx) {
  const int64_t n = rows_of_word(d, word), bits = 32 / d->height, first = n > 1 ? d->height - n : 0;
  const uint32_t mask = (UINT32_C(1) << bits) - 1;
  uint32_t made = 0;
  for (int64_t i = 0; i < n; i++) {
    const int64_t ky = word * d->height + i;
    const int8_t w = d->p->weight[(channel * d->k.kernel[0] + ky) * d->k.kernel[1] + kx];
    made |= ((uint32_t)(int32_t)w & mask) << bits * (first + i);
  }
  return (int32_t)made;
}

static Buf *packed_weights(const Depthwise *d) {
  const int64_t unit = d->finish.unit, dim[4] = {d->finish.vectors, d->words, d->k.kernel[1], unit};
  int32_t *values = NEW_ARRAY(d->l->arena, int32_t, dim[0] * dim[1] * dim[2] * dim[3]);
  for (int64_t c = 0; c < d->k.s; c++)
    for (int64_t word = 0; word < dim[1]; word++)
      for (int64_t kx = 0; kx < dim[2]; kx++)
        values[((c / unit * dim[1] + word) * dim[2] + kx) * unit + c % unit] = weight_word(d, c, word, kx);
  return lower_constants(d->l, d->height == 4 ? "weight_bytes" : "weight_halves", I32, 4, dim, values);
}

/* ---- the input with its padding: bytes + 128, or as they are ---- */
/* Bytes as they are, four a lane, of a pixel: how many of its channels there are so. */
static int64_t store_words(const Depthwise *d, const Ix *y, const Ix *to, const Ix *x, bool pad) {
  Nest *b = d->l->b;
  Lower *l = d->l;
  const int lanes = l->target->lanes;
  const int64_t bytes = (int64_t)lanes * WORD_BYTES,
                count = words_lift(d->finish.dot) ? 0 : d->k.large.c / bytes;
  const uint32_t zero = (uint32_t)l->node->in[0]->quant->zero & 0xffu;
  if (lanes < 4 || !count) return 0;
  NEST_FOR(b, v, count) {
    const Ix at = v * bytes;
    nest_store_words(b, nest_at(b, d->rows, *y, *to, at),
                     pad ? splat(num_i32(b, (int32_t)(zero * 0x01010101u)), lanes)
                         : nest_load_words(b, nest_at(b, l->in[0], *y - d->k.before[0], *x, at), lanes));
  }
  return count * bytes;
}

static void store_row(const Depthwise *d, const Ix *y, const Ix *from, int64_t n, bool pad) {
  Nest *b = d->l->b;
  Lower *l = d->l;
  const int64_t c = d->k.large.c;
  const int32_t lift = words_lift(d->finish.dot), zero = l->node->in[0]->quant->zero;
  const Elem elem = d->rows->type.elem;
  NEST_FOR(b, x, n) {
    const Ix to = *from + x;
    int64_t done = store_words(d, y, &to, &x, pad);
    for (int lanes = l->target->lanes; lanes >= 1; lanes = lanes > 4 ? lanes / 2 : lanes - 3) {
      const int64_t count = (c - done) / lanes;
      if (count)
        NEST_FOR(b, v, count) {
          const Ix at = done + v * lanes;
          const Val q =
              pad ? lanes > 1 ? splat(num_i32(b, zero), lanes) : num_i32(b, zero)
                  : convert(nest_load(b, nest_at(b, l->in[0], *y - d->k.before[0], x, at), lanes), I32);
          nest_store(b, nest_at(b, d->rows, *y, to, at), convert(add(q, num_i32(b, lift)), elem));
        }
      done += count * lanes;
    }
  }
}

static void fill_rows(const Depthwise *d, LoopKind outer) {
  Nest *b = d->l->b;
  const Correlation *k = &d->k;
  const int64_t rows = d->rows->dim[0], columns = d->rows->dim[1], top = smaller(k->before[0], rows),
                bottom = smaller(rows, top + k->large.h), left = smaller(k->before[1], columns),
                right = smaller(columns, left + k->large.w);
  const Ix zero = {0}, behind = zero + left, end = zero + right;
  NEST_FOR(b, y, top) store_row(d, &y, &zero, columns, true);
  NEST_LOOP(b, y, bottom - top > 1 ? outer : SERIAL, 1, NEST_IX(top), 1, NEST_IX(bottom)) {
    store_row(d, &y, &zero, left, true);
    store_row(d, &y, &behind, right - left, false);
    store_row(d, &y, &end, columns - right, true);
  }
  NEST_FROM(b, y, bottom, rows) store_row(d, &y, &zero, columns, true);
}

/* ---- a tile ---- */
typedef struct Tile {
  int pixels, part;
  Ix y, x, vector, lane, c;
  Buf *in; /* what the windows see, from the first one's corner on */
} Tile;

static Val element(const Depthwise *d, const Tile *t, int64_t ky, int64_t j) {
  Nest *b = d->l->b;
  const Ref at = nest_at(b, t->in, ky * d->k.dilation[0], j, 0);
  return convert(nest_load_part(b, at, t->part, d->lanes), I32);
}

/* Column j of the tile's input. */
static Val column_word(const Depthwise *d, const Tile *t, int64_t word, int64_t j) {
  Nest *b = d->l->b;
  const int64_t n = rows_of_word(d, word), first = word * d->height;
  if (n == 1) return element(d, t, first, j);
  Val made = splat(num_i32(b, 0), d->lanes);
  for (int64_t i = 0; i < n; i++)
    made = nest_primitive(b, d->height == 4 ? &primitive_push_byte : &primitive_push_half, made,
                          element(d, t, first + i, j), NULL);
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

static NestFn *tile_of(const Depthwise *d, int pixels, int part) {
  Nest *b = d->l->b;
  NestFn *fn = nest_fn(b, nest_text(b, "tile_%d%s", pixels, part < d->lanes ? "_part" : ""), true);
  Tile t = {.pixels = pixels, .part = part};
  t.y = nest_arg(b, "y");
  t.x = nest_arg(b, "x0");
  t.vector = nest_arg(b, "f");
  t.lane = nest_arg(b, "h");
  t.c = nest_arg(b, "c");
  t.in = NEST_VIEW(b, "i", d->rows, t.y * d->k.stride[0], t.x * d->k.stride[1], t.c);
  nest_pin(b, t.in);
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

/* ---- all tiles ---- */
typedef struct Tiles {
  NestFn *fn[2][2]; /* whole pixels or the rest of a row; whole vectors or the rest of channels */
} Tiles;

static void call_channels(const Depthwise *d, const Tiles *tiles, int rest, const Ix *y, const Ix *x) {
  Nest *b = d->l->b;
  const int64_t unit = d->finish.unit, steps = unit / d->lanes, whole = d->k.s / unit,
                more = d->k.s % unit / d->lanes, lost = d->k.s % d->lanes;
  for (int part = 0; part < 3; part++) { /* whole units, vectors of the last one, the rest of a vector */
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

static Tiles tiles_of(const Depthwise *d) {
  const int64_t rest = d->k.small.w % d->pixels;
  const int lost = (int)(d->k.s % d->lanes);
  Tiles tiles = {{{NULL}}};
  for (int r = 0; r < 2; r++)
    for (int part = 0; part < 2; part++)
      if ((!r || rest) && (part ? lost > 0 : d->k.s >= d->lanes))
        tiles.fn[r][part] = tile_of(d, r ? (int)rest : d->pixels, part ? lost : d->lanes);
  return tiles;
}

bool schedule_int8_depthwise(Lower *l, const Correlation *geometry) {
  const Int8Product *p = l->node->detail;
  const Dot dot = l->target->dot; /* to push bytes into a word costs more than their products save */
  Depthwise d = {.l = l, .p = p, .k = *geometry, .height = dot == DOT_HALVES ? 2 : 4};
  Correlation *k = &d.k;
  if (k->kernel[1] > MOST_TAPS || k->kernel[0] * k->kernel[1] > MOST_UNROLLED) return false;
  k->s = k->groups; /* one group, as far as channels are concerned */
  k->groups = 1;
  d.words = ceil_divide(k->kernel[0], d.height);
  d.finish = finish_begin(l, dot, p, k, (int)direct_unit(l, k->s), false);
  d.lanes = (int)smaller(l->target->lanes, d.finish.unit);
  d.weight = packed_weights(&d);
  const int64_t width = k->small.w, /* sums; the weights of a row of words, a word, products */
      most = smaller(larger(l->target->registers - 3 - k->kernel[1], 4), 14);
  d.pixels = (int)ceil_divide(width, ceil_divide(width, most));
  d.rows = lower_scratch_of(
      l, "rows", words_lift(dot) ? U8 : I8, 3,
      (int64_t[]){(k->small.h - 1) * k->stride[0] + (k->kernel[0] - 1) * k->dilation[0] + 1,
                  (k->small.w - 1) * k->stride[1] + (k->kernel[1] - 1) * k->dilation[1] + 1, k->large.c});
  const Tiles tiles = tiles_of(&d);
  Nest *b = l->b;
  nest_fn(b, b->name, false);
  const LoopKind outer = schedule_outer(l, correlation_macs(geometry));
  const int64_t rest = width % d.pixels, whole = width / d.pixels;
  fill_rows(&d, outer);
  NEST_LOOP(b, y, outer, 1, NEST_IX(0), 1, NEST_IX(k->small.h)) {
    NEST_FOR(b, t, whole) call_channels(&d, &tiles, 0, &y, NEST_IX(t * d.pixels));
    if (rest) call_channels(&d, &tiles, 1, &y, NEST_IX(whole * d.pixels));
  }
  lower_about(l, "8 bits, rounding %s, tiles of %d pixels x %d channels, products of %s",
              rounding_name(p->rounding), d.pixels, d.lanes, d.height == 4 ? "bytes" : "halves");
  return true;
}
