// rescale.c: Conversions of a value to another scale or type, where the input or the result is int16. The
// result is (q - zero point) times the quotient of the scales, rounded. relu and relu6 clamp the result;
// leaky_relu has another factor for negative numbers.
// SPDX-License-Identifier: Apache-2.0
#include "kernel/walk.h"
#include "ops/int8/int8.h"

static void eval(const Eval *eval) {
  const Int8Rescale *r = eval->node->detail;
  const int64_t n = shape_row_elements(eval->node->shape), zero = eval->node->in[0]->quant->zero;
  for (int64_t i = 0; i < n; i++) {
    const int64_t x = (int64_t)eval->in[0][i] - zero;
    const Multiplier factor = r->leaks && x < 0 ? r->below : r->factor;
    eval->out[i] = stored_put(r->stored, multiplier_apply(r->rounding, x, factor));
  }
}

static void rescale_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                         const void *context) {
  const Int8Rescale *r = context;
  const Val q = int8_load_part(l, l->in[0], y, x, c, part, lanes), moved = sub(q, int8_zero(l, 0));
  Val rounded = int8_rounded(l, r->rounding, moved, r->factor, "factor");
  if (r->leaks) {
    const Val zero = num_i32(l->b, 0);
    rounded = choose(less(moved, lanes > 1 ? splat(zero, lanes) : zero),
                     int8_rounded(l, r->rounding, moved, r->below, "below"), rounded);
  }
  int8_store(l, rounded, r->stored, y, x, c, part, lanes);
}

static void lower(Lower *l) {
  Nest *b = l->b;
  const Int8Rescale *r = l->node->detail;
  const Extent e = int8_joined(l);
  lower_about(l, "16 bits, rounding %s", rounding_name(r->rounding));
  nest_fn(b, b->name, false);
  const int64_t most = int8_most(l->node->in[0]);
  if (int8_steps_fit(r->rounding, r->factor, most) &&
      (!r->leaks || int8_steps_fit(r->rounding, r->below, most))) {
    walk_pixels(l, e, rescale_body, r);
    return;
  }
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w)
      NEST_FOR(b, c, e.c) rescale_body(l, &y, &x, &c, 1, 1, r);
}

const Op op_int8_rescale = {.name = "int8_rescale",
                            .detail = "out = clamp(round((in - zero point of in) * factor) + zero point of "
                                      "out); leaky_relu has another factor for negative numbers",
                            .traits.per_image = true,
                            .traits.row_local = true,
                            .traits.keeps_spatial = true,
                            .eval = eval,
                            .lower = lower,
                            .traits.stream = STREAM_ROWS};
