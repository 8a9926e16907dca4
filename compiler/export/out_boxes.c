/* out_boxes.c: Export of box operators to ONNX. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "export/onnx_out.h"
#include "ops/detection/box.h"
#include "ops/detection/lists.h"
#include "ops/detection/yolo.h"

enum { ROW = 1 }; /* the axis with the numbers of a row, in [N, numbers, rows] */

static const char *box_columns(OnnxOut *o, const char *x, int64_t from, int64_t to) {
  return out_part(o, x, 1, &from, &to, &(int64_t){ROW});
}

/* The input as rows: the channels of a cell contain the rows of all its anchors, one after the other. */
static const char *out_rows(OnnxOut *o, const Node *node) {
  const YoloHead *head = node->detail;
  const int64_t width = shape_extent(node->shape).c, dim[] = {0, head->anchors, width, -1},
                from[] = {0, 2, 3, 1};
  return out_shaped(o, out_permute(o, out_reshape(o, out_input(o, 0), 4, dim), 4, from), node->shape);
}

/* Number k of a row: x (k = 0) or y (k = 1) of the row's cell; or width or height of the row's anchor. */
typedef double NumberOfRow(const YoloHead *, int64_t row, int k);

static double yolo_cell_of(const YoloHead *head, int64_t row, int k) {
  const int64_t cell = row / head->anchors;
  return (double)(k ? cell / head->w : cell % head->w);
}

static double anchor_of(const YoloHead *head, int64_t row, int k) {
  return head->anchor[row % head->anchors][k];
}

static const char *out_per_row(OnnxOut *o, const char *what, NumberOfRow *number) {
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

/* Computes the parts of each row separately, as the operator yolo does, and concatenates them. */
const char *export_yolo(OnnxOut *o, const Node *node) {
  const YoloHead *head = node->detail;
  const char *rows = out_rows(o, node), *center, *size, *scores;
  center = out_one(o, "Sigmoid", box_columns(o, rows, YOLO_X, YOLO_W));
  center = out_two(o, "Add", center, out_per_row(o, "cells", yolo_cell_of));
  center = out_two(o, "Mul", center, stride_of(o, head));
  size = out_one(o, "Exp", box_columns(o, rows, YOLO_W, YOLO_OBJECT));
  size = out_two(o, "Mul", size, out_per_row(o, "anchors", anchor_of));
  scores = out_one(o, "Sigmoid", box_columns(o, rows, YOLO_OBJECT, YOLO_CLASSES + head->classes));
  const char *y = out_node(o, "Concat", 3, (const char *const[]){center, size, scores});
  out_int(o, "axis", ROW);
  return y;
}

/* ---- boxes as corners ---- */
const char *export_default_boxes(OnnxOut *o, const Node *node) {
  const int64_t rows = node->shape.dim[0], dim[] = {1, BOX, rows};
  float *all = NEW_ARRAY(o->arena, float, rows *BOX);
  for (int64_t row = 0; row < rows; row++) {
    double box[BOX];
    default_box(node, row, box);
    for (int64_t k = 0; k < BOX; k++) all[k * rows + row] = (float)box[k];
  }
  return out_for_images(o, node, out_floats(o, "boxes", 3, dim, all));
}

/* A constant of n numbers along `axis`, one for each coordinate of a box. The last axis of the constant has
 * size 1, so the constant is broadcast over rows. */
static const char *of_box(OnnxOut *o, const char *what, int axis, int n, const double *from) {
  const int64_t dim[] = {1, axis == 1 ? n : 1, axis == 1 ? 1 : n, 1};
  float *to = NEW_ARRAY(o->arena, float, n);
  for (int k = 0; k < n; k++) to[k] = (float)from[k];
  return out_floats(o, what, axis + 2, dim, to);
}

/* The elements `from` and `from` + 1 along the axis: one for x and one for y. */
static const char *coordinate_pair(OnnxOut *o, const char *x, int64_t from, int64_t axis) {
  const int64_t to = from + 2;
  return out_part(o, x, 1, &from, &to, &axis);
}

/* The deltas `from` and `from` + 1 of each row, divided by their weights. */
static const char *deltas_of(OnnxOut *o, const Node *node, const char *deltas, int from, int axis) {
  double weight[2];
  for (int k = 0; k < 2; k++) weight[k] = list_number(node, "weights", from + k);
  const char *part = coordinate_pair(o, deltas, from, axis);
  if (weight[0] == 1 && weight[1] == 1) return part;
  return out_two(o, "Div", part, of_box(o, from ? "sizes" : "places", axis, 2, weight));
}

/* Clips coordinates to at least 0 and, if the node has an image, to at most the image's size. */
static const char *clip_boxes(OnnxOut *o, const Node *node, const char *corners, int axis) {
  const Node *picture = picture_of(node);
  if (picture) {
    const double h = (double)picture->shape.dim[0], w = (double)picture->shape.dim[1];
    corners = out_two(o, "Min", corners, of_box(o, "picture", axis, BOX, (const double[]){w, h, w, h}));
  }
  return out_two(o, "Max", corners, out_number(o, "zero", 0));
}

/* If there are several classes, the boxes have a class axis: [N, classes, 4, rows]. */
const char *export_decode(OnnxOut *o, const Node *node) {
  const int64_t rows = node->shape.dim[0], classes = node->shape.dim[1] / BOX;
  const int axis = classes > 1 ? 2 : 1;
  const char *boxes = out_input(o, 0), *deltas = out_input(o, 1);
  if (classes > 1) {
    boxes = out_reshape(o, boxes, 4, (const int64_t[]){0, 1, BOX, rows});
    deltas = out_reshape(o, deltas, 4, (const int64_t[]){0, classes, BOX, rows});
  }
  const char *low = coordinate_pair(o, boxes, 0, axis),
             *side = out_two(o, "Sub", coordinate_pair(o, boxes, 2, axis), low),
             *half = out_two(o, "Mul", side, out_number(o, "half", 0.5)),
             *by = out_two(o, "Mul", deltas_of(o, node, deltas, 0, axis), side),
             *center = out_two(o, "Add", out_two(o, "Add", low, half), by),
             *grown = deltas_of(o, node, deltas, 2, axis),
             *least = out_two(o, "Min", grown, out_number(o, "growth", box_growth())),
             *reach = out_two(o, "Mul", out_one(o, "Exp", least), half),
             *from = out_two(o, "Sub", center, reach), *to = out_two(o, "Add", center, reach);
  const char *corners = out_two(o, "Concat", from, to);
  out_int(o, "axis", axis);
  const char *y = clip_boxes(o, node, corners, axis);
  return classes > 1 ? out_shaped(o, y, node->shape) : y;
}

/* ---- non-maximum suppression ---- */
/* Candidates of nms: each row has a score for each class. */
typedef struct Candidates {
  const char *boxes;  /* [N, 4, rows]; if `each`, [N * classes, 4, rows] */
  const char *scores; /* [N, classes, rows]; if `each`, [N * classes, 1, rows] */
  int64_t rows, classes;
  bool each; /* a row has one box per class */
} Candidates;

static Candidates given_candidates(OnnxOut *o, const Node *node) {
  const Shape scores = node->in[1]->shape;
  Candidates c = {out_input(o, 0), out_input(o, 1), scores.dim[0], scores.dim[1], false};
  c.each = node->in[0]->shape.dim[1] > BOX;
  if (!c.each) return c;
  c.boxes = out_reshape(o, c.boxes, 3, (const int64_t[]){-1, BOX, c.rows});
  c.scores = out_reshape(o, c.scores, 3, (const int64_t[]){-1, 1, c.rows});
  return c;
}

/* Converts rows of yolo to candidates: corners, and objectness times class score. */
static Candidates candidates_of_yolo(OnnxOut *o, const Node *node) {
  const Shape in = node->in[0]->shape;
  Candidates c = {.rows = in.dim[0], .classes = in.dim[1] - YOLO_CLASSES};
  const char *x = out_input(o, 0), *center = box_columns(o, x, YOLO_X, YOLO_W),
             *size = box_columns(o, x, YOLO_W, YOLO_OBJECT),
             *half = out_two(o, "Mul", size, out_number(o, "half", 0.5)),
             *from = out_two(o, "Sub", center, half), *to = out_two(o, "Add", center, half);
  c.boxes = out_two(o, "Concat", from, to);
  out_int(o, "axis", ROW);
  const char *object = box_columns(o, x, YOLO_OBJECT, YOLO_CLASSES);
  c.scores = out_two(o, "Mul", object, box_columns(o, x, YOLO_CLASSES, YOLO_CLASSES + c.classes));
  return c;
}

/* The scores of the boxes that NonMaxSuppression keeps, and -inf for all other boxes. The language keeps
 * scores that equal the minimum, but ONNX drops them. So the minimum for ONNX is the next smaller float. A
 * box with exchanged corners is made empty, so that it overlaps no other box, as in the language. */
static const char *kept_scores(OnnxOut *o, const Node *node, const Candidates *c, const char *none) {
  static const int64_t rows_first[] = {0, 2, 1};
  const char *from = coordinate_pair(o, c->boxes, 0, ROW),
             *to = out_two(o, "Max", coordinate_pair(o, c->boxes, 2, ROW), from);
  const char *boxes = out_two(o, "Concat", from, to);
  out_int(o, "axis", ROW);
  const int64_t most = arg_int(node, "max");
  const float least = nextafterf((float)arg_number(node, "score"), -INFINITY);
  const char *const in[] = {out_permute(o, boxes, 3, rows_first), c->scores, out_list(o, "max", 1, &most),
                            out_filled(o, "iou", 1, arg_number(node, "iou")),
                            out_filled(o, "score", 1, (double)least)};
  const char *kept = out_node(o, "NonMaxSuppression", 5, in);
  const char *nothing = out_two(o, "Expand", none, out_one(o, "Shape", c->scores));
  const char *const scattered[] = {nothing, kept, out_two(o, "GatherND", c->scores, kept)};
  return out_node(o, "ScatterND", 3, scattered);
}

/* The boxes: [N, 4, rows]; if a row has one box per class, [N, 4, rows * classes]. */
static const char *boxes_by_candidate(OnnxOut *o, const Candidates *c) {
  if (!c->each) return c->boxes;
  const int64_t apart[] = {-1, c->classes, BOX, c->rows}, from[] = {0, 2, 3, 1},
                joined[] = {0, BOX, c->rows * c->classes};
  return out_reshape(o, out_permute(o, out_reshape(o, c->boxes, 4, apart), 4, from), 3, joined);
}

/* The n best rows, [N, 6, n]: box, score, and class + 1. Missing rows are zero. */
static const char *best_rows(OnnxOut *o, const Candidates *c, const char *scores, const char *none,
                             int64_t n) {
  static const int64_t box[] = {1, BOX, 1}, rows_first[] = {0, 2, 1};
  const int64_t apart[] = {-1, c->classes, c->rows}, flat[] = {0, c->rows * c->classes}, one[] = {0, 1, n};
  if (c->each) scores = out_reshape(o, scores, 3, apart);
  scores = out_reshape(o, out_permute(o, scores, 3, rows_first), 2, flat);
  const char *best = out_two(o, "TopK", scores, out_list(o, "best", 1, &n)), *number = out_also(o, "numbers");
  const char *classes = out_list(o, "classes", 1, &c->classes);
  number = out_reshape(o, number, 3, one);
  best = out_reshape(o, best, 3, one);
  const char *row = c->each ? number : out_two(o, "Div", number, classes), *boxes = boxes_by_candidate(o, c);
  row = out_two(o, "Expand", row, out_list(o, "corners", 3, box));
  boxes = out_two(o, "GatherElements", boxes, row);
  out_int(o, "axis", 2);
  const char *label = out_one(o, "Cast", out_two(o, "Mod", number, classes));
  out_int(o, "to", TENSOR_FLOAT);
  const char *const parts[] = {boxes, best, out_two(o, "Add", label, out_number(o, "one", 1))};
  const char *rows = out_node(o, "Concat", 3, parts);
  out_int(o, "axis", ROW);
  const char *found = out_two(o, "Greater", best, none);
  const char *const chosen[] = {found, rows, out_number(o, "zero", 0)};
  return out_node(o, "Where", 3, chosen);
}

/* ONNX selects boxes per image and per class. TopK then selects the boxes with the best scores of all
 * classes; of equal scores the first candidate wins, as in the language. */
const char *export_nms(OnnxOut *o, const Node *node) {
  static const float below[] = {0, 0, 0, 0, 0, 1}; /* the class of missing rows is -1 */
  const Candidates c = node->nin == 1 ? candidates_of_yolo(o, node) : given_candidates(o, node);
  const int64_t most = arg_int(node, "max"), all = c.rows * c.classes, n = most < all ? most : all,
                pads[] = {0, 0, 0, 0, 0, most - n}, dim[] = {1, 6, 1};
  const char *none = out_number(o, "none", -INFINITY),
             *rows = best_rows(o, &c, kept_scores(o, node, &c, none), none, n);
  if (n < most) {
    rows = out_two(o, "Pad", rows, out_list(o, "pads", 6, pads));
    out_text(o, "mode", "constant");
  }
  return out_two(o, "Sub", rows, out_floats(o, "below", 3, dim, below));
}
