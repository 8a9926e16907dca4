/* silu.c: silu (swish), y = x * sigmoid(x)  (Elfwing, Uchibe and Doya, 2017). */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"
#include <math.h>

static const Param params[] = {{0}};

MAP_EVAL(silu) { return x[0] / (1 + exp(-x[0])); }
MAP_SLOPE(slope) {
  const double s = 1 / (1 + exp(-x[0]));
  return s * (1 + x[0] * (1 - s));
}
MAP_VALUE(value) { return mul(m->x[0], vsigmoid(m->x[0])); }
MAP_GRADIENT(gradient) {
  Val s = normal_factor(vsigmoid(m->x[0]));
  return mul(mul(dy, s), fma_(m->x[0], sub(number(1), s), number(1)));
}

const Op op_silu = {
    .name = "silu",
    .group = "activation",
    .summary = "sigmoid-weighted linear unit, also called swish",
    .detail = "y = x / (1 + exp(-x))",
    .params = params,
    .example = "conv(16, 3x3) -> batchnorm -> silu",
    .shape = map_shape,
    MAP_OPERATOR,
    .map_eval = silu,
    .map_slope = slope,
    .map_needs = map_needs_x,
    .map = value,
    .map_gradient = gradient,
};
