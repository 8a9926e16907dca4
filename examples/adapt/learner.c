/* learner.c: training on a device, with generated code and the runtime's core. Both of these are
 * freestanding: they allocate no memory, open no files, and call only memcpy and memset.
 *
 *     cnnc adapt.cnn --train --weights=lenet5.safetensors -o adapt.c
 *     cc -O2 -ffreestanding -I RUNTIME/include -c adapt.c learner.c
 *         RUNTIME/core/{trainer,optimizer,schedule,scalar}.c */
// SPDX-License-Identifier: MIT-0
#include "learner.h"
#include "adapt.h"
#include "cnn_core.h"

enum {
  PIECES = 3, /* arrays as large as the weights: the weights, their gradients, the momentum */
  ARENA_BYTES = ADAPT_TRAINING_BYTES + PIECES * ADAPT_PARAMETERS * (int)sizeof(float) + 8 * ADAPT_ALIGNMENT
};
static _Alignas(ADAPT_ALIGNMENT) unsigned char arena[ARENA_BYTES];
static adapt_model model; /* the current weights, packed for inference */
static adapt_workspace workspace;
static cnn_trainer trainer;
static uint8_t image[ADAPT_TRAIN_BATCH][IMAGE_BYTES];
static int32_t label[ADAPT_TRAIN_BATCH], waiting;
static bool stopped;

/* Neither NaN nor infinity; without <math.h>. */
static bool is_finite(float x) { return x - x == 0; }

static bool weights_are_finite(void) {
  for (int32_t i = 0; i < ADAPT_PARAMETERS; i++)
    if (!is_finite(trainer.weights[i])) return false;
  return true;
}

bool learner_begin(void) {
  const cnn_network *network = &adapt_network;
  if (cnn_trainer_bytes(network, network->recipe, false) > sizeof arena) return false;
  cnn_trainer_place(&trainer, network, network->recipe, false, arena);
  for (int32_t i = 0; i < ADAPT_PARAMETERS; i++) trainer.weights[i] = network->initial[i];
  network->pack(&model, trainer.weights);
  waiting = 0;
  stopped = false;
  return true;
}

int32_t learner_predict(const uint8_t in[IMAGE_BYTES]) {
  float score[ADAPT_OUTPUT_SIZE];
  adapt_infer(&model, in, score, &workspace);
  int32_t best = 0;
  for (int32_t c = 1; c < ADAPT_OUTPUT_SIZE; c++)
    if (score[c] > score[best]) best = c;
  return best;
}

bool learner_sample(const uint8_t in[IMAGE_BYTES], int32_t truth) {
  if (stopped) return false;
  for (int32_t i = 0; i < IMAGE_BYTES; i++) image[waiting][i] = in[i];
  label[waiting++] = truth;
  if (waiting < ADAPT_TRAIN_BATCH) return true;
  const void *input[] = {image}, *target[] = {label};
  float *output[] = {0};
  const float loss = cnn_train_step(&trainer, input, target, waiting, output, 0);
  waiting = 0;
  stopped = !is_finite(loss) || !weights_are_finite(); /* if so, the model of the previous step remains */
  if (!stopped) adapt_network.pack(&model, trainer.weights);
  return !stopped;
}
