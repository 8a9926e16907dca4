/* divide.c: divide, y = x0 / x1. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "ops/arithmetic/combine.h"

static const Param params[] = {{"x", PARAM_OPERAND, NULL,
                                "the divisor: a value of the same shape (or 1x1xC or HxWx1), or a number", 0,
                                0, NULL},
                               {0}};

static void shape(ShapeContext *context, Node *node) {
  if (combine_input(node, 1) < 0 && combine_number(node, 1) == 0)
    op_error_at(context, node, "x", DIAG_division_by_zero, "divide by 0");
  else combine_shape(context, node);
}

static uint32_t needs(const Node *node, int wrt) {
  return node->nin < 2 ? 0 : wrt ? 2 | MAP_NEEDS_Y : 2;
} /* both gradients need x1; dy/dx1 = -y/x1 also needs y */

MAP_EVAL(quotient) { return x[0] / combine_x(node, 1, x); }
MAP_SLOPE(slope) { return wrt ? -y / x[1] : 1 / combine_x(node, 1, x); }
MAP_VALUE(value) {
  if (combine_input(m->node, 1) >= 0) return div_(m->x[0], m->x[1]);
  const double n = combine_number(m->node, 1);
  int exponent;
  /* Only the reciprocal of a power of two is exact. For example, 41 * (1/41) is below 1 in float, so
   * divide(41) -> floor would be wrong. */
  return fabs(frexp(n, &exponent)) == 0.5 ? mul(m->x[0], number(1 / n)) : div_(m->x[0], number(n));
}
MAP_GRADIENT(gradient) {
  if (wrt) return div_(mul(mul(number(-1), m->y), dy), m->x[1]);
  return combine_input(m->node, 1) < 0 ? mul(dy, number(1 / combine_number(m->node, 1))) : div_(dy, m->x[1]);
}

const Op op_divide = {
    .name = "divide",
    .group = "combining",
    .summary = "the current value divided by another value, elementwise",
    .detail = "y = x0 / x1; a 1x1xC operand is repeated at every pixel, an HxWx1 operand in every channel",
    .params = params,
    .example = "conv(16, 3x3) -> divide(255)",
    .traits.equal_rows = true,
    .shape = shape,
    MAP_OPERATOR,
    .map_eval = quotient,
    .map_slope = slope,
    .map_needs = needs,
    .map = value,
    .map_gradient = gradient,
};
