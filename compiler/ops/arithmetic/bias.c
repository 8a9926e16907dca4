/* bias.c: bias, y = x + b[c]: one trained number per channel. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/convolution/correlation.h"
#include "kernel/map.h"

static const Param params[] = {{"init", PARAM_INIT, "0", "initial values", 0, 0, NULL}, {0}};

static void shape(ShapeContext *context, Node *node) { map_shape_weight(context, node, "bias", false); }

MAP_EVAL(sum) { return x[0] + weight[0]; }
MAP_VALUE(value) { return add(m->x[0], map_weight(m, 0)); }

static void backward(Gradient *gradient, Node *node, Node *dy) {
  gradient_add(gradient, node->in[0], dy);
  if (gradient_trained(gradient, node, 0)) gradient_sum(gradient, &op_channel_sum, node, 0, 1, &dy);
}

const Op op_bias = {
    .name = "bias",
    .group = "normalization",
    .summary = "adds one trained constant per channel",
    .detail = "y = x + bias[c]",
    .params = params,
    .example = "conv(16, 3x3, bias=false) -> scale -> bias",
    .family = FAMILY_MAP,
    .traits.keeps_spatial = true,
    .shape = shape,
    .eval = map_run,
    .gradient = backward,
    .lower = lower_plain_map,
    .map_eval = sum,
    .map = value,
};
