// channel_sum.c: channel_sum, the gradient of a bias: the sum of dy over the pixels, per channel. The
// backward pass of layers with a bias creates this hidden operator.
// SPDX-License-Identifier: Apache-2.0
#include "ops/convolution/correlation.h"
#include "kernel/walk.h"

static void eval(const Eval *eval) {
  const Extent e = shape_extent(eval->node->in[0]->shape);
  for (int64_t p = 0; p < e.h * e.w; p++)
    for (int64_t c = 0; c < e.c; c++) eval->out[c] += eval->in[0][p * e.c + c];
}

static Val term(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes, const void *context) {
  (void)context;
  return walk_load(l, l->in[0], y, x, c, part, lanes);
}

static void lower(Lower *l) {
  nest_fn(l->b, l->b->name, false);
  walk_sum_pixels(l, shape_extent(l->node->in[0]->shape), term, NULL);
}

const Op op_channel_sum = {.name = "bias gradient", .eval = eval, .lower = lower};
