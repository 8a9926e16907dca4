/* abs.c: abs, y = |x|. The derivative at 0 is 0. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"
#include <math.h>

static const Param params[] = {{0}};

MAP_EVAL(absolute) { return fabs(x[0]); }
MAP_SLOPE(slope) { return x[0] > 0 ? 1 : x[0] < 0 ? -1 : 0; }
MAP_VALUE(value) { return vabs(m->x[0]); }
MAP_GRADIENT(gradient) {
  Val zero = number(0);
  return choose(less(zero, m->x[0]), dy, choose(less(m->x[0], zero), mul(number(-1), dy), zero));
}

const Op op_abs = {
    .name = "abs",
    .group = "activation",
    .summary = "absolute value",
    .detail = "y = |x|",
    .params = params,
    .example = "conv(8, 3x3) -> abs",
    .shape = map_shape,
    MAP_OPERATOR,
    .map_eval = absolute,
    .map_slope = slope,
    .map_needs = map_needs_x,
    .map = value,
    .map_gradient = gradient,
};
