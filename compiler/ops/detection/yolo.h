/* yolo.h: A YOLOv3 head: layout of yolo's value. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_DETECTION_YOLO_H
#define CNNC_DETECTION_YOLO_H
#include "graph/op.h"

/* Columns of a row: the box's center and size, its objectness, then one column per class. */
enum { YOLO_X, YOLO_Y, YOLO_W, YOLO_H, YOLO_OBJECT, YOLO_CLASSES };

/* node->detail of yolo and of its input gradient. Rows are ordered by cell, then by anchor. */
typedef struct YoloHead {
  int64_t h, w, anchors, classes; /* h, w: rows and columns of cells; anchors: number of anchors per cell */
  int64_t picture_h, picture_w;
  const double (*anchor)[2]; /* anchor[anchors]: width and height of each anchor, in image pixels */
} YoloHead;

extern const Op op_yolo;

#endif
