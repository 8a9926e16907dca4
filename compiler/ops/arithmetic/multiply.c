/* multiply.c: multiply, y = x0 * x1 * ..., used for gates, as in squeeze and excitation. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/arithmetic/combine.h"

static const Param params[] = {
    {"x", PARAM_OPERANDS, NULL, "values of the same shape (or 1x1xC or HxWx1), or numbers", 0, 0, NULL}, {0}};

static uint32_t needs(const Node *node, int wrt) {
  return ((UINT32_C(1) << node->nin) - 1) & ~(UINT32_C(1) << wrt);
} /* the gradient of an operand needs all other operands */

MAP_EVAL(product) {
  double y = x[0];
  for (int i = 1; i < combine_count(node); i++) y *= combine_x(node, i, x);
  return y;
}
MAP_SLOPE(slope) {
  double d = 1;
  for (int i = 0; i < combine_count(node); i++)
    if (combine_input(node, i) != wrt) d *= combine_x(node, i, x);
  return d;
}
MAP_VALUE(value) {
  Val y = m->x[0];
  for (int i = 1; i < combine_count(m->node); i++) y = mul(y, combine_value(m, i));
  return y;
}
MAP_GRADIENT(gradient) {
  for (int i = 0; i < combine_count(m->node); i++)
    if (combine_input(m->node, i) != wrt) dy = mul(dy, combine_value(m, i));
  return dy;
}

/* The index of the 1x1xC input of a product with an image (squeeze and excitation); -1: no such input. */
static int gate(const Node *node) {
  const Extent whole = shape_extent(node->shape);
  if (node->nin != 2 || combine_count(node) != 2 || whole.h * whole.w == 1) return -1;
  for (int k = 0; k < 2; k++) {
    const Extent e = shape_extent(node->in[k]->shape);
    if (e.h * e.w == 1 && e.c == whole.c && shape_equal(node->in[1 - k]->shape, node->shape)) return k;
  }
  return -1;
}

const Op op_multiply = {
    .name = "multiply",
    .group = "combining",
    .summary = "elementwise product of the current value and other values",
    .detail =
        "y = x0 * x1 * ...; a 1x1xC operand is repeated at every pixel, an HxWx1 operand in every channel",
    .params = params,
    .example = "global_avgpool -> dense(16) -> sigmoid -> multiply(features)",
    .shape = combine_shape,
    .traits.equal_rows = true,
    .traits.commutes = combine_turns,
    MAP_OPERATOR,
    .traits.gate = gate,
    .map_eval = product,
    .map_slope = slope,
    .map_needs = needs,
    .map = value,
    .map_gradient = gradient,
    .traits.int8 = INT8_MULTIPLY,
};
