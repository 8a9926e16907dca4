/* square.c: square, y = x*x. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"

static const Param params[] = {{0}};

MAP_EVAL(square) { return x[0] * x[0]; }
MAP_SLOPE(slope) { return 2 * x[0]; }
MAP_VALUE(value) { return mul(m->x[0], m->x[0]); }
MAP_GRADIENT(gradient) { return mul(mul(number(2), m->x[0]), dy); }

const Op op_square = {
    .name = "square",
    .group = "activation",
    .summary = "square of each element",
    .detail = "y = x*x",
    .params = params,
    .example = "conv(8, 3x3) -> square",
    .shape = map_shape,
    MAP_OPERATOR,
    .map_eval = square,
    .map_slope = slope,
    .map_needs = map_needs_x,
    .map = value,
    .map_gradient = gradient,
};
