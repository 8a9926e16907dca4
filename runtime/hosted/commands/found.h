/* found.h: Output of boxes, masks and segments by `predict`: text, COCO results, images. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_FOUND_H
#define CNN_FOUND_H
#include <jansson.h>
#include "cnn_network.h"
#include "hosted/data/dataset.h"
#include "hosted/training/findings.h"

bool cnn_net_finds(const cnn_network *network); /* Whether the net detects boxes or segments in images. */

/* Name of a pixel class; object classes come last. The net's labels may name only the object classes.
 * A class without a label has its name from `data`, unless `data` is NULL. For a class without a name, the
 * class number is written to `room`. */
const char *cnn_class_name(const cnn_network *network, const cnn_data *data, int32_t class, char room[24]);

/* A sample and the net that computed its results. */
typedef struct cnn_shown {
  const cnn_network *network;
  const char *path;
  int64_t index; /* index in an array; -1: an image file */
  cnn_view view;
} cnn_shown;

/* Prints boxes as "disc 0.9134 (12.0 30.5 80.2 99.0), ...", and segments as "grass 0.5210, disc 0.0812 score
 * 0.9134, ...". slot: index of the sample in the arrays `output`. False: out of memory. */
bool cnn_found_print(const cnn_shown *shown, float *const output[], int64_t slot);
/* Appends the boxes and segments to `results`, in the format of COCO results. False: out of memory. */
bool cnn_found_add(const cnn_shown *shown, float *const output[], int64_t slot, json_t *results);
/* Draws the segments, and the boxes with a score of at least 0.25, onto the RGB image. A small image is
 * enlarged; if there are segments, a legend is added below the image. Reports it if there is no box to draw.
 * False: out of memory. */
bool cnn_found_draw(const cnn_shown *shown, float *const output[], cnn_image *picture);
#endif
