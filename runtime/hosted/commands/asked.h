/* asked.h: Target of an inspection command: a class, a pixel, a box. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_ASKED_H
#define CNN_ASKED_H
#include "hosted/commands/viewer.h"

typedef struct cnn_asked {
  const char *class;
  int64_t pixel[2]; /* x and y in the original image, as `predict` counts */
  int64_t box;      /* which of those that `predict` prints, or of those of the class, from 1 */
  bool at_pixel, of_box;
} cnn_asked;

#define CNN_FLAG_PIXEL(asked)                                                                                \
  {"pixel",                                                                                                  \
   0,                                                                                                        \
   CNN_VALUE_PAIR,                                                                                           \
   (asked).pixel,                                                                                            \
   "X,Y",                                                                                                    \
   "a pixel of the image, from 0,0 at the upper left, if the net has scores for each (default: their mean)", \
   0,                                                                                                        \
   1e9,                                                                                                      \
   NULL,                                                                                                     \
   &(asked).at_pixel}

/* After a forward pass of the file `path`: the unit, by default the class with the best score. */
cnn_status cnn_asked_unit(const cnn_viewer *viewer, const char *path, const cnn_asked *asked, cnn_unit *unit);
/* "disc", or "disc at 12,30" */
const char *cnn_asked_name(const cnn_network *network, const cnn_asked *asked, cnn_unit unit, char room[200]);
/* The pixel as a box in a map of height x width that covers the input. False: none is asked about. */
bool cnn_asked_place(const cnn_viewer *viewer, const cnn_asked *asked, int32_t height, int32_t width,
                     double box[4]);

/* After a forward pass: the box that is asked about, by default the best one, in pixels of the image. */
cnn_status cnn_asked_box(const cnn_viewer *viewer, const char *path, const cnn_asked *asked, cnn_found *box);
/* After another one: the best score of a box of its class whose IoU with it is at least 0.5; 0: there is
 * none, as of covered objects. */
cnn_status cnn_asked_again(const cnn_viewer *viewer, const cnn_found *box, double *score);
#endif
