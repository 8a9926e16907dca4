/* truth.h: Ground-truth annotations, transformed together with their image. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_TRUTH_H
#define CNN_TRUTH_H
#include <stdbool.h>
#include <stdint.h>
#include "cnn_core.h"
#include "cnn_data.h"

enum { CNN_INSTANCES_MOST = 255 }; /* maximum number of objects in an instance map */

struct cnn_outline;

typedef struct cnn_object {
  int32_t label; /* object class, from 0; background classes are not counted */
  bool ignored;  /* a crowd or a difficult object; detections of it count as neither true nor false */
  float box[4];  /* x1 y1 x2 y2 in pixels of the image */
  /* In the original image, before resizing: */
  double area;                       /* from the data set; 0: not given */
  const struct cnn_outline *outline; /* all its pixels, including hidden pixels; owned by the set; or NULL */
} cnn_object;

/* Annotations of an image. If a set has objects and pixel classes, background classes come first: an object's
 * pixels have the class `stuff` + label (see cnn_data). */
typedef struct cnn_truth {
  int width, height; /* size of the image */
  int count;
  cnn_object *object;
  uint8_t
      *instance; /* [height][width]: 0 none, k: object k - 1 (the later one where objects overlap); or NULL */
  int32_t *pixels; /* [height][width]: the class, -1: ignored; or NULL */
} cnn_truth;

void cnn_truth_free(cnn_truth *truth);
/* Resizes the annotations to an input, as cnn_image_feed resizes the image. An object that keeps less than a
 * quarter of its box is dropped. */
cnn_status cnn_truth_fit(cnn_truth *truth, int32_t height, int32_t width, cnn_fit fit);
/* Moves the annotations as cnn_augment_input moves the image; objects are dropped as in cnn_truth_fit. */
cnn_status cnn_truth_augment(cnn_truth *truth, const cnn_augmentation *augmentation);
/* The record that a loss reads: int32_t count; int32_t class[most]; float box[most][4]; uint8_t
 * instance[height][width], padded to 4 bytes. height 0: no instances. The record has the first `most` objects
 * that are not ignored. */
size_t cnn_truth_record_bytes(int32_t most, int32_t height, int32_t width);
void cnn_truth_record(const cnn_truth *truth, int32_t most, int32_t height, int32_t width, void *record);
#endif
