/* maximum.c: maximum, y = max(x0, x1, ...)  (maxout: Goodfellow et al., 2013). If several operands are equal
 * to the maximum, they share the gradient evenly, as in torch.maximum. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "ops/arithmetic/combine.h"

static const Param params[] = {
    {"x", PARAM_OPERANDS, NULL, "values of the same shape (or 1x1xC or HxWx1), or numbers", 0, 0, NULL}, {0}};

/* The gradient needs all operands, because it is shared by all operands that equal the largest one. */
static uint32_t needs(const Node *node, int wrt) {
  (void)wrt;
  return (UINT32_C(1) << node->nin) - 1;
}

MAP_EVAL(largest) {
  double y = x[0];
  for (int i = 1; i < combine_count(node); i++) {
    const double other = combine_x(node, i, x);
    if (other > y || isnan(other)) y = other;
  }
  return y;
}
/* The derivative. If an operand is NaN, so is the result; no operand equals NaN, so the derivative is 0. */
MAP_SLOPE(slope) {
  const double most = largest(node, x, weight, c);
  int equals = 0;
  for (int i = 0; i < combine_count(node); i++) equals += combine_x(node, i, x) == most;
  return x[wrt] == most ? 1.0 / equals : 0;
}
MAP_VALUE(value) {
  Val y = m->x[0];
  for (int i = 1; i < combine_count(m->node); i++) y = vmax_nan(y, combine_value(m, i));
  return y;
}
MAP_GRADIENT(gradient) {
  Val x = m->x[wrt], most = value(m), equals = number(0);
  for (int i = 0; i < combine_count(m->node); i++)
    equals = add(equals, choose(equal(combine_value(m, i), most), number(1), number(0)));
  return choose(equal(x, most), div_(dy, equals), number(0));
}

const Op op_maximum = {
    .name = "maximum",
    .group = "combining",
    .summary = "elementwise maximum of the current value and other values",
    .detail =
        "y = max(x0, x1, ...); a 1x1xC operand is repeated at every pixel, an HxWx1 operand in every channel",
    .params = params,
    .example = "conv(16, 3x3) -> maximum(other)",
    .traits.equal_rows = true,
    .shape = combine_shape,
    MAP_OPERATOR,
    .map_eval = largest,
    .map_slope = slope,
    .map_needs = needs,
    .map = value,
    .map_gradient = gradient,
};
