/* log.c: log, the natural logarithm; it is minus infinity for 0, and NaN for negative numbers. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"
#include <math.h>

static const Param params[] = {{0}};

MAP_EVAL(logarithm) { return log(x[0]); }
MAP_SLOPE(slope) { return 1 / x[0]; }
MAP_VALUE(value) { return vlog(m->x[0]); }
MAP_GRADIENT(gradient) { return div_(dy, m->x[0]); }

const Op op_log = {
    .name = "log",
    .group = "activation",
    .summary = "natural logarithm of each element; values should be above 0",
    .detail = "y = log(x)",
    .params = params,
    .example = "dense(4) -> softplus -> log",
    .shape = map_shape,
    MAP_OPERATOR,
    .map_eval = logarithm,
    .map_slope = slope,
    .map_needs = map_needs_x,
    .map = value,
    .map_gradient = gradient,
};
