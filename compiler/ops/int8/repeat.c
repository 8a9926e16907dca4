// repeat.c: Int8 nearest upsampling by integer factors; copied without rounding.
// SPDX-License-Identifier: Apache-2.0
#include "ops/int8/int8.h"

static void eval(const Eval *eval) {
  const Int8Repeat *repeat = eval->node->detail;
  const Extent in = shape_extent(eval->node->in[0]->shape), out = shape_extent(eval->node->shape);
  for (int64_t y = 0; y < out.h; y++)
    for (int64_t x = 0; x < out.w; x++)
      for (int64_t c = 0; c < out.c; c++)
        eval->out[(y * out.w + x) * out.c + c] =
            eval->in[0][(y / repeat->factor[0] * in.w + x / repeat->factor[1]) * in.c + c];
}

static void lower(Lower *l) {
  const Int8Repeat *repeat = l->node->detail;
  const Extent in = shape_extent(l->node->in[0]->shape);
  Nest *b = l->b;
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, in.h)
    NEST_FOR(b, i, repeat->factor[0])
      NEST_FOR(b, x, in.w)
        NEST_FOR(b, j, repeat->factor[1])
          NEST_FOR(b, c, in.c) {
            const Ix row = y * repeat->factor[0] + i, column = x * repeat->factor[1] + j;
            lower_store(l, nest_load(b, nest_at(b, l->in[0], y, x, c), 1), &row, &column, &c, 1, 1);
          }
}

const Op op_int8_repeat = {.name = "int8_repeat",
                           .traits.per_image = true,
                           .eval = eval,
                           .lower = lower,
                           .traits.stream = STREAM_REPEATED};
