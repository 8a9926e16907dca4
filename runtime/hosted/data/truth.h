/* truth.h: what is true of a picture, as a data set tells it: objects with boxes and masks, classes of
 * pixels. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_TRUTH_H
#define CNN_TRUTH_H
#include <stdbool.h>
#include <stdint.h>

typedef struct cnn_object {
  int32_t label; /* 0 .. classes - 1 */
  bool ignored;  /* a crowd, or difficult: neither truth nor mistake */
  float box[4];  /* x1 y1 x2 y2 in pixels of the picture */
} cnn_object;

typedef struct cnn_truth {
  int width, height; /* of the picture */
  int count;
  cnn_object *object;
  uint8_t *instance; /* [height][width]: 0 none, k: object k - 1; where they overlap the later one; or NULL */
  int32_t *pixels;   /* [height][width]: the class, -1: ignored; or NULL */
} cnn_truth;

void cnn_truth_free(cnn_truth *truth);
#endif
