/* prelu.c: prelu, y = x for x > 0, otherwise w[c]*x, with a trained slope for each channel  (He et al.,
 * 2015). */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"

static const Param params[] = {{"init", PARAM_INIT, "0.25", "initial slopes", 0, 0, NULL}, {0}};

MAP_EVAL(prelu) { return x[0] > 0 ? x[0] : weight[0] * x[0]; }
MAP_SLOPE(slope) { return x[0] > 0 ? 1 : weight[0]; }
MAP_SLOPE(weight_slope) { return x[0] > 0 ? 0 : x[0]; }
MAP_VALUE(value) { return choose(less(number(0), m->x[0]), m->x[0], mul(map_weight(m, 0), m->x[0])); }
MAP_GRADIENT(gradient) { return choose(less(number(0), m->x[0]), dy, mul(map_weight(m, 0), dy)); }
MAP_GRADIENT(weight_gradient) { return choose(less(number(0), m->x[0]), number(0), mul(m->x[0], dy)); }

const Op op_prelu = {
    .name = "prelu",
    .group = "activation",
    .summary = "relu with a trained slope for negative values, one per channel",
    .detail = "y = x where x > 0, weight[c]*x elsewhere",
    .params = params,
    .example = "conv(16, 3x3) -> prelu",
    .shape = map_shape_weighted,
    MAP_OPERATOR,
    .map_eval = prelu,
    .map_slope = slope,
    .map_weight_slope = weight_slope,
    .map_needs = map_needs_x,
    .map = value,
    .map_gradient = gradient,
    .map_weight_gradient = weight_gradient,
};
