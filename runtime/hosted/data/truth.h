/* truth.h: Ground-truth annotations, transformed together with their image. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_TRUTH_H
#define CNN_TRUTH_H
#include <stdbool.h>
#include <stdint.h>
#include "cnn_core.h"
#include "cnn_data.h"

enum { CNN_INSTANCES_MOST = 255 }; /* objects of an image that fit in a map of instances */

struct cnn_outline;

typedef struct cnn_object {
  int32_t label; /* 0 .. classes - 1 */
  bool ignored;  /* a crowd, or difficult: neither truth nor mistake */
  float box[4];  /* x1 y1 x2 y2 in pixels of the image */
  /* In the original image, before it is fitted: */
  double area;                       /* from the data set; 0: not given */
  const struct cnn_outline *outline; /* all its pixels, also hidden ones; owned by the set; or NULL */
} cnn_object;

/* Where a set has objects and classes of pixels, those of the background come first: an object's pixels
 * are of the class cnn_data_stuff + label. */
typedef struct cnn_truth {
  int width, height; /* of the image */
  int count;
  cnn_object *object;
  uint8_t *instance; /* [height][width]: 0 none, k: object k - 1; where they overlap the later one; or NULL */
  int32_t *pixels;   /* [height][width]: the class, -1: ignored; or NULL */
} cnn_truth;

void cnn_truth_free(cnn_truth *truth);
/* Fits the annotations to the size of an input, as cnn_image_feed fits the image. An object that keeps less
 * than a quarter of its box is dropped. */
cnn_status cnn_truth_fit(cnn_truth *truth, int32_t height, int32_t width, cnn_fit fit);
/* As cnn_augment_input moves an image of that size; an object is dropped as above. */
cnn_status cnn_truth_augment(cnn_truth *truth, const cnn_augmentation *augmentation);
/* The record that a loss reads: int32_t count; int32_t class[most]; float box[most][4]; uint8_t
 * instance[height][width], filled up to 4 bytes. height 0: no instances. The first `most` objects that are
 * not ignored. */
size_t cnn_truth_record_bytes(int32_t most, int32_t height, int32_t width);
void cnn_truth_record(const cnn_truth *truth, int32_t most, int32_t height, int32_t width, void *record);
#endif
