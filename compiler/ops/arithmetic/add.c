/* add.c: add, y = x0 + x1 + ..., which joins the branches of a residual network. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/arithmetic/combine.h"

static const Param params[] = {
    {"x", PARAM_OPERANDS, NULL, "values of the same shape (or 1x1xC or HxWx1), or numbers", 0, 0, NULL}, {0}};

MAP_EVAL(sum) {
  double y = x[0];
  for (int i = 1; i < combine_count(node); i++) y += combine_x(node, i, x);
  return y;
}
MAP_VALUE(value) {
  Val y = m->x[0];
  for (int i = 1; i < combine_count(m->node); i++) y = add(y, combine_value(m, i));
  return y;
}

const Op op_add = {
    .name = "add",
    .group = "combining",
    .summary = "elementwise sum of the current value and other values",
    .detail =
        "y = x0 + x1 + ...; a 1x1xC operand is repeated at every pixel, an HxWx1 operand in every channel",
    .params = params,
    .example = "conv(16, 3x3, pad=same) -> add(shortcut) -> relu",
    .shape = combine_shape,
    .traits.equal_rows = true,
    .traits.commutes = combine_turns,
    MAP_OPERATOR,
    .map_eval = sum,
    .map = value,
    .traits.int8 = INT8_SUM,
};
