// int8_table.c: Unary functions as tables of 256 values or, if they are linear, without a table.
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "kernel/walk.h"
#include "ops/int8/int8.h"

static void eval(const Eval *eval) {
  const Int8Table *t = eval->node->detail;
  const int64_t n = shape_row_elements(eval->node->shape), channels = shape_extent(eval->node->shape).c;
  for (int64_t i = 0; i < n; i++)
    eval->out[i] = t->value[t->channels > 1 ? i % channels : 0][(int)eval->in[0][i] - INT8_MIN];
}

/* ---- linear functions, such as normalize: vectorized, without a table ---- */
enum { LINE_BITS = 16, MOST_LINES = 16, MOST_SLOPE = 1 << 23, MOST_TRIED = 1024 };

/* (q * slope + start) / 2^LINE_BITS, rounded down, then clamped to int8. */
typedef struct Line {
  int32_t slope, start;
} Line;

/* Whether there is a `start` with which the line equals the whole table. Each value restricts `start` to a
 * range. */
static bool line_starts(const int8_t value[256], int64_t slope, Line *line) {
  const int64_t one = INT64_C(1) << LINE_BITS;
  int64_t least = INT32_MIN / 2, most = INT32_MAX / 2;
  for (int q = INT8_MIN; q <= INT8_MAX; q++) {
    const int64_t v = value[q - INT8_MIN], at = q * slope;
    if (v > INT8_MIN) least = larger(least, v * one - at);
    if (v < INT8_MAX) most = smaller(most, (v + 1) * one - 1 - at);
    if (least > most) return false;
  }
  *line = (Line){(int32_t)slope, (int32_t)least};
  return true;
}

/* Finds a line that equals the whole table. Its slope is close to the slope between two points: the last q
 * with the first value, and the first q with the last value. */
static bool line_of(const int8_t value[256], Line *line) {
  int from = 0, to = 255;
  while (from < 255 && value[from + 1] == value[0]) from++;
  while (to > 0 && value[to - 1] == value[255]) to--;
  if (from >= to) return line_starts(value, 0, line);
  const int64_t rise = value[to] - value[from], one = INT64_C(1) << LINE_BITS,
                least = (rise - 1) * one / (to - from), most = (rise + 1) * one / (to - from),
                step = larger(1, (most - least) / MOST_TRIED);
  for (int64_t slope = least; slope <= most; slope += step)
    if (slope > -MOST_SLOPE && slope < MOST_SLOPE && line_starts(value, slope, line)) return true;
  return false;
}

static bool is_straight_line(const Int8Table *t, Line *line) {
  if (t->channels > MOST_LINES) return false;
  for (int64_t c = 0; c < t->channels; c++)
    if (!line_of(t->value[c], &line[c])) return false;
  return true;
}

static Val on_line(Lower *l, Val q, Val slope, Val start) {
  Nest *b = l->b;
  const Val sum = add(mul(q, slope), start),
            v = nest_primitive(b, &primitive_shift_right, sum, num_i32(b, LINE_BITS), NULL);
  return convert(vmax(vmin(v, num_i32(b, INT8_MAX)), num_i32(b, INT8_MIN)), I8);
}

/* Tables of the channels' lines, repeated until their length is a multiple of the lanes, because a vector may
 * contain several pixels. */
typedef struct Turns {
  Buf *slope, *start;
  int64_t length; /* of each table; 1: all channels have the same line */
} Turns;

static void line_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                      const void *context) {
  Nest *b = l->b;
  const Turns *line = context;
  const Ix none = {0};
  const Val q = int8_load_part(l, l->in[0], y, x, c, part, lanes);
  lower_store(l,
              on_line(l, q, nest_load(b, nest_at(b, line->slope, none), 1),
                      nest_load(b, nest_at(b, line->start, none), 1)),
              y, x, c, part, lanes);
}

static Turns turns_of(Lower *l, const Line *line, int64_t channels) {
  Turns turns = {.length = channels};
  while (channels > 1 && turns.length % l->target->lanes) turns.length += channels;
  int32_t *slope = NEW_ARRAY(l->arena, int32_t, turns.length),
          *start = NEW_ARRAY(l->arena, int32_t, turns.length);
  for (int64_t i = 0; i < turns.length; i++) {
    slope[i] = line[i % channels].slope;
    start[i] = line[i % channels].start;
  }
  const char *text = nest_text(l->b, "%d", (int)turns.length);
  turns.slope = lower_constants(l, nest_text(l->b, "slope%s", text), I32, 1, &turns.length, slope);
  turns.start = lower_constants(l, nest_text(l->b, "start%s", text), I32, 1, &turns.length, start);
  return turns;
}

static void turn(Lower *l, const Turns *turns, const Ix *y, const Ix *at, const Ix *place, int lanes) {
  Nest *b = l->b;
  const Ix none = {0};
  const Val q = int8_load_part(l, l->in[0], y, &none, at, lanes, lanes);
  lower_store(l,
              on_line(l, q, nest_load(b, nest_at(b, turns->slope, *place), lanes),
                      nest_load(b, nest_at(b, turns->start, *place), lanes)),
              y, &none, at, lanes, lanes);
}

static void lower_turns(Lower *l, const Turns *turns, Extent e) {
  Nest *b = l->b;
  const int64_t lanes = l->target->lanes, whole = e.c / turns->length;
  NEST_LOOP(b, y, walk_rows(l, e.h * e.c), 1, NEST_IX(0), 1, NEST_IX(e.h)) {
    if (whole)
      NEST_FOR(b, n, whole)
        for (int64_t i = 0; i < turns->length; i += lanes)
          turn(l, turns, &y, NEST_IX(n * turns->length + i), NEST_IX(i), (int)lanes);
    if (e.c % turns->length)
      NEST_FOR(b, i, e.c % turns->length) turn(l, turns, &y, NEST_IX(whole * turns->length + i), &i, 1);
  }
}

static bool lower_lines(Lower *l) {
  Nest *b = l->b;
  const Int8Table *t = l->node->detail;
  Line line[MOST_LINES];
  if (l->plain || l->updatable || l->target->lanes == 1 || !is_straight_line(t, line)) return false;
  const Extent e = int8_joined(l);
  if (t->channels > 1 && e.w > 1) return false;
  const Turns turns = turns_of(l, line, t->channels);
  nest_fn(b, b->name, false);
  if (t->channels > 1) lower_turns(l, &turns, e);
  else walk_pixels(l, e, line_body, &turns);
  lower_about(l, "linear: (q * slope + start) / 2^%d, clamped to int8", LINE_BITS);
  return true;
}

/* ---- other functions ---- */
static Buf *values_of(Lower *l) {
  const Int8Table *t = l->node->detail;
  return lower_constants(l, "table", I8, 2, (int64_t[]){t->channels, TABLE_BYTES}, t->value);
}

/* AVX-512 looks up 64 bytes at a time. If the row length is not a multiple of 64, the last vector of a row
 * overlaps the vector before it. */
static bool lower_lookups(Lower *l) {
  enum { BLOCK = WORD_BYTES * LANES };
  Nest *b = l->b;
  const Int8Table *t = l->node->detail;
  const Extent own = shape_extent(l->node->shape);
  if (l->plain || l->target->avx < AVX_512 || t->channels > 1 || own.w * own.c < BLOCK) return false;
  const Extent e = int8_joined(l);
  if (e.c < BLOCK) return false; /* rows are not contiguous */
  Buf *table = values_of(l);
  const Ix none = {0};
  nest_fn(b, b->name, false);
  NEST_LOOP(b, y, walk_rows(l, e.h * e.w * e.c / WORD_BYTES), 1, NEST_IX(0), 1, NEST_IX(e.h))
    NEST_FOR(b, x, e.w)
      for (int rest = 0; rest < 1 + (e.c % BLOCK > 0); rest++)
        NEST_FOR(b, n, rest ? 1 : e.c / BLOCK) {
          const Ix c = rest ? NEST_Z + (e.c - BLOCK) : n * BLOCK;
          const Val q = nest_load_words(b, lower_at(l, l->in[0], &y, &x, &c), LANES);
          nest_store_words(b, lower_at(l, l->out, &y, &x, &c),
                           nest_lookup(b, nest_at(b, table, none, none), q));
        }
  lower_about(l, "a lookup table, 64 elements at a time");
  return true;
}

static void lower(Lower *l) {
  const Int8Table *t = l->node->detail;
  if (lower_lines(l) || lower_lookups(l)) return;
  const Extent e = shape_extent(l->node->shape);
  Nest *b = l->b;
  Buf *table = values_of(l);
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w)
      NEST_FOR(b, c, e.c)
        NEST_CHOSEN(b, q, add(int8_load(l, l->in[0], &y, &x, &c), num_i32(b, -INT8_MIN)), 0, 256) {
          const Ix none = {0}, row = t->channels > 1 ? c : none;
          lower_store(l, nest_load(b, nest_at(b, table, row, q), 1), &y, &x, &c, 1, 1);
        }
}

const Op op_int8_table = {.name = "int8_table",
                          .detail = "out = table[in + 128]",
                          .traits.per_image = true,
                          .traits.row_local = true,
                          .traits.keeps_spatial = true,
                          .eval = eval,
                          .lower = lower,
                          .traits.stream = STREAM_ROWS};
