/* diverge.c: Search for the first non-finite number: in the weights, the values, then the gradients. */
// SPDX-License-Identifier: MIT-0
#include "hosted/training/diverge.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "hosted/training/evaluate.h"

static bool all_finite(const float *value, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (!isfinite(value[i])) return false;
  return true;
}

static bool blame_weights(const cnn_trainer *trainer, char *text, size_t room) {
  const cnn_network *network = trainer->network;
  for (int32_t i = 0; i < network->weights; i++) {
    const cnn_weight *weight = &network->weight[i];
    if (all_finite(trainer->weights + weight->offset, weight->size)) continue;
    snprintf(text, room, ": %s is no longer finite", weight->name);
    return true;
  }
  return false;
}

static int64_t layer_size(const cnn_layer *layer) {
  int64_t size = layer->regions > 0 ? layer->regions : 1;
  for (int32_t d = 0; d < layer->rank; d++) size *= layer->dim[d];
  return size;
}

/* Computes the values of all layers for image `slot` of the batch, as in inference. Reports the first layer
 * that has a non-finite value. */
static bool blame_values(const cnn_network *network, const cnn_batch *batch, int32_t slot, void *memory,
                         const float *weights, char *text, size_t room) {
  const void **input = calloc((size_t)network->inputs + 1, sizeof *input);
  if (!input) return false;
  for (int32_t i = 0; i < network->inputs; i++) {
    const cnn_port *port = &network->input[i];
    input[i] = (const char *)batch->input[i] + (size_t)(slot * port->size) * cnn_type_bytes(port->type);
  }
  network->look->forward(memory, weights, input);
  bool found = false;
  for (int32_t l = 0; l < network->layers && !found; l++) {
    const cnn_layer *layer = &network->layer[l];
    const int64_t place = network->look->layer[l];
    if (place < 0 || all_finite((const float *)memory + place, layer_size(layer))) continue;
    snprintf(text, room, ": the values of the layer %s (line %d) are the first non-finite ones", layer->name,
             (int)layer->line);
    found = true;
  }
  free(input);
  return found;
}

static bool blame_layer(const cnn_trainer *trainer, const cnn_batch *batch, char *text, size_t room) {
  const cnn_network *network = trainer->network;
  if (!network->look) return false;
  void *memory = cnn_aligned(network->look->bytes);
  bool found = false;
  if (memory) network->look->pack(memory, trainer->weights);
  for (int32_t slot = 0; memory && slot < batch->count && !found; slot++) {
    found = blame_values(network, batch, slot, memory, trainer->weights, text, room);
  }
  free(memory);
  return found;
}

static bool blame_gradient(const cnn_trainer *trainer, char *text, size_t room) {
  const int32_t last = cnn_trainer_overflow(trainer);
  if (last < 0) return false;
  const cnn_weight *weight = &trainer->network->weight[last];
  snprintf(text, room, ": %s%s is not finite", weight->role == CNN_TRAINED ? "the gradient of " : "",
           weight->name);
  return true;
}

void cnn_blame(const cnn_trainer *trainer, const cnn_batch *batch, char *text, size_t room) {
  *text = 0;
  if (blame_weights(trainer, text, room)) return;
  if (!blame_layer(trainer, batch, text, room)) blame_gradient(trainer, text, room);
}
