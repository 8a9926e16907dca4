/* softplus.c: softplus, y = log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), which does not overflow. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"
#include <math.h>

static const Param params[] = {{0}};

MAP_EVAL(softplus) { return (x[0] > 0 ? x[0] : 0) + log1p(exp(-fabs(x[0]))); }
MAP_SLOPE(slope) { return 1 / (1 + exp(-x[0])); }
MAP_VALUE(value) {
  Val x = m->x[0], small = vexp(mul(number(-1), vabs(x)));
  return add(vmax(x, number(0)), vlog(add(small, number(1))));
}
MAP_GRADIENT(gradient) { return mul(dy, normal_factor(vsigmoid(m->x[0]))); }

const Op op_softplus = {
    .name = "softplus",
    .group = "activation",
    .summary = "a smooth relu, always positive",
    .detail = "y = log(1 + exp(x))",
    .params = params,
    .example = "dense(1) -> softplus",
    .shape = map_shape,
    MAP_OPERATOR,
    .map_eval = softplus,
    .map_slope = slope,
    .map_needs = map_needs_x,
    .map = value,
    .map_gradient = gradient,
};
