/* whole.c: An output `as i32`: each number without its fraction, clamped to the range of int32; NaN is 0. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "ops/index/index.h"

#define PAST 0x1p31 /* the first number above the range */

static void run(const Eval *eval) {
  for (int64_t i = 0; i < shape_row_elements(eval->node->shape); i++) {
    const double x = eval->in[0][i];
    eval->out[i] = isnan(x) ? 0 : fmin(fmax(trunc(x), INT32_MIN), INT32_MAX);
  }
}

static void lower(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w)
      NEST_FOR(b, c, e.c) {
        Val value = nest_let(b, "value", nest_load(b, nest_at(b, l->in[0], y, x, c), 1));
        Val fits = choose(less(value, num(b, PAST)), vmax(value, num(b, -PAST)), num(b, 0));
        Val whole = choose(less_eq(num(b, PAST), value), num_i32(b, INT32_MAX), convert(fits, I32));
        lower_store(l, convert(whole, l->node->elem), &y, &x, &c, 1, 1);
      }
}

const Op op_whole = {.name = "whole numbers",
                     .traits.layer_part = true,
                     .traits.per_image = true,
                     .traits.row_local = true,
                     .traits.keeps_spatial = true,
                     .eval = run,
                     .lower = lower};
