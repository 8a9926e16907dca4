/* binary_cross_entropy.c: binary_cross_entropy, the mean of -t*log p - (1 - t)*log(1 - p) with p =
 * sigmoid(o), computed from o:
 *
 * max(o, 0) - o*t + log(1 + exp(-|o|)),     derivative p - t */
// SPDX-License-Identifier: Apache-2.0
#include "ops/loss/loss.h"
#include <math.h>

static const Param params[] = {{0}};

extern const Op op_softmax, op_log_softmax;

/* Reports an error if the output is a softmax or log_softmax: this loss needs a sigmoid or raw scores. */
static void shape(ShapeContext *context, Node *node) {
  const Node *output = node->in[0];
  const bool absorbed = ((const LossDetail *)node->detail)->made != output;
  if (absorbed || (output->op != &op_softmax && output->op != &op_log_softmax)) {
    loss_elements_shape(context, node);
    return;
  }
  Diag *diag = op_error(context, node, DIAG_loss_mismatch,
                        "binary_cross_entropy takes a sigmoid or raw scores, but the output comes from %s",
                        output->op->name);
  op_note_origin(context, diag, output);
  diag_help(diag,
            "cross_entropy is for %s; with binary_cross_entropy each channel is a separate yes or no, "
            "after sigmoid",
            output->op->name);
}

MAP_EVAL(loss) { return (x[0] > 0 ? x[0] : 0) - x[0] * x[1] + log1p(exp(-fabs(x[0]))); }
MAP_SLOPE(slope) { return 1 / (1 + exp(-x[0])) - x[1]; }
MAP_VALUE(value) {
  Val o = m->x[0], small = vexp(mul(number(-1), vabs(o)));
  return add(sub(vmax(o, number(0)), mul(o, m->x[1])), vlog(add(small, number(1))));
}
MAP_GRADIENT(gradient) { return mul(dy, sub(normal_factor(vsigmoid(m->x[0])), m->x[1])); }

const Op op_loss_binary_cross_entropy = {
    .name = "binary_cross_entropy",
    .group = "loss",
    .summary = "binary cross entropy of each element",
    .detail = "mean over all elements of -t*log p - (1 - t)*log(1 - p), with p = sigmoid of the raw score "
              "and t = target",
    .params = params,
    .example = "loss = binary_cross_entropy",
    .shape = shape,
    .eval = loss_elements_run,
    .lower = loss_elements_lower,
    .map_eval = loss,
    .map = value,
};
const Op op_loss_binary_cross_entropy_scale = {
    .name = "binary_cross_entropy scale", .params = params, LOSS_ELEMENTS_SCALE};
const Op op_loss_binary_cross_entropy_gradient = {.name = "binary_cross_entropy gradient",
                                                  .params = params,
                                                  LOSS_ELEMENTS_GRADIENT,
                                                  .map_slope = slope,
                                                  .map_gradient = gradient};
