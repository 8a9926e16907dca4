/* drawn.c: Random samples for measurements. */
// SPDX-License-Identifier: MIT-0
#include "hosted/data/drawn.h"

#include <math.h>
#include <stdio.h>

#include "hosted/data/dataset.h"
#include "hosted/data/outputs.h"

enum { SEED = 1 };

double cnn_drawn_normal(cnn_random random, uint32_t counter) { /* Box-Muller transform */
  const double u = 1 - (double)cnn_random_uniform(random, 2 * counter),
               v = (double)cnn_random_uniform(random, 2 * counter + 1);
  return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

/* A tone of 440 Hz in noise, 12 dB and 40 dB below full scale. j: index of the element. */
static double sound(const cnn_port *port, cnn_random random, int64_t j) {
  const int64_t frame = j % port->size / port->dim[port->rank - 1];
  const double hertz = port->rate > 880 ? 440 : 0.1 * (double)port->rate;
  const double turns = hertz * (double)frame / (double)(port->rate > 0 ? port->rate : 1);
  return 0.25 * sin(6.283185307179586 * (turns - floor(turns))) +
         0.01 * cnn_drawn_normal(random, (uint32_t)j);
}

static double limited(double x, double low, double high) { return x < low ? low : x > high ? high : x; }

/* Converts a number of -1 to 1 to the port's type. */
static double of_full_scale(const cnn_port *port, double x) {
  switch (port->type) {
  case CNN_U8: return limited(floor(128 + 127 * x), 0, 255);
  case CNN_I8: return limited(floor(128 * x), -128, 127);
  case CNN_I16: return limited(floor(32768 * x), -32768, 32767);
  default: return x;
  }
}

static double number(const cnn_port *port, cnn_random random, int64_t j) {
  const uint32_t limit = (uint32_t)(port->indices > 0 && port->indices < INT32_MAX ? port->indices : 1);
  switch (port->contents) {
  case CNN_BYTES: return (double)(cnn_random_bits(random, (uint32_t)j) >> 24) - 128 * (port->type == CNN_I8);
  case CNN_SOUND: return of_full_scale(port, sound(port, random, j));
  case CNN_INDICES: return (double)cnn_random_below(random, (uint32_t)j, limit);
  case CNN_MASK: return 1;
  default: break;
  }
  return port->type == CNN_I16 ? of_full_scale(port, cnn_drawn_normal(random, (uint32_t)j) / 8)
                               : cnn_drawn_normal(random, (uint32_t)j);
}

void cnn_drawn_input(const cnn_port *port, uint64_t stream, int64_t samples, void *values) {
  const cnn_random random = cnn_random_stream(SEED, CNN_STREAM_DATA, (uint32_t)stream);
  for (int64_t j = 0; j < port->size * samples; j++) cnn_port_store(port, values, j, number(port, random, j));
}

cnn_text cnn_drawn_text(const cnn_port *port) {
  static const char *const names[] = {[CNN_NORMAL] = "normal, deviation 1",
                                      [CNN_BYTES] = "bytes, 0 to 255",
                                      [CNN_SOUND] = "a tone in noise",
                                      [CNN_INDICES] = "indices, 0 to ",
                                      [CNN_MASK] = "ones"};
  const bool i8 = port->contents == CNN_BYTES && port->type == CNN_I8,
             i16 = port->contents == CNN_NORMAL && port->type == CNN_I16;
  cnn_text text;
  snprintf(text.text, sizeof text.text, "%s%.14s",
           i8    ? "bytes, -128 to 127"
           : i16 ? "normal, deviation 4,096"
                 : names[port->contents],
           port->contents == CNN_INDICES ? cnn_number_grouped(port->indices - 1).text : "");
  return text;
}

/* ---- targets */

static void draw_target(const cnn_batch *batch, int32_t o) {
  const cnn_judged judged = cnn_judge(batch->network, o);
  const cnn_port *port = &batch->network->output[o];
  const cnn_random random = cnn_random_stream(SEED, CNN_STREAM_DATA, 1000 + (uint32_t)o);
  const int64_t each = judged.class_target ? judged.positions : port->size;
  for (int64_t j = 0; j < each * batch->capacity; j++) {
    int32_t *class = (int32_t *)batch->target[o] + j;
    float *value = (float *)batch->target[o] + j;
    if (judged.class_target)
      *class = (int32_t)cnn_random_below(random, (uint32_t)j, (uint32_t)judged.classes);
    else if (judged.binary) *value = (float)(cnn_random_bits(random, (uint32_t)j) >> 31);
    else *value = (float)cnn_drawn_normal(random, (uint32_t)j);
  }
}

/* Reads samples of synthetic:shapes. False: they do not fit the net. */
static bool read_shapes(cnn_batch *batch) {
  cnn_data *data = NULL;
  cnn_reader reader = {0};
  const cnn_data_options options = CNN_DATA_DEFAULTS;
  cnn_status status = cnn_data_open(&data, "synthetic:shapes", batch->network, &options);
  if (status.code == CNN_OK && !cnn_reader_open(&reader, batch->network)) status.code = CNN_NO_MEMORY;
  for (int32_t slot = 0; status.code == CNN_OK && slot < batch->capacity; slot++)
    status = cnn_batch_read(batch, &reader, slot, data, CNN_PART_TRAIN, slot % 1000);
  if (reader.network) cnn_reader_close(&reader);
  cnn_data_close(data);
  return status.code == CNN_OK;
}

void cnn_drawn_batch(cnn_batch *batch) {
  const cnn_network *network = batch->network;
  const bool shapes = batch->target[cnn_ports(network)] && read_shapes(batch);
  for (int32_t i = 0; i < network->inputs; i++)
    if (!shapes || network->input[i].contents != CNN_BYTES)
      cnn_drawn_input(&network->input[i], (uint64_t)i, batch->capacity, batch->input[i]);
  for (int32_t o = 0; o < cnn_ports(network) && !shapes; o++)
    if (batch->target[o]) draw_target(batch, o);
  cnn_batch_reflect(batch);
  batch->count = batch->capacity;
}
