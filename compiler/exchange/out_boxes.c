/* out_boxes.c: operators of boxes, out to ONNX. */
// SPDX-License-Identifier: Apache-2.0
#include "exchange/onnx_out.h"
#include "ops/detection/yolo.h"

enum { ROW = 1 }; /* the axis along which the numbers of a row lie: rows are a sequence's positions */

static const char *columns(OnnxOut *o, const char *x, int64_t from, int64_t to) {
  return out_part(o, x, 1, &from, &to, &(int64_t){ROW});
}

/* The input as rows: those of a cell are its channels, one anchor's after the other's. */
static const char *rows_of(OnnxOut *o, const Node *node) {
  const YoloHead *head = node->detail;
  const int64_t width = shape_extent(node->shape).c, dim[] = {0, head->anchors, width, -1},
                from[] = {0, 2, 3, 1};
  return out_shaped(o, out_permute(o, out_reshape(o, out_input(o, 0), 4, dim), 4, from), node->shape);
}

/* Two numbers for each row, [1, 2, rows]: the place of its cell, or the shape of its anchor. */
typedef double NumberOfRow(const YoloHead *, int64_t row, int k);

static double cell_of(const YoloHead *head, int64_t row, int k) {
  const int64_t cell = row / head->anchors;
  return (double)(k ? cell / head->w : cell % head->w);
}

static double anchor_of(const YoloHead *head, int64_t row, int k) {
  return head->anchor[row % head->anchors][k];
}

static const char *of_rows(OnnxOut *o, const char *what, NumberOfRow *number) {
  const YoloHead *head = o->node->detail;
  const int64_t rows = shape_extent(o->node->shape).w, dim[] = {1, 2, rows};
  float *all = NEW_ARRAY(o->arena, float, 2 * rows);
  for (int64_t i = 0; i < 2 * rows; i++) all[i] = (float)number(head, i % rows, (int)(i / rows));
  return out_floats(o, what, 3, dim, all);
}

static const char *stride_of(OnnxOut *o, const YoloHead *head) {
  float *stride = NEW_ARRAY(o->arena, float, 2);
  stride[0] = (float)head->picture_w / (float)head->w;
  stride[1] = (float)head->picture_h / (float)head->h;
  return out_floats(o, "stride", 3, (const int64_t[]){1, 2, 1}, stride);
}

/* The parts of a row that yolo computes in different ways, and then the row again. */
const char *export_yolo(OnnxOut *o, const Node *node) {
  const YoloHead *head = node->detail;
  const char *rows = rows_of(o, node), *centre, *size, *scores;
  centre = out_one(o, "Sigmoid", columns(o, rows, YOLO_X, YOLO_W));
  centre = out_two(o, "Add", centre, of_rows(o, "cells", cell_of));
  centre = out_two(o, "Mul", centre, stride_of(o, head));
  size = out_one(o, "Exp", columns(o, rows, YOLO_W, YOLO_OBJECT));
  size = out_two(o, "Mul", size, of_rows(o, "anchors", anchor_of));
  scores = out_one(o, "Sigmoid", columns(o, rows, YOLO_OBJECT, YOLO_CLASSES + head->classes));
  const char *y = out_node(o, "Concat", 3, (const char *const[]){centre, size, scores});
  out_int(o, "axis", ROW);
  return y;
}
