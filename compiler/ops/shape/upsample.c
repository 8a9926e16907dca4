/* upsample.c: upsample, a resize that enlarges an image or a sequence by `factor`. */
// SPDX-License-Identifier: Apache-2.0
#include "graph/shape.h"
#include "kernel/window.h"
#include "ops/shape/resize.h"

static const Param params[] = {
    {"factor", PARAM_WINDOW, NULL, "factor of the height and width; for a sequence, factor of the length", 0,
     0, NULL},
    {"mode", PARAM_CHOICE, "nearest", "nearest: each element is repeated; bilinear: as in resize", 0, 0,
     "nearest bilinear"},
    {0},
};

static void shape(ShapeContext *context, Node *node) {
  const Extent in = shape_extent(node->in[0]->shape);
  int64_t factor[2], size[2];
  if (!resize_input(context, node) || !window_pair(context, node, "factor", factor)) return;
  size[0] = in.h * factor[0]; /* in.h and factor[0] fit in 31 bits */
  size[1] = in.w * factor[1];
  resize_to(context, node, "factor", size);
}

const Op op_upsample = {
    .name = "upsample",
    .group = "shape",
    .summary = "enlarges the input by an integer factor",
    .detail = "nearest: y[i][j] = x[floor(i/factor)][floor(j/factor)]; bilinear: as resize to the size of y",
    .params = params,
    .example = "upsample(2) -> conv(16, 3x3, pad=same)",
    .traits.needs_axes = true,
    .shape = shape,
    .identity = resize_identity,
    .traits.repeats = resize_repeats,
    .traits.receptive_field = resize_field,
    .eval = resize_eval,
    .gradient = resize_gradient,
    .lower = resize_lower,
    .traits.stream = STREAM_REPEATED,
};
