/* outline.h: Pixels of an object in COCO's formats: polygons, or run lengths (RLE). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_OUTLINE_H
#define CNN_OUTLINE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cnn_status.h"

/* Either a union of polygons, or run lengths. Runs of pixels outside and inside the object alternate,
 * beginning outside. Pixels are numbered column by column, each column from top to bottom. */
typedef struct cnn_outline {
  int32_t polygons, runs;
  int32_t *points; /* number of points of each polygon */
  double *corner;  /* x y x y ... of all polygons */
  size_t numbers;  /* numbers in `corner` */
  uint32_t *run;
} cnn_outline;

/* the distance of a corner from the image is at most CNN_REACH times the image's size */
enum { CNN_REACH = 1 };

void cnn_outline_free(cnn_outline *outline); /* NULL is fine */
/* Adds a polygon of n / 2 corners: n numbers, x and y in turn. An error message only describes the problem
 * ("has 4 numbers; ..."); the caller adds the file and the object. */
cnn_status cnn_outline_polygon(cnn_outline *outline, const double *corner, size_t n, int32_t height,
                               int32_t width);
/* Adds a run of `pixels` pixels, and adds its length to *sum, the length of all runs. It is an error if
 * *sum exceeds height * width. */
cnn_status cnn_outline_run(cnn_outline *outline, double pixels, int64_t *sum, int32_t height, int32_t width);
/* Unpacks run lengths from a text. From the fourth run on, a number in the text is the difference from the
 * run before the previous one. Numbers are stored in groups of 5 bits, the lowest bits first. A character is
 * '0' + a group, + 32 if another group of the number follows. */
cnn_status cnn_outline_unpack(cnn_outline *outline, const char *text, size_t n, int32_t height,
                              int32_t width);
/* Writes `value` to the pixels inside. False: out of memory. */
bool cnn_outline_paint(const cnn_outline *outline, int32_t height, int32_t width, uint8_t value,
                       uint8_t *map);
#endif
