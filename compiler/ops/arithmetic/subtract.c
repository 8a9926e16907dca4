/* subtract.c: subtract, y = x0 - x1. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/arithmetic/combine.h"

static const Param params[] = {{"x", PARAM_OPERAND, NULL,
                                "the subtrahend: a value of the same shape (or 1x1xC or HxWx1), or a number",
                                0, 0, NULL},
                               {0}};

MAP_EVAL(difference) { return x[0] - combine_x(node, 1, x); }
MAP_SLOPE(slope) { return wrt ? -1 : 1; }
MAP_VALUE(value) { return sub(m->x[0], combine_value(m, 1)); }
MAP_GRADIENT(gradient) { return wrt ? mul(number(-1), dy) : dy; }

static void backward(Gradient *pass, Node *node, Node *dy) {
  for (int k = 0; k < node->nin; k++) map_backward_operand(pass, node, dy, k, k == 0);
}

const Op op_subtract = {
    .name = "subtract",
    .group = "combining",
    .summary = "the current value minus another value, elementwise",
    .detail = "y = x0 - x1; a 1x1xC operand is repeated at every pixel, an HxWx1 operand in every channel",
    .params = params,
    .example = "conv(16, 3x3, pad=same) -> subtract(before)",
    .family = FAMILY_MAP,
    .traits.equal_rows = true,
    .traits.keeps_spatial = true,
    .shape = combine_shape,
    .eval = map_run,
    .gradient = backward,
    .lower = lower_plain_map,
    .map_eval = difference,
    .map_slope = slope,
    .map = value,
    .map_gradient = gradient,
    .traits.int8 = INT8_DIFFERENCE,
};
