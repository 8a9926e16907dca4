/* minimum.c: minimum, y = min(x0, x1, ...). If several operands are equal to the minimum, they share the
 * gradient evenly, as in torch.minimum. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "ops/arithmetic/combine.h"

static const Param params[] = {
    {"x", PARAM_OPERANDS, NULL, "values of the same shape (or 1x1xC or HxWx1), or numbers", 0, 0, NULL}, {0}};

/* The gradient needs all operands, because it is shared by all operands that equal the smallest one. */
static uint32_t needs(const Node *node, int wrt) {
  (void)wrt;
  return (UINT32_C(1) << node->nin) - 1;
}

MAP_EVAL(smallest) {
  double y = x[0];
  for (int i = 1; i < combine_count(node); i++) {
    const double other = combine_x(node, i, x);
    if (other < y || isnan(other)) y = other;
  }
  return y;
}
/* The derivative. If an operand is NaN, so is the result; no operand equals NaN, so the derivative is 0. */
MAP_SLOPE(slope) {
  const double least = smallest(node, x, weight, c);
  int equals = 0;
  for (int i = 0; i < combine_count(node); i++) equals += combine_x(node, i, x) == least;
  return x[wrt] == least ? 1.0 / equals : 0;
}

/* NaN if any operand is NaN, as in maximum. */
MAP_VALUE(value) {
  Val minus = number(-1), y = mul(minus, m->x[0]);
  for (int i = 1; i < combine_count(m->node); i++) y = vmax_nan(y, mul(minus, combine_value(m, i)));
  return mul(minus, y);
}
MAP_GRADIENT(gradient) {
  Val x = m->x[wrt], least = value(m), equals = number(0);
  for (int i = 0; i < combine_count(m->node); i++)
    equals = add(equals, choose(equal(combine_value(m, i), least), number(1), number(0)));
  return choose(equal(x, least), div_(dy, equals), number(0));
}

const Op op_minimum = {
    .name = "minimum",
    .group = "combining",
    .summary = "elementwise minimum of the current value and other values",
    .detail =
        "y = min(x0, x1, ...); a 1x1xC operand is repeated at every pixel, an HxWx1 operand in every channel",
    .params = params,
    .example = "conv(16, 3x3) -> minimum(other)",
    .traits.equal_rows = true,
    .shape = combine_shape,
    MAP_OPERATOR,
    .map_eval = smallest,
    .map_slope = slope,
    .map_needs = needs,
    .map = value,
    .map_gradient = gradient,
};
