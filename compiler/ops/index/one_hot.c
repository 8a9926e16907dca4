/* one_hot.c: one_hot, a 1 at the channel of an index: y[c] = 1 where c is the index, otherwise 0. An index
 * outside 0 .. n-1, or one that is not an integer, gives zeros. The operator passes no gradient. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/index/index.h"

static const Param params[] = {
    {"n", PARAM_INT, NULL, "number of channels of the result: the largest index + 1", 1, INDEX_COUNTS, NULL},
    {0},
};

static void shape(ShapeContext *context, Node *node) {
  if (arg_const(node, "n")->kind != CONST_POISON) index_rows_shape(context, node, arg_int(node, "n"));
}

static int64_t one_hot_channels(const Node *node, int k) { return k == 0 ? arg_int(node, "n") : 0; }

static void run(const Eval *eval) {
  const Extent e = shape_extent(eval->node->shape);
  for (int64_t p = 0; p < e.h * e.w; p++)
    for (int64_t c = 0; c < e.c; c++) eval->out[p * e.c + c] = eval->in[0][p] == (double)c;
}

static void one_hot_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                         const void *context) {
  Nest *b = l->b;
  Buf *const *numbers = context;
  Val index = nest_load(b, index_of_pixel(l, l->in[0], y, x), 1),
      own = nest_load_part(b, nest_at(b, *numbers, *c), part, lanes);
  lower_store(l, choose(equal(own, index), num(b, 1), num(b, 0)), y, x, c, part, lanes);
}

static void lower(Lower *l) {
  const Extent e = shape_extent(l->node->shape);
  float *number = NEW_ARRAY(l->arena, float, e.c);
  for (int64_t c = 0; c < e.c; c++) number[c] = (float)c;
  Buf *numbers = lower_table(l, number, e.c);
  nest_fn(l->b, l->b->name, false);
  walk_pixels(l, e, one_hot_body, &numbers);
}

const Op op_one_hot = {
    .name = "one_hot",
    .group = "index",
    .summary = "turns each index into a row of zeros, with a 1 at that index",
    .detail = "y[c] = 1 if x = c, else 0; an index that is not an integer in 0 .. n-1 gives a row of zeros; "
              "no gradient passes",
    .params = params,
    .example = "classes -> one_hot(10)",
    .traits.keeps_spatial = true,
    .traits.index_count = one_hot_channels,
    .traits.stream = STREAM_ROWS,
    .shape = shape,
    .eval = run,
    .lower = lower,
};
