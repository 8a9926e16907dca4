/* validate.c: Evaluation on validation samples after each epoch. */
// SPDX-License-Identifier: MIT-0
#include <math.h>

#include "hosted/base/threads.h"
#include "hosted/data/dataset.h"
#include "hosted/training/loss.h"
#include "hosted/training/training.h"

/* The loss of a batch as a training step computes it; the gradients are discarded. */
static double loss_of_batch(Training *training, const cnn_batch *batch, uint64_t number) {
  const cnn_network *network = training->network;
  cnn_trainer *trainer = &training->run.trainer;
  const float *weights = cnn_trainer_result(trainer);
  const void *const *input = (const void *const *)batch->input, *const *target =
                                                                    (const void *const *)batch->target;
  const uint64_t seed = trainer->recipe.seed;
  cnn_threads_use(network, cnn_pace_threads(&training->pace));
  if (!trainer->exchange)
    return (double)network->gradients(weights, input, target, batch->count, seed, number, trainer->gradients,
                                      NULL, trainer->training);
  cnn_exchange loss = *trainer->exchange; /* only for the loss: gradients are not exchanged */
  loss.sum = NULL;
  loss.poll = loss.wait = NULL;
  cnn_exchange_begin(&training->exchange, batch->count);
  return (double)network->gradients_shared(weights, input, target, batch->count, seed, number,
                                           trainer->gradients, NULL, trainer->training, &loss);
}

/* Computes the validation loss of a net for object detection. The losses of such a net read values that
 * inference does not compute. So the forward pass is the same as in training: batchnorm uses the statistics
 * of the batch, and dropout is active. The random numbers and the batches are the same in each epoch; batches
 * are in the order of the data, without augmentation. */
static cnn_status loss_of_objects(Training *training, int64_t samples, double *loss) {
  cnn_course course = training->course;
  course.from = CNN_PART_VAL;
  course.samples = samples;
  course.order = NULL;
  course.augment = course.cuts = false;
  double sum = 0;
  int64_t at = 0;
  cnn_status status = cnn_training_agree(training, cnn_loader_start(training->loader, &course, 0));
  for (uint64_t number = 0; at < samples && status.code == CNN_OK && !cnn_training_stopped(training);
       number++) {
    const cnn_batch *batch;
    status = cnn_training_agree(training, cnn_loader_next(training->loader, &batch));
    if (status.code != CNN_OK) break;
    sum += loss_of_batch(training, batch, number) * batch->count;
    at += batch->count;
  }
  cnn_loader_stop(training->loader);
  *loss = sum / (double)samples;
  return status;
}

static bool losses_known(const cnn_network *network) {
  for (int32_t o = 0; o < network->outputs; o++)
    if (network->output[o].loss && !cnn_loss_known(&network->output[o])) return false;
  return true;
}

cnn_status cnn_training_validate(Training *training, cnn_measures *measures) {
  const bool objects = training->network->truth_objects > 0;
  *measures = (cnn_measures){0};
  if (training->validated == 0 || cnn_training_stopped(training)) return cnn_success();
  cnn_training_send(training, (cnn_event){.kind = CNN_EVENT_VALIDATION});
  double start = cnn_clock();
  int64_t limit = training->options->dry_run ? training->course.batch : -1;
  cnn_status status = cnn_evaluator_run(
      training->evaluator, cnn_trainer_result(&training->run.trainer), training->data, CNN_PART_VAL, limit,
      cnn_exchange_alone(&training->exchange) ? training->options->stop : NULL, measures);
  if (status.code == CNN_OK && objects)
    status = loss_of_objects(training, measures->samples, &measures->loss);
  training->unread = status.code != CNN_OK && status.code != CNN_STOPPED;
  training->validation_seconds = cnn_clock() - start;
  if (status.code == CNN_OK && isnan(measures->loss) && (objects || losses_known(training->network))) {
    return cnn_failure(
        CNN_NOT_FINITE,
        "the validation loss of epoch %d is NaN. A smaller rate, clip_norm or a warmup may help",
        (int)training->run.finished + 1);
  }
  return status;
}
