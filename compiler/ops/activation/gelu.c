/* gelu.c: gelu, y = x * P(X <= x) for a standard normal X = x/2 * (1 + erf(x / sqrt 2)), the exact form
 * (Hendrycks and Gimpel, 2016). */
// SPDX-License-Identifier: Apache-2.0
#include "ops/engine/map.h"
#include <math.h>

static const double sqrt_half = 0.70710678118654752440,
                    density_at_0 = 0.39894228040143267794; /* 1 / sqrt(2 pi) */

static const Param params[] = {{0}};

MAP_EVAL(gelu) { return 0.5 * x[0] * (1 + erf(x[0] * sqrt_half)); }
MAP_SLOPE(slope) { return 0.5 * (1 + erf(x[0] * sqrt_half)) + x[0] * density_at_0 * exp(-0.5 * x[0] * x[0]); }

static Val below_x(Map *m) {
  return fma_(number(0.5), verf(mul(m->x[0], number(sqrt_half))), number(0.5));
} /* P(X <= x) */

MAP_VALUE(value) { return mul(m->x[0], below_x(m)); }
MAP_GRADIENT(gradient) {
  Val x = m->x[0], density = mul(number(density_at_0), vexp(mul(mul(x, x), number(-0.5))));
  return mul(dy, fma_(x, density, below_x(m)));
}

const Op op_gelu = {
    .name = "gelu",
    .group = "activation",
    .summary = "Gaussian error linear unit, exact",
    .detail = "y = x/2 * (1 + erf(x / sqrt(2)))",
    .params = params,
    .example = "dense(64) -> gelu",
    .shape = map_shape,
    MAP_OPERATOR,
    .map_eval = gelu,
    .map_slope = slope,
    .map_needs = map_needs_x,
    .map = value,
    .map_gradient = gradient,
};
