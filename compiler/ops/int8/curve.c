// curve.c: int16 sigmoid and tanh: piecewise linear tables of the logistic function, as in TensorFlow Lite's
// reference kernels.
// SPDX-License-Identifier: Apache-2.0
#include "ops/int8/int8.h"

static void eval(const Eval *eval) {
  const Int8Curve *p = eval->node->detail;
  const int64_t n = shape_row_elements(eval->node->shape);
  for (int64_t i = 0; i < n; i++)
    eval->out[i] = stored_put(p->stored, curve_value(&p->curve, (int64_t)eval->in[0][i]));
}

/* q as a position in the table of the curve; the distance between two entries is 2^curve_bits. */
static Val scaled(Lower *l, const Curve *curve, Val q) {
  Nest *b = l->b;
  const Val product = mul(q, num_i32(b, curve->factor));
  if (!curve->shift) return product;
  return nest_primitive(b, &primitive_shift_right, add(product, num_i32(b, INT32_C(1) << (curve->shift - 1))),
                        num_i32(b, curve->shift), NULL);
}

Buf *int8_curve_points(Lower *l) {
  const int64_t points = CURVE_STEPS + 1;
  int32_t *point = NEW_ARRAY(l->arena, int32_t, points);
  for (int32_t i = 0; i < points; i++) point[i] = curve_point(i);
  return lower_constants(l, "points", I32, 1, &points, point);
}

/* The table is for |q|; after its last entry the curve is flat. */
CurvePlace int8_curve_place(Lower *l, const Curve *curve, Val q) {
  Nest *b = l->b;
  const int bits = curve_bits(curve);
  CurvePlace place = {.at = nest_let(b, "at", scaled(l, curve, q))};
  place.size = nest_let(b, "size",
                        vmin(vmax(place.at, sub(num_i32(b, 0), place.at)), num_i32(b, CURVE_STEPS << bits)));
  place.step = nest_primitive(b, &primitive_shift_right, place.size, num_i32(b, bits), NULL);
  return place;
}

Val int8_curve_value(Lower *l, const Curve *curve, Buf *points, const CurvePlace *place, const Ix *step) {
  Nest *b = l->b;
  const int bits = curve_bits(curve);
  const Val from = nest_load(b, nest_at(b, points, *step), 1),
            to = nest_load(b, nest_at(b, points, *step + 1), 1),
            rest = sub(place->size, mul(nest_index_value(b, *step), num_i32(b, 1 << bits))),
            line = add(mul(from, num_i32(b, 1 << bits)), mul(rest, sub(to, from))),
            end = num_i32(b, curve_end(curve)),
            above = nest_let(b, "above",
                             sub(choose(less(place->size, num_i32(b, CURVE_STEPS << bits)), line, end),
                                 num_i32(b, CURVE_MIDDLE << bits))),
            whole = choose(less(place->at, num_i32(b, 0)), sub(num_i32(b, -1), above), above),
            sum = add(whole, num_i32(b, curve_start(curve) + (1 << (curve_shift(curve) - 1))));
  return nest_primitive(b, &primitive_shift_right, sum, num_i32(b, curve_shift(curve)), NULL);
}

static void lower(Lower *l) {
  const Int8Curve *p = l->node->detail;
  const Extent e = shape_extent(l->node->shape);
  Nest *b = l->b;
  Buf *points = int8_curve_points(l);
  lower_about(l, "int16, linear interpolation between points");
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w)
      NEST_FOR(b, c, e.c) {
        const CurvePlace place = int8_curve_place(l, &p->curve, int8_load(l, l->in[0], &y, &x, &c));
        NEST_CHOSEN(b, n, place.step, 0, CURVE_STEPS)
        int8_store(l, int8_curve_value(l, &p->curve, points, &place, &n), p->stored, &y, &x, &c, 1, 1);
      }
}

const Op op_int8_curve = {.name = "int8_curve",
                          .detail = "out = linear interpolation between two points of the logistic function",
                          .traits.per_image = true,
                          .traits.row_local = true,
                          .traits.keeps_spatial = true,
                          .eval = eval,
                          .lower = lower,
                          .traits.stream = STREAM_ROWS};
