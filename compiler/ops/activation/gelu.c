/* gelu.c: gelu, y = x * P(X <= x), where X has the standard normal distribution (Hendrycks and Gimpel, 2016).
 * Exact form: x/2 * (1 + erf(x / sqrt(2))). Tanh approximation: x/2 * (1 + tanh(u)), where u = sqrt(2/pi) *
 * (x + 0.044715 * x^3). */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"
#include <math.h>

static const double sqrt_half = 0.70710678118654752440,
                    density_at_0 = 0.39894228040143267794, /* 1 / sqrt(2 pi) */
    root_2_pi = 0.79788456080286535588, cubic = 0.044715;  /* constants of the tanh approximation */

static const Param params[] = {{"approximate", PARAM_CHOICE, "none",
                                "tanh: the tanh approximation, as in PyTorch and Keras", 0, 0, "none tanh"},
                               {0}};

static bool by_tanh(const Node *node) { return arg_is(node, "approximate", "tanh"); }

static double bent(double x) { return tanh(root_2_pi * (x + cubic * x * x * x)); }

MAP_EVAL(gelu) { return 0.5 * x[0] * (1 + (by_tanh(node) ? bent(x[0]) : erf(x[0] * sqrt_half))); }
MAP_SLOPE(slope) {
  if (!by_tanh(node))
    return 0.5 * (1 + erf(x[0] * sqrt_half)) + x[0] * density_at_0 * exp(-0.5 * x[0] * x[0]);
  const double t = bent(x[0]);
  return 0.5 * (1 + t) + 0.5 * x[0] * (1 - t * t) * root_2_pi * (1 + 3 * cubic * x[0] * x[0]);
}

static Val tanh_value(Map *m) {
  Val x = m->x[0], inner = fma_(mul(mul(x, x), number(cubic)), x, x);
  return vtanh(mul(inner, number(root_2_pi)));
}

static Val below_x(Map *m) { /* P(X <= x) */
  return by_tanh(m->node) ? fma_(number(0.5), tanh_value(m), number(0.5)) : vnormal_cdf(m->x[0]);
}

MAP_VALUE(value) { return mul(m->x[0], below_x(m)); }
MAP_GRADIENT(gradient) {
  Val x = m->x[0];
  if (by_tanh(m->node)) {
    Val t = tanh_value(m), flat = fma_(mul(number(-1), t), t, number(1)),
        slope_ = fma_(mul(number(3 * cubic * root_2_pi), x), x, number(root_2_pi));
    return mul(dy, fma_(mul(number(0.5), x), mul(flat, slope_), fma_(number(0.5), t, number(0.5))));
  }
  Val density = mul(number(density_at_0), normal_factor(vexp(mul(mul(x, x), number(-0.5)))));
  return mul(dy, fma_(x, density, normal_factor(below_x(m))));
}

const Op op_gelu = {
    .name = "gelu",
    .group = "activation",
    .summary = "Gaussian error linear unit, exact or with the tanh approximation",
    .detail = "y = x/2 * (1 + erf(x / sqrt(2))); approximate=tanh: y = x/2 * (1 + tanh(sqrt(2/pi) * (x + "
              "0.044715*x^3)))",
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
