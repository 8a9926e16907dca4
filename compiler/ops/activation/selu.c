/* selu.c: selu, y = lambda * elu(x), with constants lambda and alpha that keep mean 0 and variance 1 from
 * layer to layer (Klambauer et al., 2017). */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"
#include <math.h>

static const double alpha = 1.6732632423543772848170429916717, lambda = 1.0507009873554804934193349852946;

static const Param params[] = {{0}};

MAP_EVAL(selu) { return lambda * (x[0] > 0 ? x[0] : alpha * expm1(x[0])); }
MAP_SLOPE(slope) { return y > 0 ? lambda : y + lambda * alpha; }
MAP_VALUE(value) {
  Val x = m->x[0];
  return choose(less(number(0), x), mul(number(lambda), x),
                mul(number(lambda * alpha), sub(vexp(vmin(number(0), x)), number(1))));
}
MAP_GRADIENT(gradient) {
  return mul(dy, choose(less(number(0), m->y), number(lambda), add(m->y, number(lambda * alpha))));
}

const Op op_selu = {
    .name = "selu",
    .group = "activation",
    .summary = "scaled exponential linear unit (self-normalizing)",
    .detail = "y = l*x where x > 0, l*a*(exp(x) - 1) elsewhere; l = 1.0507, a = 1.6733. Use init=lecun in "
              "the layer before selu",
    .params = params,
    .example = "dense(64, init=lecun) -> selu",
    .shape = map_shape,
    MAP_OPERATOR,
    .map_eval = selu,
    .map_slope = slope,
    .map_needs = map_needs_y,
    .map = value,
    .map_gradient = gradient,
};
