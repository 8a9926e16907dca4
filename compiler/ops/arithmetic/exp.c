/* exp.c: exp, the exponential function. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"
#include <math.h>

static const Param params[] = {{0}};

MAP_EVAL(exponential) { return exp(x[0]); }
MAP_SLOPE(slope) { return y; }
/* 0 where the result is subnormal; vexp returns the smallest normal number there. */
MAP_VALUE(value) { return at_least(vexp(m->x[0]), number(0x1.0000ap-126)); }
MAP_GRADIENT(gradient) { return mul(m->y, dy); }

const Op op_exp = {
    .name = "exp",
    .group = "activation",
    .summary = "exponential of each element",
    .detail = "y = e^x",
    .params = params,
    .example = "dense(4) -> exp",
    .shape = map_shape,
    MAP_OPERATOR,
    .map_eval = exponential,
    .map_slope = slope,
    .map_needs = map_needs_y,
    .map = value,
    .map_gradient = gradient,
};
