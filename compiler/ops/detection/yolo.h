/* yolo.h: a head of YOLOv3: what is known of the value of yolo. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_DETECTION_YOLO_H
#define CNNC_DETECTION_YOLO_H
#include "graph/op.h"

/* Columns of a row: the box's center and size, its objectness, then a column for each class. */
enum { YOLO_X, YOLO_Y, YOLO_W, YOLO_H, YOLO_OBJECT, YOLO_CLASSES };

/* node->detail of yolo and of what is made of it. Rows go by cell, then by anchor. */
typedef struct YoloHead {
  int64_t h, w, anchors, classes; /* cells; anchors of each */
  int64_t picture_h, picture_w;
  const double (*anchor)[2]; /* width and height in pixels of the picture */
} YoloHead;

extern const Op op_yolo;

#endif
