/* linear.c: linear, the mean of o * t. The target is the gradient of the caller's own loss, times the number
 * of output elements of all images of the batch. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/loss/loss.h"

static const Param params[] = {{0}};

MAP_EVAL(loss) { return x[0] * x[1]; }
MAP_SLOPE(slope) { return x[1]; }
MAP_VALUE(value) { return mul(m->x[0], m->x[1]); }
MAP_GRADIENT(gradient) { return mul(dy, m->x[1]); }

const Op op_loss_linear = {
    .name = "linear",
    .summary = "mean of output * target, for a loss whose gradient the caller computes",
    .detail = "mean over all elements of output * target. The target is the gradient of the caller's own "
              "loss, times the number of output elements of the batch",
    .params = params,
    .example = "loss = linear",
    LOSS_ELEMENTS,
    .map_eval = loss,
    .map = value,
};
const Op op_loss_linear_scale = {.name = "linear scale", .params = params, LOSS_ELEMENTS_SCALE};
const Op op_loss_linear_gradient = {.name = "linear gradient",
                                    .params = params,
                                    LOSS_ELEMENTS_GRADIENT,
                                    .map_slope = slope,
                                    .map_gradient = gradient};
