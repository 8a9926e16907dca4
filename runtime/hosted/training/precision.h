/* precision.h: Average precision of detections, as COCO defines it. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_PRECISION_H
#define CNN_PRECISION_H
#include <stdbool.h>
#include <stdint.h>

#include "cnn.h"
#include "hosted/data/runs.h"

typedef struct cnn_found {
  int32_t image, label;
  double score, box[4]; /* x1 y1 x2 y2 */
  cnn_runs mask;        /* only used if masks are compared */
} cnn_found;

typedef struct cnn_sought {
  int32_t image, label;
  /* the annotation of a crowd or of a difficult object: a detection that matches this annotation counts
   * neither as a true positive nor as a false positive */
  bool ignored;
  double area, box[4]; /* area: from the annotations, otherwise the area of the mask or of the box */
  cnn_runs mask;
} cnn_sought;

double cnn_boxes_shared(const double a[4], const double b[4]); /* area that two boxes share */
/* Compares detections with annotations, by the IoU of masks if `masks` is true, otherwise of boxes. Sets
 * of_class[0] to of_class[classes - 1], unless `of_class` is NULL. Labels are below `classes`. False: out of
 * memory. */
bool cnn_precision_measure(const cnn_found *found, int64_t founds, const cnn_sought *sought, int64_t soughts,
                           int32_t classes, bool masks, cnn_precision *result, cnn_precision_class *of_class);
#endif
