/* floor.c: floor, the largest integer that is not above x. The operator passes no gradient, because its
 * derivative is 0 almost everywhere. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"
#include <math.h>

static const Param params[] = {{0}};

MAP_EVAL(below) { return floor(x[0]); }
MAP_VALUE(value) { return vfloor(m->x[0]); }

const Op op_floor = {
    .name = "floor",
    .group = "activation",
    .summary = "each element rounded down to an integer",
    .detail = "y = the largest integer that is at most x; no gradient passes",
    .params = params,
    .example = "multiply(0.25) -> floor",
    .family = FAMILY_MAP,
    .traits.keeps_spatial = true,
    .shape = map_shape,
    .eval = map_run,
    .lower = lower_plain_map,
    .map_eval = below,
    .map = value,
};
