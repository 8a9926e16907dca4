/* relu.c: relu, y = max(x, 0) (Nair and Hinton, 2010). As in PyTorch, the derivative is 0 at 0, and 1 at
 * NaN. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"

static const Param params[] = {{0}};

MAP_EVAL(relu) { return x[0] < 0 ? 0 : x[0]; }
MAP_SLOPE(slope) { return !(y <= 0); }
MAP_VALUE(value) { return vmax(number(0), m->x[0]); }
MAP_GRADIENT(gradient) { return choose(less_eq(m->y, number(0)), number(0), dy); }

const Op op_relu = {
    .name = "relu",
    .group = "activation",
    .summary = "rectified linear unit: max(x, 0)",
    .detail = "y = max(x, 0)",
    .params = params,
    .example = "conv(16, 3x3) -> relu",
    .shape = map_shape,
    MAP_OPERATOR,
    .map_eval = relu,
    .map_slope = slope,
    .map_needs = map_needs_y,
    .map = value,
    .map_gradient = gradient,
    .traits.int8 = INT8_RELU,
};
