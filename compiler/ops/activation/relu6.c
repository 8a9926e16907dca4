/* relu6.c: relu6, y = min(max(x, 0), 6) (Krizhevsky, 2010; MobileNet). The derivative is 0 at 0 and at 6, and
 * 1 at NaN. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"

static const Param params[] = {{0}};

MAP_EVAL(relu6) { return x[0] > 6 ? 6 : x[0] < 0 ? 0 : x[0]; }
MAP_SLOPE(slope) { return !(y <= 0 || y >= 6); }
MAP_VALUE(value) { return vmin(number(6), vmax(number(0), m->x[0])); }
MAP_GRADIENT(gradient) {
  return choose(less_eq(m->y, number(0)), number(0), choose(less_eq(number(6), m->y), number(0), dy));
}

const Op op_relu6 = {
    .name = "relu6",
    .group = "activation",
    .summary = "relu that saturates: min(max(x, 0), 6)",
    .detail = "y = min(max(x, 0), 6)",
    .params = params,
    .example = "depthwise(3x3, pad=same) -> batchnorm -> relu6",
    .shape = map_shape,
    MAP_OPERATOR,
    .map_eval = relu6,
    .map_slope = slope,
    .map_needs = map_needs_y,
    .map = value,
    .map_gradient = gradient,
    .traits.int8 = INT8_RELU6,
};
