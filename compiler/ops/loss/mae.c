/* mae.c: mae, the mean of |o - t|; its derivative at 0 is 0. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/loss/loss.h"
#include <math.h>

static const Param params[] = {{0}};

MAP_EVAL(loss) { return fabs(x[0] - x[1]); }
MAP_SLOPE(slope) { return x[0] > x[1] ? 1 : x[0] < x[1] ? -1 : 0; }
MAP_VALUE(value) { return vabs(sub(m->x[0], m->x[1])); }
MAP_GRADIENT(gradient) {
  return choose(less(m->x[1], m->x[0]), dy, choose(less(m->x[0], m->x[1]), mul(number(-1), dy), number(0)));
}

const Op op_loss_mae = {
    .name = "mae",
    .summary = "mean absolute error",
    .detail = "mean over all elements of |output - target|",
    .params = params,
    .example = "loss = mae",
    LOSS_ELEMENTS,
    .map_eval = loss,
    .map = value,
};
const Op op_loss_mae_scale = {.name = "mae scale", .params = params, LOSS_ELEMENTS_SCALE};
const Op op_loss_mae_gradient = {.name = "mae gradient",
                                 .params = params,
                                 LOSS_ELEMENTS_GRADIENT,
                                 .map_slope = slope,
                                 .map_gradient = gradient};
