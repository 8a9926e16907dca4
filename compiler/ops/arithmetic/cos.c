/* cos.c: cos, the cosine of an angle in radians. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"
#include <math.h>

static const Param params[] = {{0}};

MAP_EVAL(cosine) { return cos(x[0]); }
MAP_SLOPE(slope) { return -sin(x[0]); }
MAP_VALUE(value) { return vcos(m->x[0]); }
MAP_GRADIENT(gradient) { return sub(number(0), mul(dy, vsin(m->x[0]))); }

const Op op_cos = {
    .name = "cos",
    .group = "activation",
    .summary = "cosine of each element, in radians",
    .detail = "y = cos(x)",
    .params = params,
    .example = "angles -> cos",
    .shape = map_shape,
    MAP_OPERATOR,
    .map_eval = cosine,
    .map_slope = slope,
    .map_needs = map_needs_x,
    .map = value,
    .map_gradient = gradient,
};
