/* batch.c: Filling of batches with samples of a data set: augmentation, conversion to the net's layout. */
// SPDX-License-Identifier: MIT-0
#include "hosted/data/batch.h"

#include <stdlib.h>
#include <string.h>

#include "hosted/data/dataset.h"
#include "hosted/data/pixels.h"
#include "hosted/data/outputs.h"

static int64_t target_elements(const cnn_network *network, int32_t o) {
  cnn_judged judged = cnn_judge(network, o);
  if (!judged.has_target) return 0;
  return judged.class_target ? judged.positions : network->output[o].size;
}

static bool allocate(void **place, int64_t elements, size_t bytes) {
  *place = calloc((size_t)elements + 1, bytes);
  return *place != NULL;
}

/* Allocates `samples` samples. */
static bool parts_open(cnn_parts *parts, const cnn_network *network, int64_t samples, bool targets) {
  parts->input = calloc((size_t)network->inputs + 1, sizeof(void *));
  parts->target = calloc((size_t)cnn_ports(network) + 1, sizeof(void *));
  if (!parts->input || !parts->target) return false;
  for (int32_t i = 0; i < network->inputs; i++)
    if (!allocate(&parts->input[i], network->input[i].size * samples, cnn_type_bytes(network->input[i].type)))
      return false;
  for (int32_t o = 0; targets && o < cnn_ports(network); o++) {
    const int64_t elements = target_elements(network, o);
    if (elements > 0 && !allocate(&parts->target[o], elements * samples, 4)) return false;
  }
  return !targets || network->truth_objects == 0 ||
         allocate(&parts->target[cnn_ports(network)], samples, network->truth_bytes);
}

static void parts_close(cnn_parts *parts, const cnn_network *network) {
  for (int32_t i = 0; parts->input && i < network->inputs; i++) free(parts->input[i]);
  for (int32_t o = 0; parts->target && o <= cnn_ports(network); o++) free(parts->target[o]);
  free(parts->input);
  free(parts->target);
  *parts = (cnn_parts){0};
}

/* The plane that augmentation uses: a sequence has one row; a vector is one pixel. */
static cnn_plane plane_of(const cnn_port *port) {
  const int32_t channels = port->dim[port->rank - 1];
  if (port->calls > 1 && port->rank < 3) return (cnn_plane){1, (int32_t)(port->size / channels), channels};
  if (port->regions > 0) return (cnn_plane){1, 1, (int32_t)port->size};
  return (cnn_plane){port->rank == 3 ? port->dim[0] : 1,
                     port->rank == 3   ? port->dim[1]
                     : port->rank == 2 ? port->dim[0]
                                       : 1,
                     port->dim[port->rank - 1]};
}

bool cnn_batch_open(cnn_batch *batch, const cnn_network *network, int32_t capacity, bool targets) {
  *batch = (cnn_batch){.network = network, .capacity = capacity};
  cnn_parts all = {0};
  const bool opened = parts_open(&all, network, capacity, targets);
  batch->input = all.input;
  batch->target = all.target;
  return opened;
}

void cnn_batch_close(cnn_batch *batch) {
  parts_close(&(cnn_parts){batch->input, batch->target}, batch->network);
  *batch = (cnn_batch){0};
}

bool cnn_reader_open(cnn_reader *reader, const cnn_network *network) {
  *reader = (cnn_reader){.network = network};
  int64_t scratch = 0;
  for (int32_t i = 0; i < network->inputs; i++) {
    const int64_t floats = cnn_augment_scratch(plane_of(&network->input[i]));
    if (floats > scratch) scratch = floats;
  }
  reader->scratch = malloc((size_t)(scratch + 1) * sizeof(float));
  return reader->scratch && parts_open(&reader->raw, network, 1, true) &&
         parts_open(&reader->own, network, 1, true) && parts_open(&reader->other, network, 1, true);
}

void cnn_reader_close(cnn_reader *reader) {
  parts_close(&reader->raw, reader->network);
  parts_close(&reader->own, reader->network);
  parts_close(&reader->other, reader->network);
  free(reader->scratch);
  cnn_truth_free(&reader->truth);
  *reader = (cnn_reader){0};
}

/* Converts input values to a target: u8 to 0..1, i8 and i16 to -1..1, as documented for `target = input`. */
static void input_as_target(const cnn_port *port, const void *values, float *target) {
  static const float full[] = {
      [CNN_F32] = 1, [CNN_U8] = 255, [CNN_I8] = 128, [CNN_I16] = 32768, [CNN_I32] = 1};
  for (int64_t i = 0; i < port->size; i++)
    target[i] = (float)cnn_port_number(port, values, i) / full[port->type];
}

static bool is_reflexive(const cnn_network *network) {
  return network->recipe && network->recipe->target_is_input;
}

/* ---- objects */
static void record_put(const cnn_reader *reader, const cnn_parts *sample) {
  const cnn_network *network = reader->network;
  if (network->truth_objects > 0)
    cnn_truth_record(&reader->truth, network->truth_objects, network->truth_height, network->truth_width,
                     sample->target[cnn_ports(network)]);
}

/* Decodes the image once, for the input and for its annotations. */
static cnn_status objects_read(cnn_reader *reader, const cnn_data *data, cnn_part part, int64_t index) {
  const cnn_port *port = &reader->network->input[0];
  cnn_image image;
  cnn_truth_free(&reader->truth);
  cnn_status status = cnn_data_truth(data, part, index, &image, &reader->truth);
  if (status.code != CNN_OK) return status;
  status = cnn_image_feed(&image, port, data->options.fit, reader->raw.input[0]);
  cnn_image_free(&image);
  const cnn_truth *truth = &reader->truth;
  if (truth->pixels) cnn_pixels_store(data, truth->pixels, truth->height, truth->width, reader->raw.target);
  if (status.code == CNN_OK)
    status = cnn_truth_fit(&reader->truth, port->dim[0], port->dim[1], data->options.fit);
  return status;
}

/* Reads a sample without augmentation; place: see cnn_data_cut. */
static cnn_status raw_read(cnn_reader *reader, const cnn_data *data, cnn_part part, int64_t index,
                           double place) {
  if (reader->network->truth_objects == 0)
    return cnn_data_cut(data, part, index, place, reader->raw.input, reader->raw.target);
  const cnn_status status = objects_read(reader, data, part, index);
  if (status.code == CNN_OK) record_put(reader, &reader->raw);
  return status;
}

static void reflect(const cnn_network *network, int32_t o, const void *input, void *target) {
  if (network->output[o].size == network->input[0].size) input_as_target(&network->input[0], input, target);
}

void cnn_batch_reflect(cnn_batch *batch) {
  const cnn_network *network = batch->network;
  const size_t bytes = (size_t)network->input[0].size * cnn_type_bytes(network->input[0].type);
  for (int32_t o = 0; o < cnn_ports(network) && is_reflexive(network); o++)
    for (int32_t slot = 0; batch->target[o] && slot < batch->capacity; slot++)
      reflect(network, o, (const char *)batch->input[0] + (size_t)slot * bytes,
              (float *)batch->target[o] + slot * target_elements(network, o));
}

/* Copies a sample into its slot of the batch, in the net's layout. */
static void put_sample(cnn_batch *batch, int32_t slot, const cnn_parts *sample) {
  const cnn_network *network = batch->network;
  for (int32_t i = 0; i < network->inputs; i++) {
    const cnn_port *port = &network->input[i];
    cnn_port_arrange(port, sample->input[i],
                     (char *)batch->input[i] + (size_t)(slot * port->size) * cnn_type_bytes(port->type));
  }
  for (int32_t o = 0; o < cnn_ports(network); o++) {
    if (!batch->target[o]) continue;
    const int64_t elements = target_elements(network, o);
    char *to = (char *)batch->target[o] + (size_t)(slot * elements) * 4;
    if (!is_reflexive(network)) memcpy(to, sample->target[o], (size_t)elements * 4);
    else reflect(network, o, sample->input[0], to);
  }
  const int32_t truth = cnn_ports(network);
  if (batch->target[truth])
    memcpy((char *)batch->target[truth] + (size_t)slot * network->truth_bytes, sample->target[truth],
           network->truth_bytes);
}

cnn_status cnn_batch_read(cnn_batch *batch, cnn_reader *reader, int32_t slot, const cnn_data *data,
                          cnn_part part, int64_t index) {
  const cnn_status status = raw_read(reader, data, part, index, -1);
  if (status.code == CNN_OK) put_sample(batch, slot, &reader->raw);
  return status;
}

/* ---- augmentation */
static int64_t index_of(const cnn_course *course, int64_t at) {
  return course->order ? course->order[at] : at;
}

static cnn_plane target_plane(const cnn_network *network, int32_t o) {
  const cnn_judged judged = cnn_judge(network, o);
  const cnn_port *port = &network->output[o];
  cnn_plane plane = port->calls > 1 ? (cnn_plane){1, 1, (int32_t)port->size} : plane_of(port);
  if (judged.class_target) plane.channels = 1;
  return plane;
}

static cnn_augmentation augmentation_of(const cnn_reader *reader, const cnn_course *course, int64_t at) {
  const cnn_port *port = &reader->network->input[0];
  cnn_augmentation drawn = cnn_augment_draw(course->recipe, plane_of(port), course->recipe->seed,
                                            (uint32_t)course->epoch, (uint32_t)index_of(course, at));
  drawn.rate = port->rate;
  drawn.noise = course->data->noise;
  return drawn;
}

/* The position of a random cut in a recording, from 0 to 1; -1: no random cuts. Cuts have a separate random
 * stream, so that they do not change the random numbers of augmentations. */
static double place_of(const cnn_course *course, int64_t at) {
  if (!course->cuts) return -1;
  const cnn_random stream = cnn_random_stream(course->recipe->seed, CNN_STREAM_CUT, (uint32_t)course->epoch);
  return (double)cnn_random_bits(stream, (uint32_t)index_of(course, at)) * 0x1p-32;
}

/* Reads a sample of the course (the epoch's order) and augments it, without mixing. */
static cnn_status read_augmented(cnn_reader *reader, const cnn_course *course, int64_t at,
                                 const cnn_parts *out) {
  const cnn_network *network = reader->network;
  cnn_status status =
      raw_read(reader, course->data, course->from, index_of(course, at), place_of(course, at));
  if (status.code != CNN_OK) return status;
  const cnn_augmentation augmentation = augmentation_of(reader, course, at);
  for (int32_t i = 0; i < network->inputs; i++) {
    const cnn_port *port = &network->input[i];
    const float scale = (float)cnn_data_scale(course->data, i);
    cnn_augment_input(&augmentation, plane_of(port), port->type, scale, reader->raw.input[i], out->input[i],
                      reader->scratch);
  }
  for (int32_t o = 0; o < cnn_ports(network); o++) {
    if (!reader->raw.target[o] || is_reflexive(network)) continue;
    const cnn_plane plane = target_plane(network, o);
    if (plane.height * plane.width > 1)
      cnn_augment_target(&augmentation, plane, cnn_judge(network, o).class_target, reader->raw.target[o],
                         out->target[o]);
    else memcpy(out->target[o], reader->raw.target[o], (size_t)target_elements(network, o) * 4);
  }
  if (network->truth_objects == 0) return status;
  status = cnn_truth_augment(&reader->truth, &augmentation);
  if (status.code == CNN_OK) record_put(reader, out);
  return status;
}

static void mix_parts(const cnn_reader *reader, const cnn_mix *mix) {
  const cnn_network *network = reader->network;
  for (int32_t i = 0; i < network->inputs; i++)
    cnn_mix_input(mix, plane_of(&network->input[i]), network->input[i].type, reader->own.input[i],
                  reader->other.input[i]);
  for (int32_t o = 0; o < cnn_ports(network); o++)
    if (reader->own.target[o] && !is_reflexive(network))
      cnn_mix_target(mix, target_plane(network, o), cnn_judge(network, o).class_target, reader->own.target[o],
                     reader->other.target[o]);
}

cnn_status cnn_batch_take(cnn_batch *batch, cnn_reader *reader, int32_t slot, const cnn_course *course,
                          int64_t at) {
  if (!course->augment) {
    const cnn_status read =
        raw_read(reader, course->data, course->from, index_of(course, at), place_of(course, at));
    if (read.code == CNN_OK) put_sample(batch, slot, &reader->raw);
    return read;
  }
  cnn_status status = read_augmented(reader, course, at, &reader->own);
  const cnn_augmentation augmentation = augmentation_of(reader, course, at);
  for (int32_t step = 0; step < course->recipe->augments && status.code == CNN_OK; step++) {
    cnn_mix mix;
    if (!cnn_mix_draw(&augmentation, step, course->samples, &mix)) continue;
    status = read_augmented(reader, course, mix.partner, &reader->other);
    if (status.code == CNN_OK) mix_parts(reader, &mix);
  }
  if (status.code == CNN_OK) put_sample(batch, slot, &reader->own);
  return status;
}
