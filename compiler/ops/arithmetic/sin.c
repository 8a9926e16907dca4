/* sin.c: sin, the sine of an angle in radians. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"
#include <math.h>

static const Param params[] = {{0}};

MAP_EVAL(sine) { return sin(x[0]); }
MAP_SLOPE(slope) { return cos(x[0]); }
MAP_VALUE(value) { return vsin(m->x[0]); }
MAP_GRADIENT(gradient) { return mul(dy, vcos(m->x[0])); }

const Op op_sin = {
    .name = "sin",
    .group = "activation",
    .summary = "sine of each element, in radians",
    .detail = "y = sin(x)",
    .params = params,
    .example = "angles -> sin",
    .shape = map_shape,
    MAP_OPERATOR,
    .map_eval = sine,
    .map_slope = slope,
    .map_needs = map_needs_x,
    .map = value,
    .map_gradient = gradient,
};
