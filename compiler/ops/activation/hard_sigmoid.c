/* hard_sigmoid.c: hard_sigmoid, y = relu6(x + 3) / 6 (Howard et al., 2019). */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"

static const Param params[] = {{0}};

MAP_EVAL(hard_sigmoid) { return x[0] <= -3 ? 0 : x[0] >= 3 ? 1 : (x[0] + 3) / 6; }
MAP_SLOPE(slope) { return x[0] > -3 && x[0] < 3 ? 1.0 / 6 : 0; }
MAP_VALUE(value) { return mul(vmin(number(6), vmax(number(0), add(m->x[0], number(3)))), number(1.0 / 6)); }
MAP_GRADIENT(gradient) { return choose(less(vabs(m->x[0]), number(3)), mul(dy, number(1.0 / 6)), number(0)); }

const Op op_hard_sigmoid = {
    .name = "hard_sigmoid",
    .group = "activation",
    .summary = "piecewise linear sigmoid",
    .detail = "y = min(max(x + 3, 0), 6) / 6",
    .params = params,
    .example = "global_avgpool -> dense(16) -> hard_sigmoid",
    .shape = map_shape,
    MAP_OPERATOR,
    .map_eval = hard_sigmoid,
    .map_slope = slope,
    .map_needs = map_needs_x,
    .map = value,
    .map_gradient = gradient,
};
