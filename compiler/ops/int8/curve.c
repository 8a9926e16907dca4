// curve.c: sigmoid and tanh of 16 bits, into 16 bits: points of the logistic function, and straight lines
// between them, as TensorFlow Lite's reference kernels have it.
// SPDX-License-Identifier: Apache-2.0
#include "ops/int8/int8.h"

static void eval(const Eval *eval) {
  const Int8Curve *p = eval->node->detail;
  const int64_t n = shape_row_elements(eval->node->shape);
  for (int64_t i = 0; i < n; i++)
    eval->out[i] = stored_put(p->stored, curve_value(&p->curve, (int64_t)eval->in[0][i]));
}

/* q by the curve's own scale, in which a step of the table is 2^CURVE_BITS. */
static Val scaled(Lower *l, const Curve *curve, Val q) {
  Nest *b = l->b;
  const Val product = mul(q, num_i32(b, curve->factor));
  if (!curve->shift) return product;
  return nest_primitive(b, &primitive_shift_right, add(product, num_i32(b, INT32_C(1) << (curve->shift - 1))),
                        num_i32(b, curve->shift), NULL);
}

/* The curve is that of positive numbers, from its middle on; beyond its end it is flat. */
static void value(Lower *l, const Int8Curve *p, Buf *table, const Ix *y, const Ix *x, const Ix *c) {
  Nest *b = l->b;
  const Curve *curve = &p->curve;
  const int bits = curve_bits(curve);
  const Val zero = num_i32(b, 0), at = nest_let(b, "at", scaled(l, curve, int8_load(l, l->in[0], y, x, c))),
            size = nest_let(b, "size", vmin(vmax(at, sub(zero, at)), num_i32(b, CURVE_STEPS << bits))),
            step = nest_primitive(b, &primitive_shift_right, size, num_i32(b, bits), NULL);
  NEST_CHOSEN(b, n, step, 0, CURVE_STEPS) {
    const Val from = nest_load(b, nest_at(b, table, n), 1), to = nest_load(b, nest_at(b, table, n + 1), 1),
              rest = sub(size, mul(nest_index_value(b, n), num_i32(b, 1 << bits))),
              line = add(mul(from, num_i32(b, 1 << bits)), mul(rest, sub(to, from))),
              end = num_i32(b, curve_end(curve)),
              above = nest_let(b, "above",
                               sub(choose(less(size, num_i32(b, CURVE_STEPS << bits)), line, end),
                                   num_i32(b, CURVE_MIDDLE << bits))),
              whole = choose(less(at, zero), sub(num_i32(b, -1), above), above),
              sum = add(whole, num_i32(b, curve_start(curve) + (1 << (curve_shift(curve) - 1)))),
              q = nest_primitive(b, &primitive_shift_right, sum, num_i32(b, curve_shift(curve)), NULL);
    int8_store(l, q, p->stored, y, x, c, 1, 1);
  }
}

static void lower(Lower *l) {
  const Int8Curve *p = l->node->detail;
  const Extent e = shape_extent(l->node->shape);
  const int64_t points = CURVE_STEPS + 1;
  int32_t *point = NEW_ARRAY(l->arena, int32_t, points);
  Nest *b = l->b;
  for (int32_t i = 0; i < points; i++) point[i] = curve_point(i);
  Buf *table = lower_constants(l, "points", I32, 1, &points, point);
  lower_about(l, "16 bits, lines between points");
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w)
      NEST_FOR(b, c, e.c) value(l, p, table, &y, &x, &c);
}

const Op op_int8_curve = {.name = "int8_curve",
                          .detail = "out = linear interpolation between two points of the logistic function",
                          .traits.per_image = true,
                          .traits.row_local = true,
                          .traits.keeps_spatial = true,
                          .eval = eval,
                          .lower = lower};
