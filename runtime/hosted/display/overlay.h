/* overlay.h: Detections of a net, drawn on its input image. All images here are RGB, except the
 * argument of cnn_overlay_copy. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_OVERLAY_H
#define CNN_OVERLAY_H
#include <stdbool.h>
#include "cnn_image.h"

/* Copies a gray or RGB image to RGB; the pixels of the copy are NULL if out of memory. */
cnn_image cnn_overlay_copy(const cnn_image *image);
/* Enlarges a small image by an integer factor, so that labels fit. False: out of memory. */
bool cnn_overlay_enlarge(cnn_image *image);
/* Draws a frame inside the box x1 y1 x2 y2, clipped to the image. The frame is one pixel thick on a small
 * image, otherwise at least two. */
void cnn_overlay_box(const cnn_image *image, const double box[4], const uint8_t color[3]);
typedef struct cnn_label {
  double box[4];
  uint8_t rgb[3];
  char text[120];
} cnn_label;
/* Draws labels at the edges of boxes: above a box if there is room. Labels do not hide each other if there is
 * room for all of them; otherwise, the first labels are drawn on top. Labels are placed in the order of the
 * array. False: out of memory. */
bool cnn_overlay_labels(const cnn_image *image, const cnn_label *label, int32_t labels);
/* Colors the image where mask[height][width] is not 0, and draws the outline of the mask. */
void cnn_overlay_mask(const cnn_image *image, const uint8_t *mask, const uint8_t color[3]);
/* Colors each pixel by its class, class[height][width]; -1: unchanged. Outlines follow changes of
 * segment[height][width], or of the class if `segment` is NULL. */
void cnn_overlay_classes(const cnn_image *image, const int32_t *class, const int32_t *segment,
                         void color(int64_t class, uint8_t rgb[3]));

typedef struct cnn_key {
  uint8_t rgb[3];
  char text[80];
} cnn_key;
/* Adds a legend below the image, with one entry per color. False: out of memory. */
bool cnn_overlay_legend(cnn_image *image, const cnn_key *key, int32_t keys);
#endif
