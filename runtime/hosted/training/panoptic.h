/* panoptic.h: Panoptic quality: detection and segmentation quality of segments (Kirillov et al. 2019). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_PANOPTIC_H
#define CNN_PANOPTIC_H
#include <stdbool.h>
#include <stdint.h>
#include "cnn.h"

typedef struct cnn_segment {
  int32_t label, instance; /* instance: distinguishes the segments of a class */
  bool ignored;            /* an annotated crowd: detections of it are neither true nor false */
} cnn_segment;

/* The segment of each pixel of an image. */
typedef struct cnn_segments {
  int64_t pixels;
  int32_t *of; /* of[pixels]: the pixel's segment; -1: none, or unknown in annotations */
  int32_t count;
  cnn_segment *segment; /* each segment has at least one pixel */
} cnn_segments;

typedef struct cnn_quality_counts { /* counts of one class, over any number of images */
  double iou;                       /* sum of the IoUs of matched segments */
  int64_t right, wrong, missed;
} cnn_quality_counts;

/* Adds the counts of an image to of_class, which has an element for each label. False: no memory. */
bool cnn_quality_add(cnn_quality_counts *of_class, const cnn_segments *truth, const cnn_segments *found);
cnn_quality cnn_quality_of(const cnn_quality_counts *counts); /* all 0 if no segment is matched */
/* Means over the classes that are annotated or detected in some image; -1: there is no such class. */
cnn_quality cnn_quality_mean(const cnn_quality_counts *of_class, int32_t classes);
#endif
