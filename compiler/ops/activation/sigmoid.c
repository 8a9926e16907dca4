/* sigmoid.c: sigmoid, y = 1 / (1 + exp(-x)). */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"
#include <math.h>

static const Param params[] = {{0}};

MAP_EVAL(sigmoid) { return 1 / (1 + exp(-x[0])); }
MAP_SLOPE(slope) { return y * (1 - y); }
MAP_VALUE(value) { return vsigmoid(m->x[0]); }
MAP_GRADIENT(gradient) { return mul(dy, mul(normal_factor(m->y), sub(number(1), m->y))); }

const Op op_sigmoid = {
    .name = "sigmoid",
    .group = "activation",
    .traits.scores = SCORES_BINARY,
    .summary = "logistic function, with results in 0 .. 1",
    .detail = "y = 1 / (1 + exp(-x))",
    .params = params,
    .example = "dense(1) -> sigmoid",
    .shape = map_shape,
    MAP_OPERATOR,
    .map_eval = sigmoid,
    .map_slope = slope,
    .map_needs = map_needs_y,
    .map = value,
    .map_gradient = gradient,
    .traits.int8 = INT8_UNIT,
};
