// int8_softmax.c: softmax over the channels without floats: exponentials from a table, a reciprocal by
// Newton's steps, as gemmlowp has them.
// SPDX-License-Identifier: Apache-2.0
#include "ops/int8/int8.h"

static void eval(const Eval *eval) {
  const Int8Softmax *s = eval->node->detail;
  const Extent e = shape_extent(eval->node->shape);
  for (int64_t p = 0; p < e.h * e.w; p++) {
    const double *x = eval->in[0] + p * e.c;
    double most = x[0];
    int32_t sum = 0;
    for (int64_t c = 1; c < e.c; c++) most = x[c] > most ? x[c] : most;
    for (int64_t c = 0; c < e.c; c++) sum += softmax_part(s->exponential[(int)(most - x[c])]);
    for (int64_t c = 0; c < e.c; c++)
      eval->out[p * e.c + c] =
          softmax_value(s->exponential[(int)(most - x[c])], sum, softmax_reciprocal(sum));
  }
}

static Ref softmax_number(Nest *b, const char *name) {
  const int64_t one = 1;
  return nest_at(b, nest_buf(b, REGS, name, (Type){I32, 1}, 1, &one), 0);
}

static void pixel(Lower *l, Buf *exponential, Buf *part, const Ix *y, const Ix *x) {
  Nest *b = l->b;
  const int64_t channels = shape_extent(l->node->shape).c;
  const Ref most = softmax_number(b, "most"), sum = softmax_number(b, "sum");
  nest_store(b, most, num_i32(b, INT8_MIN));
  NEST_ROLLED(b, c, channels) nest_store(b, most, vmax(nest_get(b, most), int8_load(l, l->in[0], y, x, &c)));
  nest_store(b, sum, num_i32(b, 0));
  NEST_ROLLED(b, c, channels)
    NEST_CHOSEN(b, d, sub(nest_get(b, most), int8_load(l, l->in[0], y, x, &c)), 0, 256)
  nest_store(b, sum, add(nest_get(b, sum), nest_load(b, nest_at(b, part, d), 1)));
  const Val zeros = nest_let(b, "zeros",
                             nest_primitive(b, &primitive_leading_zeros, nest_get(b, sum), NULL, NULL)),
            inverse =
                nest_let(b, "inverse",
                         nest_primitive(b, &primitive_softmax_reciprocal, nest_get(b, sum), zeros, NULL));
  NEST_ROLLED(b, c, channels)
    NEST_CHOSEN(b, d, sub(nest_get(b, most), int8_load(l, l->in[0], y, x, &c)), 0, 256) {
      const Val share = nest_primitive(b, &primitive_softmax_share,
                                       nest_load(b, nest_at(b, exponential, d), 1), inverse, zeros);
      lower_store(l, convert(share, I8), y, x, &c, 1, 1);
    }
}

/* Of two channels the difference says all: a table of it. */
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
  const Int8Softmax *s = l->node->detail;
  const Extent e = shape_extent(l->node->shape);
  if (e.c == 2) {
    lower_pairs(l);
    return;
  }
  const int64_t n = 256;
  Nest *b = l->b;
  Buf *exponential = lower_constants(l, "exponential", I32, 1, &n, s->exponential),
      *part = lower_constants(l, "part", I32, 1, &n, s->part);
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w) pixel(l, exponential, part, &y, &x);
}

const Op op_int8_softmax = {.name = "int8_softmax",
                            .detail = "out = exponential[largest - in] / their sum, in 256ths, less 128",
                            .traits.per_image = true,
                            .traits.keeps_spatial = true,
                            .eval = eval,
                            .lower = lower,
                            .traits.stream = STREAM_ROWS};
