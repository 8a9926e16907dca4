/* mse.c: mse, the mean of (o - t)^2. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/loss/loss.h"

static const Param params[] = {{0}};

MAP_EVAL(loss) { return (x[0] - x[1]) * (x[0] - x[1]); }
MAP_SLOPE(slope) { return 2 * (x[0] - x[1]); }
MAP_VALUE(value) {
  Val d = sub(m->x[0], m->x[1]);
  return mul(d, d);
}
MAP_GRADIENT(gradient) { return mul(dy, mul(number(2), sub(m->x[0], m->x[1]))); }

const Op op_loss_mse = {
    .name = "mse",
    .summary = "mean squared error",
    .detail = "mean over all elements of (output - target)^2",
    .params = params,
    .example = "loss = mse",
    LOSS_ELEMENTS,
    .map_eval = loss,
    .map = value,
};
const Op op_loss_mse_scale = {.name = "mse scale", .params = params, LOSS_ELEMENTS_SCALE};
const Op op_loss_mse_gradient = {.name = "mse gradient",
                                 .params = params,
                                 LOSS_ELEMENTS_GRADIENT,
                                 .map_slope = slope,
                                 .map_gradient = gradient};
