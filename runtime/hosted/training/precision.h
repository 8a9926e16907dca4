/* precision.h: the average precision of detected boxes, as COCO counts it. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_PRECISION_H
#define CNN_PRECISION_H
#include <stdbool.h>
#include <stdint.h>

typedef struct cnn_found {
  int32_t image, label;
  double score, box[4]; /* x1 y1 x2 y2 */
} cnn_found;

typedef struct cnn_sought {
  int32_t image, label;
  bool ignored;        /* a crowd: neither truth nor mistake */
  double area, box[4]; /* area: that of the mask where the data has one */
} cnn_sought;

/* Means over the classes that have a truth; -1: there is none. */
typedef struct cnn_precision {
  double ap, ap50, ap75, small, medium, large;
} cnn_precision;

/* of_class[classes], or NULL: the AP of each class. Labels are below `classes`. false: no memory. */
bool cnn_precision_boxes(const cnn_found *found, int64_t founds, const cnn_sought *sought, int64_t soughts,
                         int32_t classes, cnn_precision *result, double *of_class);
#endif
