/* channels.c: Reduction of a pixel's channels to one number, such as their sum. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/channels.h"

void channels_shape(ShapeContext *context, Node *node) {
  (void)context;
  node->shape = node->in[0]->shape;
  if (node->shape.rank) node->shape.dim[node->shape.rank - 1] = 1;
}

void channels_lower(Lower *l, ChannelsValue value) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->in[0]->shape);
  const Ix zero = {0};
  nest_fn(b, b->name, false);
  const LoopKind kind = walk_rows(l, e.h * e.w * e.c);
  WALK_PIXELS(b, y, x, e, kind) lower_store(l, value(l, &y, &x, e.c), &y, &x, &zero, 1, 1);
}

static void channels_run(const Eval *eval) {
  const Extent e = shape_extent(eval->node->in[0]->shape);
  for (int64_t p = 0; p < e.h * e.w; p++) {
    eval->out[p] = 0;
    for (int64_t c = 0; c < e.c; c++) eval->out[p] += eval->in[0][p * e.c + c];
  }
}

static Val channel_value(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                         const void *context) {
  (void)context;
  return walk_load(l, l->in[0], y, x, c, part, lanes);
}

static Val sum_channels(Lower *l, const Ix *y, const Ix *x, int64_t channels) {
  return walk_row_sum(l, channels, y, x, channel_value, NULL);
}

static void channels_lower_sum(Lower *l) { channels_lower(l, sum_channels); }

const Op op_sum_channels = {.name = "sum over channels", .eval = channels_run, .lower = channels_lower_sum};
