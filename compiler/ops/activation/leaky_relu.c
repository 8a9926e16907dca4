/* leaky_relu.c: leaky_relu, y = x for x > 0, otherwise slope*x  (Maas, Hannun and Ng, 2013). The derivative
 * at 0 is `slope`. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"

static const Param params[] = {{"slope", PARAM_NUMBER, "0.01", "the factor for negative values", 0, 0, NULL},
                               {0}};

/* If the slope is not negative, y > 0 exactly if x > 0, so the backward pass does not need x. */
static uint32_t needs(const Node *node, int wrt) {
  return arg_number(node, "slope") >= 0 ? map_needs_y(node, wrt) : map_needs_x(node, wrt);
}

MAP_EVAL(leaky_relu) { return x[0] > 0 ? x[0] : arg_number(node, "slope") * x[0]; }
MAP_SLOPE(slope) {
  const double a = arg_number(node, "slope");
  return (a >= 0 ? y : x[0]) > 0 ? 1 : a;
}
MAP_VALUE(value) {
  return choose(less(number(0), m->x[0]), m->x[0], mul(number(arg_number(m->node, "slope")), m->x[0]));
}
MAP_GRADIENT(gradient) {
  return choose(less(number(0), m->y ? m->y : m->x[0]), dy, mul(number(arg_number(m->node, "slope")), dy));
}

const Op op_leaky_relu = {
    .name = "leaky_relu",
    .group = "activation",
    .summary = "relu with a small slope for negative values",
    .detail = "y = x where x > 0, slope*x elsewhere",
    .params = params,
    .example = "conv(16, 3x3) -> leaky_relu(0.1)",
    .shape = map_shape,
    MAP_OPERATOR,
    .map_eval = leaky_relu,
    .map_slope = slope,
    .map_needs = needs,
    .map = value,
    .map_gradient = gradient,
    .traits.int8 = INT8_LEAKY,
};
