/* pixels.c: Pixel classes as targets, resized to the size of an output (nearest neighbor). */
// SPDX-License-Identifier: MIT-0
#include "hosted/data/pixels.h"
#include "hosted/data/image.h"

static int64_t channels(const cnn_port *port) { return port->dim[port->rank - 1]; }

/* The number of classes of an output at each pixel; 0: its pixels do not have classes. */
static int64_t pixel_classes(const cnn_port *output) {
  if (output->rank != 3 || (int64_t)output->dim[0] * output->dim[1] < 2) return 0;
  const bool binary = output->scores == CNN_SCORES_BINARY || output->scores == CNN_SCORES_BINARY_LOGIT;
  if (output->target == CNN_TARGET_VALUES && !binary) return 0;
  return output->target == CNN_TARGET_VALUES && channels(output) == 1 ? 2 : cnn_port_classes(output);
}

cnn_status cnn_pixels_fit(const cnn_data *data, const char *what) {
  if (data->options.any_target) return cnn_success();
  for (int32_t o = 0; o < cnn_ports(data->network); o++) {
    const cnn_port *output = &data->network->output[o];
    if (!cnn_target_wanted(data, o)) continue;
    const int64_t classes = pixel_classes(output);
    if (classes == 0)
      return cnn_failure(CNN_MISMATCH, "%s: has a class for each pixel, but the output \"%s\" does not", what,
                         output->name);
    if (data->classes > classes)
      return cnn_failure(CNN_MISMATCH, "%s: has %d classes, but the output \"%s\" has only %lld", what,
                         (int)data->classes, output->name, (long long)classes);
  }
  return cnn_success();
}

int64_t cnn_pixels_limit(const cnn_data *data) {
  int64_t limit = 0;
  for (int32_t o = 0; o < cnn_ports(data->network); o++) {
    const int64_t classes = cnn_target_wanted(data, o) ? pixel_classes(&data->network->output[o]) : 0;
    if (classes > 0 && (limit == 0 || classes < limit)) limit = classes;
  }
  return limit;
}

/* Stores a class at one pixel, in the target's form: the class number, a one-hot vector, or, if the output
 * has one channel, 1 for class 1 and 0 for other classes. */
static void store_one(const cnn_port *output, int64_t pixel, int32_t class, void *target) {
  if (output->target != CNN_TARGET_VALUES) {
    ((int32_t *)target)[pixel] = class;
    return;
  }
  float *value = (float *)target + pixel * channels(output);
  if (channels(output) == 1) value[0] = class == 1 ? 1 : 0;
  else
    for (int64_t c = 0; c < channels(output); c++) value[c] = c == class ? 1 : 0;
}

static void store(const cnn_port *output, const cnn_frame *frame, const int32_t *pixels, int32_t height,
                  int32_t width, void *target) {
  for (int32_t y = 0; y < output->dim[0]; y++)
    for (int32_t x = 0; x < output->dim[1]; x++) {
      const int64_t from = cnn_frame_source(frame, y, x, height, width);
      const int32_t class = from < 0 ? -1 : pixels[from];
      store_one(output, (int64_t)y * output->dim[1] + x, class, target);
    }
}

void cnn_pixels_store(const cnn_data *data, const int32_t *pixels, int32_t height, int32_t width,
                      void *const target[]) {
  for (int32_t o = 0; target && o < cnn_ports(data->network); o++) {
    const cnn_port *output = &data->network->output[o];
    if (!target[o] || pixel_classes(output) == 0) continue;
    if (!cnn_target_wanted(data, o) &&
        !(cnn_target_optional(data, o) && data->classes <= pixel_classes(output)))
      continue;
    const cnn_frame frame = cnn_frame_make(height, width, output->dim[0], output->dim[1], data->options.fit);
    store(output, &frame, pixels, height, width, target[o]);
  }
}

cnn_status cnn_pixels_read(const cnn_data *data, int pool, int64_t index, void *const input[],
                           void *const target[]) {
  cnn_image image;
  cnn_truth truth;
  cnn_status status = data->kind->truth(data, pool, index, &image, &truth);
  if (status.code != CNN_OK) return status;
  status = cnn_image_feed(&image, &data->network->input[0], data->options.fit, input[0]);
  if (truth.pixels) cnn_pixels_store(data, truth.pixels, truth.height, truth.width, target);
  cnn_image_free(&image);
  cnn_truth_free(&truth);
  return status;
}
