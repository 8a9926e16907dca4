/* trainer.c: Training step of a cnn_network: gradients, accumulation, clipping, update, average. */
// SPDX-License-Identifier: MIT-0
#include "cnn_core.h"
#include "scalar.h"

#include <string.h>

#if defined __GNUC__ && !defined __clang__
#pragma GCC optimize("O3") /* at -O2 gcc does not vectorize the loops over parameters */
#endif

enum { ALIGNMENT = 64 };

static size_t round_up(size_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

/* Lays out the trainer's arrays one after the other, and returns their total size in bytes. If `memory` is
 * NULL, only returns the size. */
static size_t place(cnn_trainer *trainer, bool accumulates, char *memory) {
  const cnn_recipe *recipe = &trainer->recipe;
  size_t array = round_up((size_t)trainer->network->parameters * sizeof(float)), used = 0;
  int32_t slots = cnn_optimizer_slots(recipe);
  const bool wanted[6] = {true, true, accumulates, slots > 0, slots > 1, recipe->average > 0};
  float **member[6] = {&trainer->weights, &trainer->gradients, &trainer->sum,
                       &trainer->slot[0], &trainer->slot[1],   &trainer->average};
  for (int i = 0; i < 6; i++) {
    if (!wanted[i]) continue;
    if (memory) *member[i] = (float *)(void *)(memory + used);
    used += array;
  }
  if (memory) trainer->training = memory + used;
  return used + round_up(trainer->network->training_bytes);
}

size_t cnn_trainer_bytes(const cnn_network *network, const cnn_recipe *recipe, bool accumulates) {
  cnn_trainer trainer = {.network = network, .recipe = *recipe};
  return place(&trainer, accumulates, NULL);
}

void cnn_trainer_place(cnn_trainer *trainer, const cnn_network *network, const cnn_recipe *recipe,
                       bool accumulates, void *memory) {
  *trainer = (cnn_trainer){.network = network, .recipe = *recipe};
  size_t bytes = place(trainer, accumulates, memory);
  memset(memory, 0, bytes);
  cnn_schedule_begin(&trainer->schedule);
}

/* Copies statistics, such as running means and variances. Statistics have no gradients. So generated code
 * returns their new values in the array of gradients, at the statistics' offsets. */
static void copy_statistics(const cnn_network *network, float *to, const float *from) {
  for (int32_t i = 0; i < network->weights; i++) {
    const cnn_weight *weight = &network->weight[i];
    if (weight->role == CNN_STATISTIC || weight->role == CNN_PASSING)
      memcpy(to + weight->offset, from + weight->offset, (size_t)weight->size * sizeof(float));
  }
}

float cnn_trainer_batch(cnn_trainer *trainer, const void *const *input, const void *const *target,
                        int32_t count, float *const *output) {
  const cnn_network *network = trainer->network;
  const uint64_t seed = trainer->recipe.seed, batch = (uint64_t)trainer->batches;
  const float loss =
      trainer->exchange
          ? network->gradients_shared(trainer->weights, input, target, count, seed, batch, trainer->gradients,
                                      output, trainer->training, trainer->exchange)
          : network->gradients(trainer->weights, input, target, count, seed, batch, trainer->gradients,
                               output, trainer->training);
  trainer->batches++;
  copy_statistics(network, trainer->weights, trainer->gradients);
  if (trainer->sum) {
    const float scale = (float)count;
    for (int64_t i = 0; i < network->parameters; i++) trainer->sum[i] += scale * trainer->gradients[i];
  }
  trainer->samples += count;
  return loss;
}

/* Infinity and NaN have all exponent bits set, so adding one to the exponent carries into the sign bit. */
static bool overflows(const float *value, int64_t count) {
  uint32_t any = 0;
  for (int64_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, value + i, sizeof bits);
    any |= (bits & 0x7F800000) + 0x00800000;
  }
  return any >> 31;
}

int32_t cnn_trainer_overflow(const cnn_trainer *trainer) {
  const cnn_network *network = trainer->network;
  const float *gradients = trainer->sum ? trainer->sum : trainer->gradients;
  for (int32_t i = network->weights - 1; i >= 0; i--) {
    const cnn_weight *weight = &network->weight[i];
    const bool computed = weight->role == CNN_TRAINED || weight->role == CNN_STATISTIC;
    if (computed && overflows(gradients + weight->offset, weight->size)) return i;
  }
  return -1;
}

/* Scales the gradients by min(1, most / (norm + 1e-6)). There is one norm: over the gradients of all trained
 * weights. */
static void clip(const cnn_network *network, float *gradients, double most) {
  double square = 0;
  for (int32_t i = 0; i < network->weights; i++) {
    const cnn_weight *weight = &network->weight[i];
    if (weight->role != CNN_TRAINED) continue;
    for (int64_t j = weight->offset; j < weight->offset + weight->size; j++)
      square += (double)gradients[j] * (double)gradients[j];
  }
  double scale = most / (cnn_sqrt(square) + 1e-6);
  if (!(scale < 1)) return;
  for (int64_t i = 0; i < network->parameters; i++) gradients[i] *= (float)scale;
}

/* The first step copies the weights to the average, like PyTorch's AveragedModel. Running statistics are
 * copied in every step. */
static void move_average(cnn_trainer *trainer) {
  const cnn_network *network = trainer->network;
  float *average = trainer->average;
  const float *weights = trainer->weights, fresh = (float)(1 - trainer->recipe.average);
  if (trainer->steps == 1) {
    memcpy(average, weights, (size_t)network->parameters * sizeof(float));
    return;
  }
  for (int64_t i = 0; i < network->parameters; i++) average[i] += fresh * (weights[i] - average[i]);
  copy_statistics(network, average, weights);
}

void cnn_trainer_update(cnn_trainer *trainer, double rate) {
  const cnn_network *network = trainer->network;
  const cnn_recipe *recipe = &trainer->recipe;
  if (trainer->samples == 0) return;
  float *gradients = trainer->gradients;
  if (trainer->sum) { /* the mean gradient of all samples of the step, as for one batch */
    gradients = trainer->sum;
    const float scale = (float)(1 / (double)trainer->samples);
    for (int64_t i = 0; i < network->parameters; i++) gradients[i] *= scale;
  }
  if (recipe->clip_norm > 0) clip(network, gradients, recipe->clip_norm);
  trainer->steps++;
  for (int32_t i = 0; i < network->weights; i++) {
    const cnn_weight *weight = &network->weight[i];
    if (weight->role != CNN_TRAINED) continue;
    int64_t at = weight->offset;
    cnn_optimizer_step(recipe, trainer->weights + at, gradients + at,
                       trainer->slot[0] ? trainer->slot[0] + at : NULL,
                       trainer->slot[1] ? trainer->slot[1] + at : NULL, weight->size, trainer->steps, rate,
                       weight->decay != 0);
  }
  if (trainer->average) move_average(trainer);
  if (trainer->sum) memset(trainer->sum, 0, (size_t)network->parameters * sizeof(float));
  trainer->samples = 0;
}

bool cnn_trainer_quantize(cnn_trainer *trainer, double t) {
  const cnn_recipe *recipe = &trainer->recipe;
  if (!recipe->quantize) return false;
  float *on = trainer->weights + recipe->quantize_switch;
  const bool before = *on > 0, now = t >= recipe->quantize_start;
  *on = now ? 1 : 0;
  return now && !before;
}

float cnn_train_step(cnn_trainer *trainer, const void *const *input, const void *const *target, int32_t count,
                     float *const *output, double t) {
  cnn_trainer_quantize(trainer, t);
  float loss = cnn_trainer_batch(trainer, input, target, count, output);
  cnn_trainer_update(trainer, cnn_schedule_rate(&trainer->schedule, &trainer->recipe, t));
  return loss;
}

const float *cnn_trainer_result(const cnn_trainer *trainer) {
  return trainer->average && trainer->steps > 0 ? trainer->average : trainer->weights;
}
