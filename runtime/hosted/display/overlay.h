/* overlay.h: detections of a net, drawn on its input image. All images here are RGB. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_OVERLAY_H
#define CNN_OVERLAY_H
#include <stdbool.h>
#include "cnn_image.h"

/* A copy in RGB; its pixels are NULL where there is no memory. */
cnn_image cnn_overlay_copy(const cnn_image *image);
/* Makes a small image larger by a whole factor, so that there is room for labels. False: no memory. */
bool cnn_overlay_enlarge(cnn_image *image);
/* A frame inside of a box x1 y1 x2 y2, two pixels thick or more on a large image, clipped to the
 * image. */
void cnn_overlay_box(const cnn_image *image, const double box[4], const uint8_t color[3]);
typedef struct cnn_label {
  double box[4];
  uint8_t rgb[3];
  char text[120];
} cnn_label;
/* Tabs with texts at the edges of boxes, above them where there is room, so that they do not hide each other.
 * The first ones choose first, and are on top where there is no room for all. False: no memory. */
bool cnn_overlay_labels(const cnn_image *image, const cnn_label *label, int32_t labels);
/* Colors the pixels of a mask [height][width] that are not 0, and draws its outline. */
void cnn_overlay_mask(const cnn_image *image, const uint8_t *mask, const uint8_t color[3]);
/* Colors each pixel by its class, class[height][width]; -1: as it was. Where segment[height][width] changes
 * there is an outline; NULL: where the class does. */
void cnn_overlay_classes(const cnn_image *image, const int32_t *class, const int32_t *segment,
                         void color(int64_t class, uint8_t rgb[3]));

typedef struct cnn_key {
  uint8_t rgb[3];
  char text[80];
} cnn_key;
/* Adds a strip below the image that says what its colors mean. False: no memory. */
bool cnn_overlay_legend(cnn_image *image, const cnn_key *key, int32_t keys);
#endif
