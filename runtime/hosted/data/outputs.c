/* outputs.c: Kinds of outputs, by their loss and activation, for comparisons with targets. */
// SPDX-License-Identifier: MIT-0
#include "hosted/data/outputs.h"

/* Whether any output has a loss. If none has a loss, all outputs with scores are compared with classes. */
static bool has_losses(const cnn_network *network) {
  for (int32_t o = 0; o < network->outputs; o++) {
    if (network->output[o].target != CNN_TARGET_NONE) return true;
  }
  return false;
}

cnn_judged cnn_judge(const cnn_network *network, int32_t o) {
  const cnn_port *port = &network->output[o];
  cnn_judged judged = {.channels = port->dim[port->rank - 1]};
  judged.positions = port->size / judged.channels;
  if (port->kind != CNN_OUTPUT_VALUES) return judged;
  judged.class_target =
      port->target == CNN_TARGET_CLASS || (!has_losses(network) && port->scores != CNN_SCORES_NONE);
  judged.has_target = judged.class_target || port->target == CNN_TARGET_VALUES;
  judged.binary = port->scores == CNN_SCORES_BINARY || port->scores == CNN_SCORES_BINARY_LOGIT;
  if (judged.binary) {
    judged.classes = judged.channels == 1 ? 2 : judged.channels;
  } else if (judged.class_target || port->scores != CNN_SCORES_NONE) {
    judged.classes = judged.channels;
  }
  return judged;
}
