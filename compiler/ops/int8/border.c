// border.c: a border of elements that stand for 0: of the value's zero.
// SPDX-License-Identifier: Apache-2.0
#include "ops/int8/int8.h"

static void eval(const Eval *eval) {
  const Int8Border *border = eval->node->detail;
  const Extent in = shape_extent(eval->node->in[0]->shape), out = shape_extent(eval->node->shape);
  for (int64_t y = 0; y < out.h; y++)
    for (int64_t x = 0; x < out.w; x++)
      for (int64_t c = 0; c < out.c; c++) {
        const int64_t iy = y - border->before[0], ix = x - border->before[1];
        const bool inside = iy >= 0 && iy < in.h && ix >= 0 && ix < in.w;
        eval->out[(y * out.w + x) * out.c + c] =
            inside ? eval->in[0][(iy * in.w + ix) * in.c + c] : eval->node->quant->zero;
      }
}

static void lower(Lower *l) {
  const Int8Border *border = l->node->detail;
  const Extent in = shape_extent(l->node->in[0]->shape), out = shape_extent(l->node->shape);
  Nest *b = l->b;
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, out.h)
    NEST_FOR(b, x, out.w)
      NEST_FOR(b, c, out.c) {
        const Ix iy = y - border->before[0], ix = x - border->before[1];
        NEST_IF(b, cond_and(nest_within(b, iy, 0, in.h), nest_within(b, ix, 0, in.w)))
          lower_store(l, nest_load(b, nest_at(b, l->in[0], iy, ix, c), 1), &y, &x, &c, 1, 1);
        NEST_ELSE(b)
          lower_store(l, convert(lower_number(l, "zero", l->node->quant->zero), l->node->elem), &y, &x, &c, 1,
                      1);
      }
}

const Op op_int8_border = {.name = "int8_border", .traits.per_image = true, .eval = eval, .lower = lower};
