/* tanh.c: tanh, the hyperbolic tangent. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"
#include <math.h>

static const Param params[] = {{0}};

MAP_EVAL(hyperbolic) { return tanh(x[0]); }
MAP_SLOPE(slope) { return 1 - y * y; }
MAP_VALUE(value) { return vtanh(m->x[0]); }
MAP_GRADIENT(gradient) { return mul(dy, fma_(mul(number(-1), m->y), m->y, number(1))); }

const Op op_tanh = {
    .name = "tanh",
    .group = "activation",
    .summary = "hyperbolic tangent, with results in -1 .. 1",
    .detail = "y = tanh(x)",
    .params = params,
    .example = "conv(6, 5x5) -> tanh",
    .shape = map_shape,
    MAP_OPERATOR,
    .map_eval = hyperbolic,
    .map_slope = slope,
    .map_needs = map_needs_y,
    .map = value,
    .map_gradient = gradient,
    .traits.int8 = INT8_SIGNED,
};
