/* feed.c: Conversion of an image to an input of a net, with the input's size, channels (gray or RGB) and
 * type. Training, evaluation and prediction all use this code. */
// SPDX-License-Identifier: MIT-0
#include <stdlib.h>
#include <string.h>
#include "hosted/data/image.h"

/* Whether the input is an image; images are then resized to the size of the input. Any other input accepts an
 * image only if the input's size is height x width, or height x width x channels. For example, a vector of
 * 784 elements, or a sequence of 28x28, accepts a gray image of 28x28 pixels. */
static bool port_is_picture(const cnn_port *port) { return port->rank == 3; }

cnn_status cnn_image_fits(const char *what, int32_t height, int32_t width, int32_t channels,
                          const cnn_port *port) {
  if (port->type == CNN_I16 || port->type == CNN_I32)
    return cnn_failure(CNN_MISMATCH, "%s: images are read as u8, i8 or f32; the input \"%s\" is %s", what,
                       port->name, cnn_type_name(port->type));
  if (port_is_picture(port)) {
    if (port->dim[2] == 1 || port->dim[2] == 3) return cnn_success();
    return cnn_failure(CNN_MISMATCH, "%s: images have 1 or 3 channels, but the input \"%s\" has %d", what,
                       port->name, port->dim[2]);
  }
  int64_t pixels = (int64_t)height * width;
  if (height == 0 || pixels * channels == port->size || pixels == port->size) return cnn_success();
  return cnn_failure(CNN_MISMATCH, "%s: %dx%dx%d does not fit the input \"%s\" of %lld numbers", what, height,
                     width, channels, port->name, (long long)port->size);
}

/* Converts `n` bytes of pixels to the input's type. */
static void store(const uint8_t *pixel, int64_t n, cnn_type type, void *input) {
  float *f = input;
  int8_t *s = input;
  if (type == CNN_U8) memcpy(input, pixel, (size_t)n);
  else if (type == CNN_I8)
    for (int64_t i = 0; i < n; i++) s[i] = (int8_t)(pixel[i] - 128);
  else
    for (int64_t i = 0; i < n; i++) f[i] = (float)pixel[i];
}

/* Copies the image with other channels: the luma of RGB, or gray repeated three times. NULL: out of
 * memory. */
static uint8_t *recolored(const cnn_image *image, int32_t channels) {
  size_t pixels = (size_t)image->height * (size_t)image->width;
  uint8_t *out = malloc(pixels * (size_t)channels);
  if (!out) return NULL;
  if (channels == 1) cnn_luma(image->pixel, pixels, out);
  else
    for (size_t i = 0; i < 3 * pixels; i++) out[i] = image->pixel[i / 3];
  return out;
}

cnn_frame cnn_frame_make(int32_t h, int32_t w, int32_t out_h, int32_t out_w, cnn_fit fit) {
  cnn_frame frame = {{0, 0, h, w}, 0, 0, out_h, out_w};
  bool wide = (int64_t)w * out_h > (int64_t)out_w * h; /* width / height is larger than in the input */
  if (fit == CNN_FIT_CROP && wide) {
    frame.source.width = (double)out_w * h / out_h;
    frame.source.x = (w - frame.source.width) / 2;
  } else if (fit == CNN_FIT_CROP) {
    frame.source.height = (double)out_h * w / out_w;
    frame.source.y = (h - frame.source.height) / 2;
  } else if (fit == CNN_FIT_LETTERBOX && wide) {
    frame.height = (int32_t)((double)out_w * h / w + 0.5);
    if (frame.height < 1) frame.height = 1;
    frame.top = (out_h - frame.height) / 2;
  } else if (fit == CNN_FIT_LETTERBOX) {
    frame.width = (int32_t)((double)out_h * w / h + 0.5);
    if (frame.width < 1) frame.width = 1;
    frame.left = (out_w - frame.width) / 2;
  }
  return frame;
}

int64_t cnn_frame_source(const cnn_frame *frame, int32_t y, int32_t x, int32_t height, int32_t width) {
  const int32_t v = y - frame->top, u = x - frame->left;
  if (v < 0 || v >= frame->height || u < 0 || u >= frame->width) return -1;
  const int32_t at_y = (int32_t)(frame->source.y + (v + 0.5) * frame->source.height / frame->height),
                at_x = (int32_t)(frame->source.x + (u + 0.5) * frame->source.width / frame->width);
  return (int64_t)(at_y < height ? at_y : height - 1) * width + (at_x < width ? at_x : width - 1);
}

/* Resizes pixels, which have the channels of the input, to the size of the input. */
static cnn_status resize(const uint8_t *pixel, int32_t h, int32_t w, const cnn_port *port, cnn_fit fit,
                         void *input) {
  int32_t out_h = port->dim[0], out_w = port->dim[1], channels = port->dim[2];
  cnn_frame frame = cnn_frame_make(h, w, out_h, out_w, fit);
  size_t bytes = (size_t)port->size, stride = (size_t)out_w * (size_t)channels;
  uint8_t *fitted = calloc(1, bytes); /* black outside of the image */
  void *scratch = malloc(cnn_resample_scratch(h, w, channels, frame.source, frame.height, frame.width));
  if (fitted && scratch) {
    uint8_t *corner = fitted + (size_t)frame.top * stride + (size_t)frame.left * (size_t)channels;
    cnn_resample(pixel, h, w, channels, frame.source, corner, frame.height, frame.width, stride, scratch);
    store(fitted, port->size, port->type, input);
  }
  cnn_status status = fitted && scratch
                          ? cnn_success()
                          : cnn_failure(CNN_NO_MEMORY, "out of memory for an image of %d x %d", w, h);
  free(fitted);
  free(scratch);
  return status;
}

cnn_status cnn_image_feed(const cnn_image *image, const cnn_port *port, cnn_fit fit, void *input) {
  cnn_status status = cnn_image_fits("the image", image->height, image->width, image->channels, port);
  if (status.code != CNN_OK) return status;
  int64_t pixels = (int64_t)image->height * image->width;
  bool picture = port_is_picture(port);
  int32_t channels = picture ? port->dim[2] : pixels * image->channels == port->size ? image->channels : 1;
  uint8_t *other = image->channels == channels ? NULL : recolored(image, channels);
  const uint8_t *pixel = image->channels == channels ? image->pixel : other;
  if (!pixel)
    return cnn_failure(CNN_NO_MEMORY, "out of memory for an image of %d x %d", image->width, image->height);
  if (!picture || (image->height == port->dim[0] && image->width == port->dim[1]))
    store(pixel, pixels * channels, port->type, input);
  else status = resize(pixel, image->height, image->width, port, fit, input);
  free(other);
  return status;
}

void cnn_image_of_input(const cnn_port *port, const void *input, cnn_image *image) {
  for (int64_t i = 0; i < port->size; i++) {
    const double value = cnn_port_number(port, input, i) + (port->type == CNN_I8 ? 128 : 0);
    image->pixel[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value + 0.5);
  }
}
