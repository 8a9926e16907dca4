/* hard_swish.c: hard_swish, y = x * relu6(x + 3) / 6  (Howard et al., 2019). */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"
#include <math.h>

static const Param params[] = {{0}};

MAP_EVAL(hard_swish) { return x[0] * fmin(fmax(x[0] + 3, 0), 6) / 6; }
MAP_SLOPE(slope) { return x[0] <= -3 ? 0 : x[0] >= 3 ? 1 : x[0] / 3 + 0.5; }
MAP_VALUE(value) {
  return mul(m->x[0], mul(vmin(number(6), vmax(number(0), add(m->x[0], number(3)))), number(1.0 / 6)));
}
MAP_GRADIENT(gradient) {
  Val x = m->x[0], middle = mul(dy, fma_(x, number(1.0 / 3), number(0.5)));
  return choose(less_eq(x, number(-3)), number(0), choose(less_eq(number(3), x), dy, middle));
}

const Op op_hard_swish = {
    .name = "hard_swish",
    .group = "activation",
    .summary = "silu with a piecewise linear sigmoid",
    .detail = "y = x * min(max(x + 3, 0), 6) / 6",
    .params = params,
    .example = "conv(16, 3x3) -> batchnorm -> hard_swish",
    .shape = map_shape,
    MAP_OPERATOR,
    .map_eval = hard_swish,
    .map_slope = slope,
    .map_needs = map_needs_x,
    .map = value,
    .map_gradient = gradient,
};
