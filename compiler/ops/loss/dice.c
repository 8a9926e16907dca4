/* dice.c: dice, one minus the overlap of predicted and true pixels  (Milletari, Navab and Ahmadi, 2016). Its
 * output is checked; it is not built. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/loss/loss.h"

static const Param params[] = {{0}};

static void shape(ShapeContext *context, Node *node) {
  const Node *output = node->in[0];
  if (output->shape.rank != 1) {
    node->shape = shape_vector(1);
    return;
  }
  Diag *diag = op_error(context, node, DIAG_loss_mismatch, "dice compares pixels, but the output %s has none",
                        shape_text(context->arena, output->shape));
  op_note_origin(context, diag, output);
  diag_help(diag, "cross_entropy is for one label a picture");
}

const Op op_loss_dice = {
    .name = "dice",
    .group = "loss",
    .summary = "overlap of predicted and true pixels",
    .detail = "1 - (2 * sum p*t + 1) / (sum p + sum t + 1)",
    .params = params,
    .example = "loss = dice",
    .class_target = true,
    .shape = shape,
};
