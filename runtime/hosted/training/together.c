/* together.c: Agreement of processes that train together: they fail together, and stop at the same step. */
// SPDX-License-Identifier: MIT-0
#include "hosted/training/training.h"

static int signalled(const Training *training) {
  return training->options->stop ? *training->options->stop : 0;
}

bool cnn_training_stopped(const Training *training) {
  return (cnn_exchange_alone(&training->exchange) ? signalled(training) : training->stop) != 0;
}

cnn_status cnn_training_agree(Training *training, cnn_status status) {
  int stop = training->stop ? training->stop : signalled(training);
  status = cnn_exchange_agree(&training->exchange, status, &stop);
  training->stop = stop;
  return status;
}
