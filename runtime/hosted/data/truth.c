/* truth.c: Ground-truth annotations, transformed together with their image: resized, moved by augmentation,
 * and stored in the form that losses read. */
// SPDX-License-Identifier: MIT-0
#include "hosted/data/truth.h"

#include <stdlib.h>
#include <string.h>
#include "hosted/data/image.h"

void cnn_truth_free(cnn_truth *truth) {
  free(truth->object);
  free(truth->instance);
  free(truth->pixels);
  *truth = (cnn_truth){0};
}

static cnn_status no_memory(const cnn_truth *truth) {
  return cnn_failure(CNN_NO_MEMORY, "out of memory for the annotations of an image of %d x %d", truth->width,
                     truth->height);
}

/* Removes objects with empty boxes, and renumbers the other objects, in the instance map as well. */
static void truth_compact(cnn_truth *truth) {
  uint8_t number[CNN_INSTANCES_MOST + 1] = {0};
  int kept = 0;
  for (int k = 0; k < truth->count; k++) {
    const cnn_object object = truth->object[k];
    if (!(object.box[0] < object.box[2])) continue;
    truth->object[kept++] = object;
    if (k < CNN_INSTANCES_MOST) number[k + 1] = (uint8_t)kept;
  }
  const size_t pixels = (size_t)truth->width * (size_t)truth->height;
  for (size_t i = 0; truth->instance && kept < truth->count && i < pixels; i++)
    truth->instance[i] = number[truth->instance[i]];
  truth->count = kept;
}

static void object_drop(cnn_object *object) { memset(object->box, 0, sizeof object->box); }

/* ---- resizing to an input */

static void box_fit(cnn_object *object, const cnn_frame *frame) {
  const double scale_x = frame->width / frame->source.width, scale_y = frame->height / frame->source.height;
  for (int side = 0; side < 4; side++) {
    const double at = (double)object->box[side];
    object->box[side] = (float)(side % 2 == 0 ? (at - frame->source.x) * scale_x + frame->left
                                              : (at - frame->source.y) * scale_y + frame->top);
  }
  if (!cnn_box_cut(object->box, (float)frame->left, (float)frame->top, (float)(frame->left + frame->width),
                   (float)(frame->top + frame->height)))
    object_drop(object);
}

cnn_status cnn_truth_fit(cnn_truth *truth, int32_t height, int32_t width, cnn_fit fit) {
  const cnn_frame frame = cnn_frame_make(truth->height, truth->width, height, width, fit);
  const size_t n = (size_t)height * (size_t)width;
  uint8_t *instance = truth->instance ? calloc(n, 1) : NULL;
  int32_t *pixels = truth->pixels ? malloc(n * sizeof *pixels) : NULL;
  if ((truth->instance && !instance) || (truth->pixels && !pixels)) {
    free(instance);
    free(pixels);
    return no_memory(truth);
  }
  for (int32_t y = 0; (instance || pixels) && y < height; y++)
    for (int32_t x = 0; x < width; x++) {
      const int64_t from = cnn_frame_source(&frame, y, x, truth->height, truth->width),
                    to = (int64_t)y * width + x;
      if (instance && from >= 0) instance[to] = truth->instance[from];
      if (pixels) pixels[to] = from >= 0 ? truth->pixels[from] : -1;
    }
  free(truth->instance);
  free(truth->pixels);
  truth->instance = instance;
  truth->pixels = pixels;
  truth->height = height;
  truth->width = width;
  for (int k = 0; k < truth->count; k++) box_fit(&truth->object[k], &frame);
  truth_compact(truth);
  return cnn_success();
}

/* ---- Augmentation */

cnn_status cnn_truth_augment(cnn_truth *truth, const cnn_augmentation *augmentation) {
  const cnn_plane plane = {truth->height, truth->width, 1};
  const size_t n = (size_t)truth->height * (size_t)truth->width;
  uint8_t *instance = truth->instance ? malloc(n) : NULL;
  int32_t *pixels = truth->pixels ? malloc(n * sizeof *pixels) : NULL;
  if ((truth->instance && !instance) || (truth->pixels && !pixels)) {
    free(instance);
    free(pixels);
    return no_memory(truth);
  }
  if (instance) cnn_augment_instances(augmentation, plane, truth->instance, instance);
  if (pixels) cnn_augment_target(augmentation, plane, true, truth->pixels, pixels);
  free(truth->instance);
  free(truth->pixels);
  truth->instance = instance;
  truth->pixels = pixels;
  for (int k = 0; k < truth->count; k++) {
    cnn_object *object = &truth->object[k];
    float box[4];
    if (cnn_augment_box(augmentation, plane, object->box, box)) memcpy(object->box, box, sizeof box);
    else object_drop(object);
  }
  truth_compact(truth);
  return cnn_success();
}

/* ---- the record that a loss reads */

static size_t instances_at(int32_t most) {
  return sizeof(int32_t) + (size_t)most * (sizeof(int32_t) + 4 * sizeof(float));
}

size_t cnn_truth_record_bytes(int32_t most, int32_t height, int32_t width) {
  return instances_at(most) + ((size_t)height * (size_t)width + 3) / 4 * 4;
}

void cnn_truth_record(const cnn_truth *truth, int32_t most, int32_t height, int32_t width, void *record) {
  int32_t *class = (int32_t *)record + 1, count = 0;
  float *box = (float *)(void *)(class + most);
  uint8_t number[CNN_INSTANCES_MOST + 1] = {0};
  memset(record, 0, cnn_truth_record_bytes(most, height, width));
  for (int k = 0; k < truth->count && count < most; k++) {
    const cnn_object *object = &truth->object[k];
    if (object->ignored) continue;
    class[count] = object->label;
    memcpy(box + (size_t)count * 4, object->box, sizeof object->box);
    count++;
    if (k < CNN_INSTANCES_MOST && count <= CNN_INSTANCES_MOST) number[k + 1] = (uint8_t)count;
  }
  *(int32_t *)record = count;
  uint8_t *instance = (uint8_t *)record + instances_at(most);
  for (int64_t y = 0; truth->instance && y < height; y++)
    for (int64_t x = 0; x < width; x++)
      instance[y * width + x] =
          number[truth->instance[y * truth->height / height * truth->width + x * truth->width / width]];
}
