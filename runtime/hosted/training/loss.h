/* loss.h: Losses of the outputs of infer, for validation. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_LOSS_H
#define CNN_LOSS_H
#include <stdbool.h>
#include "cnn_network.h"

typedef struct cnn_loss_sum {
  double sum, weight;
} cnn_loss_sum; /* the mean is sum/weight */

bool cnn_loss_known(const cnn_port *output); /* whether infer's outputs suffice to compute the loss */
/* The loss of one sample on one output. For cross_entropy with class weights, each position has the
 * weight of its true class, as in PyTorch's mean. */
cnn_loss_sum cnn_loss_sample(const cnn_port *output, const float *values, const void *target);
double cnn_loss_weight(const cnn_port *output); /* weight of this output's loss in the total */
#endif
