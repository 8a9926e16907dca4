/* scale.c: scale, y = w[c] * x: one trained factor per channel. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"

static const Param params[] = {{"init", PARAM_INIT, "1", "initial factors", 0, 0, NULL}, {0}};

MAP_EVAL(product) { return weight[0] * x[0]; }
MAP_SLOPE(slope) { return weight[0]; }
MAP_SLOPE(weight_slope) { return x[0]; }
MAP_VALUE(value) { return mul(map_weight(m, 0), m->x[0]); }
MAP_GRADIENT(gradient) { return mul(map_weight(m, 0), dy); }
MAP_GRADIENT(weight_gradient) { return mul(m->x[0], dy); }

const Op op_scale = {
    .name = "scale",
    .group = "normalization",
    .summary = "multiplies by one trained factor per channel",
    .detail = "y = weight[c] * x",
    .params = params,
    .example = "conv(16, 3x3, pad=same) -> scale(0.1) -> add(shortcut)",
    .shape = map_shape_weighted,
    MAP_OPERATOR,
    .map_eval = product,
    .map_slope = slope,
    .map_weight_slope = weight_slope,
    .map = value,
    .map_gradient = gradient,
    .map_weight_gradient = weight_gradient,
};
