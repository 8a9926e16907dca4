// border.c: Padding with zeros, which are stored as the value's zero point.
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

static void sides(const Node *node, int64_t before[2], int64_t after[2]) {
  const Int8Border *border = node->detail;
  const Extent in = shape_extent(node->in[0]->shape), out = shape_extent(node->shape);
  before[0] = border->before[0];
  before[1] = border->before[1];
  after[0] = out.h - in.h - before[0];
  after[1] = out.w - in.w - before[1];
}

static void set_sides(Arena *arena, Node *node, const int64_t before[2], const int64_t after[2]) {
  Int8Border *border = NEW(arena, Int8Border);
  (void)after;
  *border = (Int8Border){{before[0], before[1]}};
  node->detail = border;
}

const Op op_int8_border = {.name = "int8_border",
                           .traits.per_image = true,
                           .eval = eval,
                           .lower = lower,
                           .traits.stream = STREAM_PADDED,
                           .traits.border = sides,
                           .traits.set_border = set_sides};
