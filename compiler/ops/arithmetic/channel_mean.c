/* channel_mean.c: channel_mean, the mean of the channels of each pixel, used in spatial attention (Woo et
 * al., 2018, CBAM). */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/channels.h"

static const Param params[] = {{0}};

static void run(const Eval *eval) {
  const Extent e = shape_extent(eval->node->in[0]->shape);
  for (int64_t p = 0; p < e.h * e.w; p++) {
    double sum = 0;
    for (int64_t c = 0; c < e.c; c++) sum += eval->in[0][p * e.c + c];
    eval->out[p] = sum / (double)e.c;
  }
}

static Val mean_element(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                        const void *context) {
  (void)context;
  return walk_load(l, l->in[0], y, x, c, part, lanes);
}

static Val mean(Lower *l, const Ix *y, const Ix *x, int64_t channels) {
  return mul(walk_row_sum(l, channels, y, x, mean_element, NULL), num(l->b, 1 / (double)channels));
}

static void lower(Lower *l) { channels_lower(l, mean); }

/* ---- input gradient: dy / C to each channel ---- */
static void back_run(const Eval *eval) {
  const Extent e = shape_extent(eval->node->shape);
  for (int64_t i = 0; i < e.h * e.w * e.c; i++) eval->out[i] = eval->in[0][i / e.c] / (double)e.c;
}

static void mean_share_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                            const void *context) {
  const Ix zero = {0};
  (void)context;
  Val dy = walk_load(l, l->in[0], y, x, &zero, 1, 1);
  lower_store(l, mul(splat(dy, lanes), num(l->b, 1 / (double)shape_extent(l->node->shape).c)), y, x, c, part,
              lanes);
}

static void back_lower(Lower *l) {
  nest_fn(l->b, l->b->name, false);
  walk_pixels(l, shape_extent(l->node->shape), mean_share_body, NULL);
}

static const Op op_back = {.name = "channel_mean input gradient", .eval = back_run, .lower = back_lower};

static void backward(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_back, node, 1, &dy);
}

const Op op_channel_mean = {
    .name = "channel_mean",
    .group = "combining",
    .summary = "mean over the channels of each pixel: an image becomes HxWx1",
    .detail = "y = mean over c of x[c]",
    .params = params,
    .example = "channel_mean -> sigmoid -> multiply(features)",
    .traits.keeps_spatial = true,
    .shape = channels_shape,
    .eval = run,
    .gradient = backward,
    .lower = lower,
    .traits.stream = STREAM_ROWS,
};
