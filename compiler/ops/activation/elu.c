/* elu.c: elu, y = x for x > 0, otherwise alpha*(exp(x) - 1)  (Clevert, Unterthiner and Hochreiter, 2015). */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"
#include <math.h>

static const Param params[] = {
    {"alpha", PARAM_NUMBER, "1", "y approaches -alpha for large negative inputs", 0, 0, NULL}, {0}};

/* If alpha is not negative, the derivative needs only y: y > 0 exactly if x > 0, and for x <= 0 the
 * derivative alpha*exp(x) is y + alpha. */
static uint32_t needs(const Node *node, int wrt) {
  return arg_number(node, "alpha") >= 0 ? map_needs_y(node, wrt) : map_needs_x(node, wrt);
}

MAP_EVAL(elu) { return x[0] > 0 ? x[0] : arg_number(node, "alpha") * expm1(x[0]); }
MAP_SLOPE(slope) {
  const double alpha = arg_number(node, "alpha");
  return alpha >= 0 ? (y > 0 ? 1 : y + alpha) : x[0] > 0 ? 1 : alpha * exp(x[0]);
}
MAP_VALUE(value) {
  Val alpha = number(arg_number(m->node, "alpha")), x = m->x[0];
  return choose(less(number(0), x), x, mul(alpha, sub(vexp(vmin(number(0), x)), number(1))));
}
MAP_GRADIENT(gradient) {
  Val alpha = number(arg_number(m->node, "alpha"));
  if (m->y) return mul(dy, choose(less(number(0), m->y), number(1), add(m->y, alpha)));
  Val power = normal_factor(vexp(vmin(number(0), m->x[0])));
  return mul(dy, choose(less(number(0), m->x[0]), number(1), mul(alpha, power)));
}

const Op op_elu = {
    .name = "elu",
    .group = "activation",
    .summary = "exponential linear unit",
    .detail = "y = x where x > 0, alpha*(exp(x) - 1) elsewhere",
    .params = params,
    .example = "dense(64) -> elu",
    .shape = map_shape,
    MAP_OPERATOR,
    .map_eval = elu,
    .map_slope = slope,
    .map_needs = needs,
    .map = value,
    .map_gradient = gradient,
};
