/* modulo.c: modulo, the remainder of a division that is rounded down: y = x - n*floor(x/n) has the sign of n,
 * as in torch.remainder. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"
#include <math.h>

static const Param params[] = {{"n", PARAM_NUMBER, NULL, "the divisor, any number except 0", 0, 0, NULL},
                               {0}};

static double divisor(const Node *node) { return (double)(float)arg_number(node, "n"); }

static void shape(ShapeContext *context, Node *node) {
  if (arg_const(node, "n")->kind == CONST_POISON) return;
  if (divisor(node) != 0) {
    map_shape(context, node);
    return;
  }
  Diag *diag = op_error_at(context, node, "n", DIAG_bad_value, "'n' of modulo is 0");
  diag_fact(diag, "y = x - n*floor(x/n)");
}

MAP_EVAL(rest) {
  const double n = divisor(node);
  return x[0] - n * floor(x[0] / n);
}
MAP_SLOPE(slope) { return 1; }
MAP_VALUE(value) {
  const double n = divisor(m->node);
  Val x = m->x[0], whole = vfloor(div_(x, number(n)));
  return sub(x, mul(number(n), whole));
}

const Op op_modulo = {
    .name = "modulo",
    .group = "activation",
    .summary = "remainder of each element after division by a number",
    .detail = "y = x - n*floor(x/n), so y has the sign of n; dy/dx = 1, as for PyTorch's remainder",
    .params = params,
    .example = "indices -> modulo(80)",
    .shape = shape,
    MAP_OPERATOR,
    .map_eval = rest,
    .map_slope = slope,
    .map = value,
};
