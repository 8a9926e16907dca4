/* sqrt.c: sqrt, the square root. The derivative at 0 is infinite, as in PyTorch. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"
#include <math.h>

static const Param params[] = {{0}};

MAP_EVAL(root) { return sqrt(x[0]); }
MAP_SLOPE(slope) { return 0.5 / y; }
MAP_VALUE(value) { return vsqrt(m->x[0]); }
MAP_GRADIENT(gradient) { return div_(mul(number(0.5), dy), m->y); }

const Op op_sqrt = {
    .name = "sqrt",
    .group = "activation",
    .summary = "square root of each element; values should not be negative",
    .detail = "y = sqrt(x)",
    .params = params,
    .example = "square -> avgpool(2) -> sqrt",
    .shape = map_shape,
    MAP_OPERATOR,
    .map_eval = root,
    .map_slope = slope,
    .map_needs = map_needs_y,
    .map = value,
    .map_gradient = gradient,
};
