/* huber.c: huber: d^2/2 for |d| <= delta, otherwise delta*(|d| - delta/2), with d = o - t  (Huber, 1964;
 * PyTorch's HuberLoss). */
// SPDX-License-Identifier: Apache-2.0
#include "ops/loss/loss.h"
#include <math.h>

static const Param params[] = {{"delta", PARAM_NUMBER, "1",
                                "difference above which the loss is linear instead of quadratic", 1e-9, 1e15,
                                NULL},
                               {0}};

MAP_EVAL(loss) {
  const double delta = arg_number(node, "delta"), d = fabs(x[0] - x[1]);
  return d <= delta ? 0.5 * d * d : delta * (d - 0.5 * delta);
}
MAP_SLOPE(slope) {
  const double delta = arg_number(node, "delta"), d = x[0] - x[1];
  return d > delta ? delta : d < -delta ? -delta : d;
}
MAP_VALUE(value) {
  Val delta = number(arg_number(m->node, "delta")), d = vabs(sub(m->x[0], m->x[1])),
      inner = vmin(d, delta); /* inner*d - inner^2/2 covers both cases */
  return mul(inner, sub(d, mul(number(0.5), inner)));
}
MAP_GRADIENT(gradient) {
  const double delta = arg_number(m->node, "delta");
  return mul(dy, vmin(number(delta), vmax(number(-delta), sub(m->x[0], m->x[1]))));
}

const Op op_loss_huber = {
    .name = "huber",
    .summary = "squared error for small differences, absolute error for large differences",
    .detail =
        "d = output - target; mean over all elements of d^2/2 if |d| <= delta, else delta*(|d| - delta/2)",
    .params = params,
    .example = "loss = huber(delta=0.5)",
    LOSS_ELEMENTS,
    .map_eval = loss,
    .map = value,
};
const Op op_loss_huber_scale = {.name = "huber scale", .params = params, LOSS_ELEMENTS_SCALE};
const Op op_loss_huber_gradient = {.name = "huber gradient",
                                   .params = params,
                                   LOSS_ELEMENTS_GRADIENT,
                                   .map_slope = slope,
                                   .map_gradient = gradient};
