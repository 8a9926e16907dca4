/* data_synthetic.c: Synthetic data set: a small learnable set for any net. Both the inputs and the targets of
 * a sample are derived from its index and a few random numbers. Kinds of targets, and the inputs for each
 * kind:
 *
 * one class per sample   stripes whose frequency, direction and brightness depend on the class
 * one sigmoid            the same stripes, for two classes
 * one class per position a line divides the image between two classes with different brightness and stripes
 * values                 four patterns; target i is the strength of pattern i % 4
 * several sigmoids       four patterns; target i is 1 if pattern i % 4 is present
 *
 * Noise is added to all inputs. The code only uses additions, products, divisions and counter-based random
 * numbers, so the set is the same on every machine. */
// SPDX-License-Identifier: MIT-0
#include <stdlib.h>
#include <string.h>
#include "cnn_core.h"
#include "hosted/data/calls.h"
#include "hosted/data/dataset.h"
#include "hosted/data/image.h"

enum { TRAIN_SAMPLES = 1000, TEST_SAMPLES = 200, LATENTS = 4, SEED = 20 };

typedef struct Line {
  float y, x, at;
} Line; /* the half-plane y*v + x*u > at, for a position (v, u) in 0..1 */
typedef struct Sample {
  cnn_random random;
  float latent[LATENTS];
  Line line;
} Sample;

static Sample sample_make(int pool, int64_t index) {
  Sample sample = {.random = cnn_random_stream(SEED + (uint64_t)pool, CNN_STREAM_DATA, (uint32_t)index)};
  for (uint32_t j = 0; j < LATENTS; j++) sample.latent[j] = cnn_random_uniform(sample.random, j);
  sample.line.y = 2 * cnn_random_uniform(sample.random, LATENTS) - 1;
  sample.line.x = 2 * cnn_random_uniform(sample.random, LATENTS + 1) - 1;
  sample.line.at =
      (sample.line.y + sample.line.x) * (0.3f + 0.4f * cnn_random_uniform(sample.random, LATENTS + 2));
  return sample;
}

/* The class of a sample. For the first output, classes alternate, so that all classes have about the same
 * number of samples. For every other output, the index is scrambled first, so that this output's classes do
 * not depend on those of the first output. */
static int32_t class_draw(int64_t index, int32_t output, int64_t classes) {
  for (int32_t o = 0; o < output; o++) index = index / 2 + index * 3;
  return (int32_t)(index % classes);
}

/* A triangle wave between 0 and 1, with period 1. */
static float wave(float t) {
  float within = t - (float)(int32_t)t;
  if (within < 0) within += 1;
  return within < 0.5f ? 2 * within : 2 - 2 * within;
}

/* The texture of class `c` of `classes` at position (v, u) of channel ch. No texture is the mirror image of
 * another class's texture. */
static float texture(int64_t c, int64_t classes, float v, float u, int64_t ch) {
  float across = 0.5f + 1.5f * (float)(c % 3), down = 0.5f + 1.5f * (float)(c / 3 % 3);
  float bright = ((float)c + 0.5f) / (float)classes;
  return 0.4f * bright + 0.6f * wave(down * v + across * u + 0.37f * (float)c + 0.21f * (float)ch);
}

static int32_t class_at(const Sample *sample, int64_t index, int32_t output, int64_t classes, float v,
                        float u) {
  int32_t c = class_draw(index, output, classes);
  bool beyond = sample->line.y * v + sample->line.x * u > sample->line.at;
  return beyond ? (int32_t)((c + 1) % classes) : c;
}

typedef struct Place {
  float v, u;
  int64_t channel;
} Place;

static Place place_of(const cnn_port *port, int64_t i) {
  int64_t channels = port->dim[port->rank - 1], pixel = i / channels;
  const int64_t size = port->size / cnn_port_calls(port);
  if (port->rank == 1) return (Place){0, ((float)(i % size) + 0.5f) / (float)size, 0};
  int64_t width = port->rank == 3 ? port->dim[1] : port->dim[0], height = port->rank == 3 ? port->dim[0] : 1;
  return (Place){((float)(pixel / width % height) + 0.5f) / (float)height,
                 ((float)(pixel % width) + 0.5f) / (float)width, i % channels};
}

/* ---- Targets */

typedef enum Kind {
  KIND_NONE,
  KIND_CLASS,
  KIND_PIXELS,
  KIND_BITS,
  KIND_VALUES
} Kind; /* bits: 0 or 1 for each element */

static bool sigmoid(const cnn_port *output) {
  return output->scores == CNN_SCORES_BINARY || output->scores == CNN_SCORES_BINARY_LOGIT;
}

static Kind kind_of(const cnn_data *data, int32_t o) {
  const cnn_port *output = &data->network->output[o];
  if (!cnn_target_wanted(data, o)) return KIND_NONE;
  if (output->target == CNN_TARGET_VALUES) return sigmoid(output) ? KIND_BITS : KIND_VALUES;
  return cnn_port_targets(output) == cnn_port_calls(output) ? KIND_CLASS : KIND_PIXELS;
}

/* Whether a sigmoid's target is 1. A single sigmoid separates two classes; several sigmoids predict which
 * patterns are strong. */
static bool bit_of(const Sample *sample, int64_t index, int32_t o, const cnn_port *output, int64_t i) {
  if (output->size == cnn_port_calls(output)) return class_draw(index, o, 2) == 1;
  return sample->latent[i % LATENTS] > 0.5f;
}

static void target_make(const cnn_data *data, const Sample *sample, int64_t index, int32_t o, void *target) {
  const cnn_port *output = &data->network->output[o];
  int32_t *classes = target;
  float *values = target;
  switch (kind_of(data, o)) {
  case KIND_CLASS:
    for (int32_t call = 0; call < cnn_port_calls(output); call++)
      classes[call] = class_draw(index, o, cnn_port_classes(output));
    break;
  case KIND_PIXELS:
    for (int64_t i = 0; i < cnn_port_targets(output); i++) {
      Place place = place_of(output, i * output->dim[output->rank - 1]);
      classes[i] = class_at(sample, index, o, cnn_port_classes(output), place.v, place.u);
    }
    break;
  case KIND_BITS:
    for (int64_t i = 0; i < output->size; i++) values[i] = bit_of(sample, index, o, output, i) ? 1 : 0;
    break;
  case KIND_VALUES:
    for (int64_t i = 0; i < output->size; i++) values[i] = sample->latent[i % LATENTS];
    break;
  case KIND_NONE: break;
  }
}

/* ---- Inputs */

/* Contribution of an output's target to the inputs at a position: 0..1. */
static float trace(const cnn_data *data, const Sample *sample, int64_t index, int32_t o, Place place) {
  const cnn_port *output = &data->network->output[o];
  Kind kind = kind_of(data, o);
  if (kind == KIND_CLASS || (kind == KIND_BITS && output->size == cnn_port_calls(output))) {
    int64_t classes = kind == KIND_CLASS ? cnn_port_classes(output) : 2;
    return texture(class_draw(index, o, classes), classes, place.v, place.u, place.channel);
  }
  if (kind == KIND_PIXELS) {
    int64_t classes = cnn_port_classes(output);
    return texture(class_at(sample, index, o, classes, place.v, place.u), classes, place.v, place.u,
                   place.channel);
  }
  float sum = 0;
  for (int j = 0; j < LATENTS; j++) {
    float strength = kind == KIND_BITS ? (sample->latent[j] > 0.5f ? 1.0f : 0.0f) : sample->latent[j];
    sum += strength * wave(0.5f * (float)(j + 1) * place.u + 0.5f * (float)(LATENTS - j) * place.v +
                           0.25f * (float)(j + place.channel));
  }
  return sum / (float)LATENTS;
}

/* Whether the values of the input are generated as pixels. f32 pixels are 0..255, if the net has a
 * normalize; f32 inputs of other nets are about -1..1. u8, i8 and i16 inputs have the range of their type,
 * and i32 inputs have the range 0..255. */
static bool takes_pixels(const cnn_network *network, const cnn_port *port) {
  if (port->type != CNN_F32) return true;
  for (int32_t l = 0; l < network->layers; l++)
    if (strcmp(network->layer[l].op, "normalize") == 0) return true;
  return false;
}

static void input_make(const cnn_data *data, const Sample *sample, int64_t index, int32_t which,
                       void *input) {
  const cnn_port *port = &data->network->input[which];
  int32_t traces = 0;
  bool pixels = takes_pixels(data->network, port);
  uint32_t counter = 1u << 8 | (uint32_t)which << 28;
  for (int32_t o = 0; o < cnn_ports(data->network); o++) traces += kind_of(data, o) != KIND_NONE;
  for (int64_t i = 0; i < port->size; i++) {
    Place place = place_of(port, i);
    float value = 0;
    if (traces == 0) value = trace(data, sample, index, 0, place); /* no targets, as in an autoencoder */
    for (int32_t o = 0; o < cnn_ports(data->network); o++)
      if (kind_of(data, o) != KIND_NONE) value += trace(data, sample, index, o, place) / (float)traces;
    value = 0.9f * value + 0.1f * cnn_random_uniform(sample->random, counter + (uint32_t)i);
    int32_t pixel = (int32_t)(value * 255 + 0.5f);
    pixel = pixel < 0 ? 0 : pixel > 255 ? 255 : pixel;
    if (port->type == CNN_I8) pixel -= 128;
    else if (port->type == CNN_I16) pixel = 257 * pixel - 32768;
    cnn_port_store(port, input, i, port->type != CNN_F32 || pixels ? (double)pixel : (double)(2 * value - 1));
  }
}

/* ---- The set */

static cnn_status synthetic_read(const cnn_data *data, int pool, int64_t index, void *const input[],
                                 void *const target[]) {
  Sample sample = sample_make(pool, index);
  for (int32_t i = 0; i < data->network->inputs; i++) input_make(data, &sample, index, i, input[i]);
  for (int32_t o = 0; target && o < cnn_ports(data->network); o++)
    if (target[o]) target_make(data, &sample, index, o, target[o]);
  return cnn_success();
}

static bool synthetic_label(const cnn_data *data, int pool, int64_t index, int32_t *label) {
  (void)pool;
  for (int32_t o = 0; o < cnn_ports(data->network); o++) {
    const cnn_port *output = &data->network->output[o];
    bool bit = kind_of(data, o) == KIND_BITS && output->size == cnn_port_calls(output);
    if (kind_of(data, o) != KIND_CLASS && !bit) continue;
    *label = class_draw(index, o, cnn_port_classes(output));
    return true;
  }
  return false;
}

static bool synthetic_unit(const cnn_data *data, int32_t input) {
  return !takes_pixels(data->network, &data->network->input[input]);
}

/* Whether samples are images with a class for each of their pixels, so that they can be written as files. */
static bool images_have_masks(const cnn_data *data) {
  const cnn_port *input = data->network->input, *output = data->network->output;
  return data->network->inputs == 1 && cnn_ports(data->network) == 1 && kind_of(data, 0) == KIND_PIXELS &&
         cnn_port_calls(output) == 1 && input->rank == 3 && input->regions == 0 &&
         (input->dim[2] == 1 || input->dim[2] == 3) && input->type != CNN_I16 && input->type != CNN_I32 &&
         !synthetic_unit(data, 0) && output->rank == 3 && output->dim[0] == input->dim[0] &&
         output->dim[1] == input->dim[1];
}

static cnn_status synthetic_truth(const cnn_data *data, int pool, int64_t index, cnn_image *image,
                                  cnn_truth *truth) {
  const cnn_port *input = data->network->input;
  const size_t pixels = (size_t)input->dim[0] * (size_t)input->dim[1];
  void *values = malloc((size_t)input->size * cnn_type_bytes(input->type));
  *truth = (cnn_truth){
      .width = input->dim[1], .height = input->dim[0], .pixels = malloc(pixels * sizeof *truth->pixels)};
  *image = (cnn_image){input->dim[0], input->dim[1], input->dim[2], malloc((size_t)input->size)};
  const bool room = values && truth->pixels && image->pixel;
  if (room) {
    synthetic_read(data, pool, index, (void *[]){values}, (void *[]){truth->pixels});
    cnn_image_of_input(input, values, image);
  } else {
    cnn_image_free(image);
    cnn_truth_free(truth);
  }
  free(values);
  return room ? cnn_success() : cnn_data_no_memory(data);
}

static const DataKind synthetic = {
    synthetic_read, synthetic_label, NULL, synthetic_unit, NULL, NULL, NULL, NULL, NULL};
static const DataKind synthetic_masks = {synthetic_read, synthetic_label, NULL, synthetic_unit, NULL, NULL,
                                         NULL,           synthetic_truth, NULL};

cnn_status cnn_data_open_synthetic(cnn_data *data) {
  int32_t label;
  data->kind = &synthetic;
  data->title = "synthetic";
  data->pool[POOL_TRAIN] = TRAIN_SAMPLES;
  data->pool[POOL_TEST] = TEST_SAMPLES;
  for (int32_t o = 0;
       o < cnn_ports(data->network) && synthetic_label(data, POOL_TRAIN, 0, &label) && data->classes == 0;
       o++)
    if (kind_of(data, o) == KIND_CLASS || kind_of(data, o) == KIND_BITS)
      data->classes = (int32_t)cnn_port_classes(&data->network->output[o]);
  if (images_have_masks(data)) {
    data->kind = &synthetic_masks;
    data->pixels = true;
    data->classes = (int32_t)cnn_port_classes(data->network->output);
  }
  return cnn_success();
}
