// int8_words.c: An int8 image as packed words, with padding around it.
// SPDX-License-Identifier: Apache-2.0
#include "schedule/int8/int8_words.h"
#include "base/number.h"

/* The kind of the layer's words. vpmaddubsw multiplies unsigned by signed bytes, and adds two products in
 * int16 with saturation. Layers whose absolute weights are at most 64 can use this instruction, because their
 * sums do not saturate: 2 * 255 * 64 < 2^15. */
Dot words_kind(const Lower *l) {
  enum { NARROW = 64 };
  const Int8Product *p = l->node->detail;
  const Dot own = l->target->dot;
  return own == DOT_HALVES && l->target->avx != AVX_NONE && !l->updatable && p->weight_most <= NARROW
             ? DOT_PAIRS
             : own;
}

/* Number of input positions along the axis, from the first to the last position that a window reads. */
static int64_t reached(const Correlation *k, int axis) {
  return (extent_side(k->small, axis) - 1) * k->stride[axis] + (k->kernel[axis] - 1) * k->dilation[axis] + 1;
}

/* Whether rows have no gaps between pixels, so that they can be viewed as [h][1][w*c]. */
static bool joins_pixels(const Buf *in) { return in->rank == 3 && in->room[2] == in->dim[2] && !in->flat; }

static void join_pixels(Lower *l) {
  Buf *in = l->in[0];
  if (!joins_pixels(in)) return;
  in->dim[2] *= in->dim[1];
  in->dim[1] = 1;
  for (int d = 0; d < 3; d++) in->room[d] = in->dim[d];
}

static Words words_in_rows(Lower *l, const Correlation *k) {
  const Dot dot = words_kind(l);
  Words w = {.dot = dot,
             .planes = dot == DOT_HALVES ? 2 : 1,
             .rows = reached(k, 0),
             .columns = reached(k, 1),
             .group = ceil_divide(k->l, WORD_BYTES),
             .before = {k->before[0], k->before[1]},
             .in = k->large,
             .channels = k->l};
  w.pixel = w.step = w.group * k->groups;
  w.unit = 1;
  join_pixels(l);
  return w;
}

Words words_begin(Lower *l, const Correlation *k) {
  Words w = words_in_rows(l, k);
  w.buf = lower_scratch_of(l, "words", I32, 3, (int64_t[]){w.planes, w.rows, w.columns * w.pixel});
  return w;
}

Words words_in_line(Lower *l, const Correlation *k, int64_t spare) {
  Words w = words_in_rows(l, k);
  w.pitch = w.columns;
  w.buf =
      lower_scratch_of(l, "words", I32, 3, (int64_t[]){w.planes, 1, (w.rows * w.columns + spare) * w.pixel});
  return w;
}

/* Position of the first byte of window x in a row of the input. */
static int64_t window_begin(const Words *w, int64_t x) {
  return (x * w->stride - w->before[1]) * w->channels;
}

/* Sets `from` and `to`: the words of the windows n with *from <= n < *to are entirely inside a row. */
static void windows_inside(const Words *w, int64_t *from, int64_t *to) {
  const int64_t bytes = w->in.w * w->channels;
  for (*from = 0; *from < w->columns && window_begin(w, *from) < 0;) ++*from;
  for (*to = w->columns; *to > *from && window_begin(w, *to - 1) + w->pixel * WORD_BYTES > bytes;) --*to;
}

static Words window_words(const Lower *l, const Correlation *k) {
  const int64_t bytes = k->kernel[1] * k->l, words = ceil_divide(bytes, WORD_BYTES);
  const Dot dot = words_kind(l);
  const bool halves = dot == DOT_HALVES;
  return (Words){.dot = dot,
                 .planes = halves ? 2 : 1,
                 .rows = reached(k, 0),
                 .columns = k->small.w,
                 .group = words,
                 .pixel = words,
                 .step = halves ? words : k->stride[1] * k->l,
                 .unit = halves ? 1 : WORD_BYTES,
                 .before = {k->before[0], k->before[1]},
                 .in = k->large,
                 .channels = k->l,
                 .window = bytes,
                 .stride = k->stride[1]};
}

bool words_see_windows(const Lower *l, const Correlation *k) {
  /* MOST_WORDS: maximum number of words at the edges, which have separate code; FEWEST_BYTES: minimum number
   * of bytes in a row. */
  enum { MOST_WORDS = 32, FEWEST_BYTES = 16 };
  if (k->groups > 1 || k->dilation[1] > 1 || !joins_pixels(l->in[0])) return false;
  const Words w = window_words(l, k);
  int64_t from, to;
  const int64_t words =
      k->kernel[1] *
      ceil_divide(k->l, WORD_BYTES); /* number of words for the pixels of one row of a window */
  if (w.unit == WORD_BYTES)
    return w.pixel <= words && k->l % WORD_BYTES && w.in.w * w.channels >= FEWEST_BYTES;
  if (w.pixel >= words) return false;
  windows_inside(&w, &from, &to);
  return (w.columns - (to - from)) * w.pixel <= MOST_WORDS;
}

Words words_of_windows(Lower *l, const Correlation *k) {
  Words w = window_words(l, k);
  const int64_t all =
      (w.columns - 1) * w.step + w.pixel * w.unit; /* number of elements in a row of the copy */
  join_pixels(l);
  w.buf = w.unit == 1
              ? lower_scratch_of(l, "words", I32, 3, (int64_t[]){w.planes, w.rows, all})
              : lower_scratch_of(l, "rows", I8, 3,
                                 (int64_t[]){1, w.rows, larger(all, (w.before[1] + w.in.w) * w.channels)});
  return w;
}

Val words_half(Nest *b, const char *name, int odd, Val bytes) {
  return nest_let(b, name,
                  nest_primitive(b, odd ? &primitive_odd_bytes : &primitive_even_bytes, bytes, NULL, NULL));
}

Ref words_at(Nest *b, const Words *w, int plane, const Ix *y, const Ix *at) {
  return w->pitch ? nest_at(b, w->buf, plane, 0, *y * (w->pitch * w->pixel) + *at)
                  : nest_at(b, w->buf, plane, *y, *at);
}

/* ---- stores ---- */
static void int8_store_words(Lower *l, const Words *w, Val bytes, const Ix *y, const Ix *at) {
  Nest *b = l->b;
  if (w->planes == 1) {
    nest_store(b, words_at(b, w, 0, y, at),
               words_lift(w->dot) ? nest_primitive(b, &primitive_bytes_up, bytes, NULL, NULL) : bytes);
    return;
  }
  const Val four = nest_let(b, "four", bytes);
  nest_store(b, words_at(b, w, 0, y, at), nest_primitive(b, &primitive_even_bytes, four, NULL, NULL));
  nest_store(b, words_at(b, w, 1, y, at), nest_primitive(b, &primitive_odd_bytes, four, NULL, NULL));
}

/* Processes n adjacent words of a row, in the widest possible vectors. A step processes `lanes` words, from
 * word `at` on. */
typedef void Step(Lower *, const Words *, const Ix *y, const Ix *at, int lanes, const void *context);
static void each_vector(Lower *l, const Words *w, const Ix *y, int64_t n, Step *step, const void *context) {
  Nest *b = l->b;
  int64_t done = 0;
  for (int lanes = l->target->lanes; lanes >= 1; lanes = lanes > 4 ? lanes / 2 : lanes - 3) {
    const int64_t count = (n - done) / lanes;
    if (count)
      NEST_FOR(b, i, count) {
        const Ix at = done + lanes * i;
        step(l, w, y, &at, lanes, context);
      }
    done += count * lanes;
  }
}

static void pad_step(Lower *l, const Words *w, const Ix *y, const Ix *at, int lanes, const void *context) {
  Nest *b = l->b;
  const uint32_t zero = (uint32_t)(l->node->in[0]->quant->zero + words_lift(w->dot));
  const int32_t value = (int32_t)(w->planes == 1 ? (zero & 255) * 0x01010101u : (zero & 65535) | zero << 16);
  for (int plane = 0; plane < w->planes; plane++)
    nest_store(b, words_at(b, w, plane, y, NEST_IX(*at + *(const int64_t *)context)),
               lanes > 1 ? splat(lower_number(l, "padding", value), lanes)
                         : lower_number(l, "padding", value));
}

/* In a row, stores elements that represent 0 in the columns x with from <= x < to. */
static void pad_columns(Lower *l, const Words *w, const Ix *y, int64_t from, int64_t to) {
  const int64_t at = from * w->pixel;
  if (from < to) each_vector(l, w, y, (to - from) * w->pixel, pad_step, &at);
}

/* ---- the columns of the copy that are inside the input ---- */
static void copy_step(Lower *l, const Words *w, const Ix *y, const Ix *at, int lanes, const void *context) {
  Nest *b = l->b;
  const Val bytes = nest_load_words(b, nest_at(b, l->in[0], *y - w->before[0], 0, *at * WORD_BYTES), lanes);
  int8_store_words(l, w, bytes, y, NEST_IX(*at + *(const int64_t *)context));
}

/* Reference to element c of pixel (y, x) of the input, where y includes the padding above the input. */
static Ref byte_at(Lower *l, const Words *w, const Ix *y, const Ix *x, int64_t c) {
  Nest *b = l->b;
  const int64_t all = w->in.c;
  return l->in[0]->dim[1] == 1 ? nest_at(b, l->in[0], *y - w->before[0], 0, *x * all + c)
                               : nest_at(b, l->in[0], *y - w->before[0], *x, NEST_Z + c);
}

/* Loads a word: the channels from c on, at most four. n: number of channels from c to the last channel of the
 * group. beyond: the word may include bytes after this last channel, because their weights are 0. */
static Val word_of(Lower *l, const Words *w, const Ix *y, const Ix *x, int64_t c, int64_t n, bool beyond) {
  Nest *b = l->b;
  if (beyond || n >= WORD_BYTES) return nest_load_words(b, byte_at(l, w, y, x, c), 1);
  Val word = num_i32(b, 0);
  for (int64_t i = 0; i < WORD_BYTES; i++) {
    const Val q = i < n ? convert(nest_load(b, byte_at(l, w, y, x, c + i), 1), I32) : num_i32(b, 0);
    word = nest_primitive(b, &primitive_push_byte, word, q, NULL);
  }
  return word;
}

static void copy_pixel(Lower *l, const Words *w, const Ix *y, const Ix *x, bool beyond) {
  for (int64_t i = 0; i < w->pixel; i++) {
    const int64_t g = i / w->group, c = i % w->group * WORD_BYTES;
    int8_store_words(l, w, word_of(l, w, y, x, g * w->channels + c, w->channels - c, beyond), y,
                     NEST_IX((*x + w->before[1]) * w->pixel + i));
  }
}

static void copy_columns(Lower *l, const Words *w, const Ix *y, int64_t count) {
  Nest *b = l->b;
  const int64_t at = w->before[1] * w->pixel, over = w->group * WORD_BYTES - w->channels;
  const bool joined = l->in[0]->dim[1] == 1;
  if (joined && !over) {
    each_vector(l, w, y, count * w->pixel, copy_step, &at);
    return;
  }
  const int64_t last = joined ? larger(0, smaller(count, w->in.w - ceil_divide(over, w->in.c))) : 0;
  NEST_FOR(b, x, last) copy_pixel(l, w, y, &x, true);
  NEST_FROM(b, x, last, count) copy_pixel(l, w, y, &x, false);
}

/* A word at an edge of the row: missing elements represent 0. */
static Val edge_word(Lower *l, const Words *w, const Ix *y, int64_t begin) {
  Nest *b = l->b;
  Val word = num_i32(b, 0);
  for (int64_t at = begin; at < begin + WORD_BYTES; at++) {
    const Val q = at >= 0 && at < w->in.w * w->channels
                      ? convert(nest_load(b, nest_at(b, l->in[0], *y - w->before[0], 0, NEST_Z + at), 1), I32)
                      : int8_zero(l, 0);
    word = nest_primitive(b, &primitive_push_byte, word, q, NULL);
  }
  return word;
}

static void copy_windows(Lower *l, const Words *w, const Ix *y) {
  Nest *b = l->b;
  int64_t from, to;
  windows_inside(w, &from, &to);
  for (int64_t x = 0; x < w->columns; x++) {
    if (x == from) x = to;
    if (x < w->columns)
      for (int64_t i = 0; i < w->pixel; i++)
        int8_store_words(l, w, edge_word(l, w, y, window_begin(w, x) + i * WORD_BYTES), y,
                         NEST_IX(x * w->pixel + i));
  }
  NEST_FROM(b, x, from, to)
    for (int64_t i = 0; i < w->pixel; i++) {
      const Ref at = nest_at(b, l->in[0], *y - w->before[0], 0,
                             (x * w->stride - w->before[1]) * w->channels + i * WORD_BYTES);
      int8_store_words(l, w, nest_load_words(b, at, 1), y, NEST_IX(x * w->pixel + i));
    }
}

/* ---- rows of bytes ---- */
static void pad_bytes(Lower *l, const Words *w, const Ix *y, int64_t from, int64_t to) {
  Nest *b = l->b;
  const int32_t zero = l->node->in[0]->quant->zero;
  const int32_t byte = words_lift(w->dot)
                           ? zero ^ INT8_MIN
                           : zero; /* the padding is converted like the input (primitive bytes_up) */
  if (from < to)
    NEST_FOR(b, i, to - from)
      nest_store(b, nest_at(b, w->buf, 0, *y, from + i), convert(lower_number(l, "padding_byte", byte), I8));
}

/* Copies the bytes of a row in vectors. If the bytes do not fill whole vectors, the last vector overlaps the
 * previous one. */
static void copy_bytes(Lower *l, const Words *w, const Ix *y) {
  Nest *b = l->b;
  const int64_t bytes = w->in.w * w->channels, left = w->before[1] * w->channels;
  int lanes = l->target->lanes;
  while (lanes * WORD_BYTES > bytes) lanes /= 2;
  const int64_t block = lanes * WORD_BYTES;
  for (int rest = 0; rest < 1 + (bytes % block > 0); rest++)
    NEST_FOR(b, n, rest ? 1 : bytes / block) {
      const Ix at = rest ? NEST_Z + (bytes - block) : n * block;
      const Val q = nest_load_words(b, nest_at(b, l->in[0], *y - w->before[0], 0, at), lanes);
      nest_store_words(b, nest_at(b, w->buf, 0, *y, left + at),
                       words_lift(w->dot) ? nest_primitive(b, &primitive_bytes_up, q, NULL, NULL) : q);
    }
}

static void fill_bytes(Lower *l, const Words *w, const Ix *y) {
  pad_bytes(l, w, y, 0, w->before[1] * w->channels);
  copy_bytes(l, w, y);
  pad_bytes(l, w, y, (w->before[1] + w->in.w) * w->channels, w->buf->dim[2]);
}

static void pad_row(Lower *l, const Words *w, const Ix *y) {
  if (w->unit == 1) pad_columns(l, w, y, 0, w->columns);
  else pad_bytes(l, w, y, 0, w->buf->dim[2]);
}

void words_fill(Lower *l, const Words *w, LoopKind outer) {
  Nest *b = l->b;
  const int64_t top = smaller(w->before[0], w->rows), bottom = smaller(w->rows, top + w->in.h),
                left = smaller(w->before[1], w->columns), right = smaller(w->columns, left + w->in.w);
  NEST_FOR(b, y, top) pad_row(l, w, &y);
  NEST_LOOP(b, y, bottom - top > 1 ? outer : SERIAL, 1, NEST_IX(top), 1, NEST_IX(bottom)) {
    if (w->unit > 1) {
      fill_bytes(l, w, &y);
    } else if (w->window) {
      copy_windows(l, w, &y);
    } else {
      pad_columns(l, w, &y, 0, left);
      copy_columns(l, w, &y, right - left);
      pad_columns(l, w, &y, right, w->columns);
    }
  }
  NEST_FROM(b, y, bottom, w->rows) pad_row(l, w, &y);
  if (w->pitch) pad_columns(l, w, NEST_IX(w->rows), 0, w->buf->dim[2] / w->pixel - w->rows * w->columns);
}

/* ---- weights ---- */
static int32_t words_weight(const Int8Product *p, const Correlation *k, int64_t filter, int64_t tap,
                            int64_t c) {
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
        values[((vector * taps + t) * group + c) * unit + lane] = words_weight(p, k, f, t, c * WORD_BYTES);
  }
  return lower_constants(l, nest_text(l->b, "weight_words%s", suffix), I32, 4, dim, values);
}

/* ---- sums of words ---- */
Val halves_plus(Val a, Val b) { return nest_primitive(a->nest, &primitive_add_halves, a, b, NULL); }

Val halves_minus(Val a, Val b) { return nest_primitive(a->nest, &primitive_sub_halves, a, b, NULL); }

/* a + (b << shift) */
static Val wrapped_shifted(Val a, Val b, int shift) {
  return nest_primitive(a->nest, &primitive_wrap_sum, a, b, num_i32(a->nest, shift));
}

Val wrapped_plus(Val a, Val b) { return wrapped_shifted(a, b, 0); }

Val wrapped_minus(Val a, Val b) { return nest_primitive(a->nest, &primitive_wrap_difference, a, b, NULL); }

void winograd_split_halves(Nest *b, Val v[6], const Val d[6]) {
  const Val p = nest_let(b, "p", halves_minus(d[4], d[2])), q = nest_let(b, "q", halves_minus(d[3], d[1])),
            q2 = nest_let(b, "q2", halves_plus(q, q)), e = nest_let(b, "e", halves_minus(d[0], d[2])),
            s = nest_let(b, "s", halves_plus(d[1], d[2])), t = nest_let(b, "t", halves_minus(d[1], d[2])),
            e2 = nest_let(b, "e2", halves_plus(e, e)), s2 = nest_let(b, "s2", halves_plus(s, s)),
            t2 = nest_let(b, "t2", halves_plus(t, t));
  v[0] = halves_plus(halves_plus(e2, e2), p);
  v[1] = halves_minus(halves_plus(d[3], d[4]), halves_plus(s2, s2));
  v[2] = halves_plus(halves_minus(d[4], d[3]), halves_plus(t2, t2));
  v[3] = halves_plus(p, q2);
  v[4] = halves_minus(p, q2);
  v[5] = halves_minus(halves_minus(d[5], d[3]), halves_plus(q2, q2));
}

void winograd_join_words(Nest *b, Val y[4], const Val m[6]) {
  const Val a = nest_let(b, "a", wrapped_plus(m[1], m[2])), s = nest_let(b, "s", wrapped_minus(m[1], m[2])),
            c = nest_let(b, "c", wrapped_plus(m[3], m[4])), d = nest_let(b, "d", wrapped_minus(m[3], m[4]));
  y[0] = wrapped_plus(wrapped_plus(m[0], a), c);
  y[1] = wrapped_shifted(s, d, 1);
  y[2] = wrapped_shifted(a, c, 2);
  y[3] = wrapped_shifted(wrapped_shifted(s, d, 3), m[5], 2);
}
