/* batch.c: filling batches from a data set, augmented and in the net's layout. */
// SPDX-License-Identifier: MIT-0
#include "batch.h"

#include <stdlib.h>
#include <string.h>

#include "measure.h"

static int64_t target_elements(const cnn_network *network, int32_t o) {
  cnn_judged judged = cnn_judge(network, o);
  if (!judged.has_target) return 0;
  return judged.class_target ? judged.positions : network->output[o].size;
}

static bool allocate(void **place, int64_t elements, size_t bytes) {
  *place = calloc((size_t)elements + 1, bytes);
  return *place != NULL;
}

bool cnn_batch_open(cnn_batch *batch, const cnn_network *network, int32_t capacity, bool targets) {
  *batch = (cnn_batch){.network = network, .capacity = capacity};
  size_t inputs = (size_t)network->inputs, outputs = (size_t)network->outputs;
  batch->input = calloc(inputs + 1, sizeof(void *));
  batch->raw = calloc(inputs + 1, sizeof(void *));
  batch->target = calloc(outputs + 1, sizeof(void *));
  batch->raw_target = calloc(outputs + 1, sizeof(void *));
  if (!batch->input || !batch->raw || !batch->target || !batch->raw_target) return false;
  int64_t largest = 0;
  for (int32_t i = 0; i < network->inputs; i++) {
    const cnn_port *port = &network->input[i];
    size_t bytes = cnn_type_bytes(port->type);
    if (!allocate(&batch->input[i], port->size * capacity, bytes) || !allocate(&batch->raw[i], port->size, bytes)) return false;
    if (port->size * (int64_t)bytes > largest) largest = port->size * (int64_t)bytes;
  }
  for (int32_t o = 0; targets && o < network->outputs; o++) {
    int64_t elements = target_elements(network, o);
    if (elements == 0) continue;
    if (!allocate(&batch->target[o], elements * capacity, 4) || !allocate(&batch->raw_target[o], elements, 4)) return false;
  }
  return allocate(&batch->moved, largest, 1);
}

void cnn_batch_close(cnn_batch *batch) {
  for (int32_t i = 0; batch->input && batch->raw && i < batch->network->inputs; i++) {
    free(batch->input[i]);
    free(batch->raw[i]);
  }
  for (int32_t o = 0; batch->target && batch->raw_target && o < batch->network->outputs; o++) {
    free(batch->target[o]);
    free(batch->raw_target[o]);
  }
  free(batch->input);
  free(batch->raw);
  free(batch->target);
  free(batch->raw_target);
  free(batch->moved);
  *batch = (cnn_batch){0};
}

/* Height and width that a move acts on: a sequence has one row; a vector cannot be moved. */
static bool plane_of(const cnn_port *port, int32_t *height, int32_t *width) {
  *height = port->rank == 3 ? port->dim[0] : 1;
  *width = port->rank == 3 ? port->dim[1] : port->dim[0];
  return port->rank > 1 && port->regions == 0;
}

/* The move for another plane than that of the first input: shifts shrink with it, and a single row is not turned upside down. */
static cnn_move move_for(const cnn_move *move, const cnn_port *first, int32_t height, int32_t width) {
  int32_t full_height, full_width;
  cnn_move scaled = *move;
  if (!plane_of(first, &full_height, &full_width)) return scaled;
  if (height != full_height) scaled.down = (int32_t)((int64_t)move->down * height / full_height);
  if (width != full_width) scaled.right = (int32_t)((int64_t)move->right * width / full_width);
  if (height == 1) scaled.down = 0, scaled.upend = false;
  return scaled;
}

/* u8 counts as 0..1, i8 as -1..1, as the contract of `target = input` says. */
static void input_as_target(const cnn_port *port, const void *values, float *target) {
  const float *f = values;
  const uint8_t *u = values;
  const int8_t *s = values;
  for (int64_t i = 0; i < port->size; i++) {
    target[i] = port->type == CNN_F32 ? f[i] : port->type == CNN_U8 ? (float)u[i] / 255.0f : (float)s[i] / 128.0f;
  }
}

static void move_target(cnn_batch *batch, int32_t o, const cnn_move *move, void *to) {
  const cnn_port *port = &batch->network->output[o];
  cnn_judged judged = cnn_judge(batch->network, o);
  int32_t height, width;
  bool plane = plane_of(port, &height, &width) && judged.positions > 1;
  size_t bytes = (size_t)target_elements(batch->network, o) * 4;
  if (!plane || !move) {
    memcpy(to, batch->raw_target[o], bytes);
    return;
  }
  cnn_move own = move_for(move, &batch->network->input[0], height, width);
  int32_t pixel = judged.class_target ? 4 : 4 * port->dim[port->rank - 1];
  cnn_move_picture(&own, batch->raw_target[o], to, height, width, pixel, judged.class_target ? 0xFF : 0); /* all bits set: class -1, ignored */
}

cnn_status cnn_batch_read(cnn_batch *batch, int32_t slot, const cnn_data *data, cnn_part part, int64_t index, const cnn_move *move) {
  const cnn_network *network = batch->network;
  cnn_status status = cnn_data_sample(data, part, index, batch->raw, batch->raw_target);
  if (status.code != CNN_OK) return status;
  if (move && cnn_move_is_nothing(move)) move = NULL;
  bool reflexive = network->recipe && network->recipe->target_is_input;
  for (int32_t i = 0; i < network->inputs; i++) {
    const cnn_port *port = &network->input[i];
    size_t bytes = cnn_type_bytes(port->type);
    const void *sample = batch->raw[i];
    int32_t height, width;
    if (move && plane_of(port, &height, &width)) {
      cnn_move own = move_for(move, &network->input[0], height, width);
      cnn_move_picture(&own, sample, batch->moved, height, width, (int32_t)bytes * port->dim[port->rank - 1], 0);
      sample = batch->moved;
    }
    cnn_port_arrange(port, sample, (char *)batch->input[i] + (size_t)(slot * port->size) * bytes);
    for (int32_t o = 0; i == 0 && reflexive && o < network->outputs; o++) {
      if (!batch->target[o] || network->output[o].size != port->size) continue;
      input_as_target(port, sample, (float *)batch->target[o] + slot * port->size);
    }
  }
  for (int32_t o = 0; o < network->outputs && !reflexive; o++) {
    if (batch->target[o]) move_target(batch, o, move, (char *)batch->target[o] + (size_t)(slot * target_elements(network, o)) * 4);
  }
  return cnn_success();
}
