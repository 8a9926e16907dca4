/* asked.h: Target of an inspection command: a class, a pixel, a box. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_ASKED_H
#define CNN_ASKED_H
#include "hosted/commands/viewer.h"

typedef struct cnn_asked {
  const char *class;
  int64_t pixel[2]; /* x and y, in pixels of the original image */
  int64_t box; /* number of the box, from 1, in the order of `predict`; if `class` is set, only the boxes of
                  this class are counted */
  bool at_pixel, of_box;
} cnn_asked;

#define CNN_FLAG_PIXEL(asked)                                                                                \
  {"pixel",                                                                                                  \
   0,                                                                                                        \
   CNN_VALUE_PAIR,                                                                                           \
   (asked).pixel,                                                                                            \
   "X,Y",                                                                                                    \
   "a pixel of the image, from 0,0 at the upper left, if the net has scores per pixel (default: the mean "   \
   "over all pixels)",                                                                                       \
   0,                                                                                                        \
   1e9,                                                                                                      \
   NULL,                                                                                                     \
   &(asked).at_pixel}

/* Finds the unit to inspect: by default, the class with the best score. Must be called after a forward pass
 * of the sample from the file `path`. */
cnn_status cnn_asked_unit(const cnn_viewer *viewer, const char *path, const cnn_asked *asked, cnn_unit *unit);
/* Writes the unit's name to `room`: "disc", or "disc at 12,30" if a pixel was requested. */
const char *cnn_asked_name(const cnn_network *network, const cnn_asked *asked, cnn_unit unit, char room[200]);
/* Finds the cell that contains the requested pixel, in a map of height x width cells that covers the whole
 * input. Sets box to x1 y1 x2 y2 of this cell, with one cell as the unit. Returns false if no pixel was
 * requested, or if the pixel is outside the map. */
bool cnn_asked_place(const cnn_viewer *viewer, const cnn_asked *asked, int32_t height, int32_t width,
                     double box[4]);

/* Finds the requested box, in pixels of the image. The default is the box with the best score. Must be called
 * after a forward pass. */
cnn_status cnn_asked_box(const cnn_viewer *viewer, const char *path, const cnn_asked *asked, cnn_found *box);
/* Finds `box` again after a forward pass of a changed image. A box counts if it has the class of `box`, and
 * its IoU with `box` is at least 0.5. Sets *score to the best score of the boxes that count; 0 if no box
 * counts. */
cnn_status cnn_asked_again(const cnn_viewer *viewer, const cnn_found *box, double *score);
#endif
