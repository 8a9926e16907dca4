// int8_softmax.c: Int8 softmax along any axis, in integers: exponentials from a table, and a reciprocal with
// Newton's method, as in gemmlowp.
// SPDX-License-Identifier: Apache-2.0
#include "ops/activation/lines.h"
#include "ops/int8/int8.h"

static void softmax_line_run(const Node *node, int64_t n, double *const *in, double *out) {
  const Int8Softmax *s = node->detail;
  const double *x = in[0];
  double most = x[0];
  int32_t sum = 0;
  for (int64_t i = 1; i < n; i++) most = x[i] > most ? x[i] : most;
  for (int64_t i = 0; i < n; i++) sum += softmax_part(s->exponential[(int)(most - x[i])]);
  for (int64_t i = 0; i < n; i++)
    out[i] = softmax_value(s->exponential[(int)(most - x[i])], sum, softmax_reciprocal(sum));
}

static void eval(const Eval *eval) { lines_run(eval, softmax_line_run); }

static Ref softmax_number(Nest *b, const char *name) {
  const int64_t one = 1;
  return nest_at(b, nest_buf(b, REGS, name, (Type){I32, 1}, 1, &one), 0);
}

typedef struct SoftmaxLine {
  Buf *exponential, *part;
  Ref most, sum;
  Val inverse, zeros;
} SoftmaxLine;

static Val line_number(const Line *line, const Ix *y, const Ix *x) {
  return int8_load(line->l, line->l->in[0], y, x, line->c);
}

static Val below_most(const Line *line, const SoftmaxLine *s, const Ix *y, const Ix *x) {
  return sub(nest_get(line->l->b, s->most), line_number(line, y, x));
}

static void most_element(const Line *line, const Ix *y, const Ix *x, const void *context) {
  const SoftmaxLine *s = context;
  Nest *b = line->l->b;
  nest_store(b, s->most, vmax(nest_get(b, s->most), line_number(line, y, x)));
}

static void add_softmax_part(const Line *line, const Ix *y, const Ix *x, const void *context) {
  const SoftmaxLine *s = context;
  Nest *b = line->l->b;
  NEST_CHOSEN(b, d, below_most(line, s, y, x), 0, 256)
  nest_store(b, s->sum, add(nest_get(b, s->sum), nest_load(b, nest_at(b, s->part, d), 1)));
}

static void share_element(const Line *line, const Ix *y, const Ix *x, const void *context) {
  const SoftmaxLine *s = context;
  Nest *b = line->l->b;
  NEST_CHOSEN(b, d, below_most(line, s, y, x), 0, 256) {
    const Val share = nest_primitive(b, &primitive_softmax_share,
                                     nest_load(b, nest_at(b, s->exponential, d), 1), s->inverse, s->zeros);
    lower_store(line->l, convert(share, I8), y, x, line->c, 1, 1);
  }
}

typedef void LinePass(const Line *, LineElement, const void *context);

static void softmax_passes(const Line *line, SoftmaxLine *s, LinePass *each) {
  Nest *b = line->l->b;
  s->most = softmax_number(b, "most");
  s->sum = softmax_number(b, "sum");
  nest_store(b, s->most, num_i32(b, INT8_MIN));
  each(line, most_element, s);
  nest_store(b, s->sum, num_i32(b, 0));
  each(line, add_softmax_part, s);
  s->zeros =
      nest_let(b, "zeros", nest_primitive(b, &primitive_leading_zeros, nest_get(b, s->sum), NULL, NULL));
  s->inverse = nest_let(
      b, "inverse", nest_primitive(b, &primitive_softmax_reciprocal, nest_get(b, s->sum), s->zeros, NULL));
  each(line, share_element, s);
}

static void softmax_each_channel(const Line *line, LineElement body, const void *context) {
  NEST_ROLLED(line->l->b, c, shape_extent(line->l->node->shape).c) {
    const Line at = {.l = line->l, .c = &c};
    body(&at, line->y, line->x, context);
  }
}

static void softmax_each_position(const Line *line, LineElement body, const void *context) {
  line_each(line, 0, body, context);
}

static SoftmaxLine softmax_line_tables(Lower *l) {
  const Int8Softmax *s = l->node->detail;
  const int64_t n = 256;
  return (SoftmaxLine){.exponential = lower_constants(l, "exponential", I32, 1, &n, s->exponential),
                       .part = lower_constants(l, "part", I32, 1, &n, s->part)};
}

/* With two channels the result only depends on their difference: a table lookup. */
static void lower_pairs(Lower *l) {
  enum { MOST = UINT8_MAX };
  const Int8Softmax *s = l->node->detail;
  const Extent e = shape_extent(l->node->shape);
  const int64_t n = 2 * MOST + 1;
  Nest *b = l->b;
  int8_t *values = NEW_ARRAY(l->arena, int8_t, n);
  for (int more = -MOST; more <= MOST; more++) {
    const int32_t own = s->exponential[more < 0 ? -more : 0], other = s->exponential[more > 0 ? more : 0],
                  sum = softmax_part(own) + softmax_part(other);
    values[more + MOST] = (int8_t)softmax_value(own, sum, softmax_reciprocal(sum));
  }
  Buf *table = lower_constants(l, "of_difference", I8, 1, &n, values);
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w) {
      Val q[2];
      for (int c = 0; c < 2; c++)
        q[c] = nest_let(b, c ? "second" : "first", int8_load(l, l->in[0], &y, &x, NEST_IX(c)));
      for (int c = 0; c < 2; c++) NEST_CHOSEN(b, d, add(sub(q[c], q[1 - c]), num_i32(b, MOST)), 0, n)
      lower_store(l, nest_load(b, nest_at(b, table, d), 1), &y, &x, NEST_IX(c), 1, 1);
    }
}

static void lower(Lower *l) {
  const Extent e = shape_extent(l->node->shape);
  if (e.c == 2) {
    lower_pairs(l);
    return;
  }
  Nest *b = l->b;
  SoftmaxLine s = softmax_line_tables(l);
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w) softmax_passes(&(Line){.l = l, .y = &y, .x = &x}, &s, softmax_each_channel);
}

static void positions_body(const Line *line) {
  SoftmaxLine s = softmax_line_tables(line->l);
  softmax_passes(line, &s, softmax_each_position);
}

static void positions_lower(Lower *l) { lines_lower_numbers(l, positions_body); }

#define INT8_SOFTMAX_OPERATOR                                                                                \
  .name = "int8_softmax", .params = lines_params,                                                            \
  .detail = "out = exponential[largest - in] / sum of exponentials, in units of 1/256, minus 128",           \
  .traits.per_image = true, .traits.keeps_spatial = true, .eval = eval

const Op op_int8_softmax = {INT8_SOFTMAX_OPERATOR, .lower = lower, .traits.stream = STREAM_ROWS};
const Op op_int8_softmax_lines = {INT8_SOFTMAX_OPERATOR, .lower = positions_lower};
