/* found.h: output of boxes, masks and segments by `predict`: lines, COCO results, images. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_FOUND_H
#define CNN_FOUND_H
#include <jansson.h>
#include "cnn_network.h"
#include "hosted/data/dataset.h"
#include "hosted/training/findings.h"

bool cnn_net_finds(const cnn_network *network); /* boxes or segments, in an image */

/* Of a class of pixels; those of objects come last. A net's labels name all classes, or those of objects
 * alone; what they leave out is named by the data (may be NULL), or is a number, written to `room`. */
const char *cnn_class_name(const cnn_network *network, const cnn_data *data, int32_t class, char room[24]);

/* The image of a sample. */
typedef struct cnn_shown {
  const cnn_network *network;
  const char *path;
  int64_t index; /* in an array; -1: it was an image */
  cnn_view view;
} cnn_shown;

/* "disc 0.9134 (12.0 30.5 80.2 99.0), ..."; segments: "grass 0.5210, disc 0.0812 score 0.9134, ..."
 * False: no memory. */
bool cnn_found_print(const cnn_shown *shown, float *const output[], int64_t slot);
/* Appends to an array, as COCO has its results. False: no memory. */
bool cnn_found_add(const cnn_shown *shown, float *const output[], int64_t slot, json_t *results);
/* Onto the RGB image, which is enlarged where it is small, and gets a legend below if there are segments.
 * False: no memory. */
bool cnn_found_draw(const cnn_shown *shown, float *const output[], cnn_image *picture);
#endif
