// softmax_wide.c: int16 softmax over the channels in integers: exponentials and a reciprocal from piecewise
// linear tables, as in TensorFlow Lite's reference kernel.
// SPDX-License-Identifier: Apache-2.0
#include "ops/int8/int8.h"

static int32_t exponential(const Int8SoftmaxWide *s, double most, double x) {
  return softmax_wide_exponential(s->exponential,
                                  multiplier_apply(s->rounding, (int64_t)(x - most), s->factor));
}

static void eval(const Eval *eval) {
  const Int8SoftmaxWide *s = eval->node->detail;
  const Extent e = shape_extent(eval->node->shape);
  for (int64_t p = 0; p < e.h * e.w; p++) {
    const double *x = eval->in[0] + p * e.c;
    double most = x[0];
    int32_t sum = 0;
    for (int64_t c = 1; c < e.c; c++) most = x[c] > most ? x[c] : most;
    for (int64_t c = 0; c < e.c; c++) sum += exponential(s, most, x[c]);
    const int32_t reciprocal = softmax_wide_reciprocal(s->reciprocal, sum);
    for (int64_t c = 0; c < e.c; c++)
      eval->out[p * e.c + c] = softmax_wide_value(exponential(s, most, x[c]), sum, reciprocal);
  }
}

static Ref wide_number(Nest *b, const char *name) {
  const int64_t one = 1;
  return nest_at(b, nest_buf(b, REGS, name, (Type){I32, 1}, 1, &one), 0);
}

/* Interpolates a table at a position from -32768 to 32767. */
static void look_up(Lower *l, Buf *table, Val place, Ref to) {
  Nest *b = l->b;
  const Val at = nest_let(b, "at", place),
            step = nest_primitive(b, &primitive_shift_right, at, num_i32(b, LINES_BITS), NULL);
  NEST_CHOSEN(b, n, add(step, num_i32(b, LINES / 2)), 0, LINES) {
    const Val from = convert(nest_load(b, nest_at(b, table, n), 1), I32),
              next = convert(nest_load(b, nest_at(b, table, n + 1), 1), I32),
              rest = sub(at, mul(nest_index_value(b, n - LINES / 2), num_i32(b, 1 << LINES_BITS))),
              part = add(mul(sub(next, from), rest), num_i32(b, 1 << (LINES_BITS - 1)));
    nest_store(b, to,
               add(from, nest_primitive(b, &primitive_shift_right, part, num_i32(b, LINES_BITS), NULL)));
  }
}

typedef struct Tables {
  Buf *exponential, *reciprocal;
} Tables;

static void exponential_nest(Lower *l, const Tables *tables, Ref most, Ref to, const Ix *y, const Ix *x,
                             const Ix *c) {
  Nest *b = l->b;
  const Int8SoftmaxWide *s = l->node->detail;
  const Val below = sub(int8_load(l, l->in[0], y, x, c), nest_get(b, most)),
            place = add(int8_rounded(l, s->rounding, below, s->factor, "factor"), num_i32(b, INT16_MAX));
  look_up(l, tables->exponential, vmax(vmin(place, num_i32(b, INT16_MAX)), num_i32(b, INT16_MIN)), to);
}

static void wide_pixel(Lower *l, const Tables *tables, const Ix *y, const Ix *x) {
  Nest *b = l->b;
  const int64_t channels = shape_extent(l->node->shape).c;
  const Ref most = wide_number(b, "most"), sum = wide_number(b, "sum"), inverse = wide_number(b, "inverse"),
            own = wide_number(b, "exponential");
  nest_store(b, most, num_i32(b, INT16_MIN));
  NEST_FOR(b, c, channels) nest_store(b, most, vmax(nest_get(b, most), int8_load(l, l->in[0], y, x, &c)));
  nest_store(b, sum, num_i32(b, 0));
  NEST_FOR(b, c, channels) {
    exponential_nest(l, tables, most, own, y, x, &c);
    nest_store(b, sum, add(nest_get(b, sum), nest_get(b, own)));
  }
  const Val zeros =
      nest_let(b, "zeros", nest_primitive(b, &primitive_leading_zeros, nest_get(b, sum), NULL, NULL));
  look_up(l, tables->reciprocal, nest_primitive(b, &primitive_softmax_place, nest_get(b, sum), zeros, NULL),
          inverse);
  NEST_FOR(b, c, channels) {
    exponential_nest(l, tables, most, own, y, x, &c);
    lower_store(l,
                convert(nest_primitive(b, &primitive_softmax_share_wide, nest_get(b, own),
                                       nest_get(b, inverse), zeros),
                        I16),
                y, x, &c, 1, 1);
  }
}

static void lower(Lower *l) {
  const Int8SoftmaxWide *s = l->node->detail;
  const Extent e = shape_extent(l->node->shape);
  const int64_t n = LINES + 1;
  Nest *b = l->b;
  const Tables tables = {lower_constants(l, "exponential", I16, 1, &n, s->exponential),
                         lower_constants(l, "reciprocal", I16, 1, &n, s->reciprocal)};
  lower_about(l, "16 bits, rounding %s", rounding_name(s->rounding));
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w) wide_pixel(l, &tables, &y, &x);
}

const Op op_int8_softmax_wide = {
    .name = "int8_softmax_wide",
    .detail = "out = exp(in - largest) / sum of exponentials, in units of 1/32768, from lookup tables",
    .traits.per_image = true,
    .traits.keeps_spatial = true,
    .eval = eval,
    .lower = lower,
    .traits.stream = STREAM_ROWS};
