/* default_boxes.c: default_boxes, the boxes that a detector corrects (Liu et al., 2016, SSD). For the cell in
 * row i and column j, each size s and ratio r:
 *
 *     center ((j + 0.5) * stride, (i + 0.5) * stride), width s * sqrt(r), height s / sqrt(r)
 *
 * The result depends only on the size of the input, not on its elements. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "ops/detection/cells.h"
#include "ops/detection/lists.h"
#include "kernel/window.h"

static const Param params[] = {
    {"sizes", PARAM_LIST, NULL, "side lengths of square boxes, in image pixels", 0, 0, NULL},
    {"ratios", PARAM_LIST, NULL, "aspect ratios, width / height, of the boxes of each size", 0, 0, NULL},
    {"stride", PARAM_WINDOW, NULL, "number of image pixels from one cell to the next", 0, 0, NULL},
    {0},
};

static int64_t boxes_of_cell(const Node *node) {
  return (int64_t)list_count(node, "sizes") * list_count(node, "ratios");
}

static void shape(ShapeContext *context, Node *node) {
  const Shape in = node->in[0]->shape;
  int64_t stride[2];
  if (!in.rank) return;
  if (in.rank != 3 || in.regions) {
    Diag *diag = op_error(context, node, DIAG_wrong_shape,
                          "default_boxes needs an image (its pixels are the cells), but its input is %s",
                          shape_text(context->arena, in));
    op_note_origin(context, diag, node->in[0]);
    return;
  }
  if (!list_of_numbers(context, node, "sizes", 0) || !list_of_numbers(context, node, "ratios", 0) ||
      !window_pair(context, node, "stride", stride))
    return;
  node->shape = shape_sequence(in.dim[0] * in.dim[1] * boxes_of_cell(node), BOX);
}

void default_box(const Node *node, int64_t row, double box[BOX]) {
  const int64_t width = shape_extent(node->in[0]->shape).w, cell = row / boxes_of_cell(node),
                k = row % boxes_of_cell(node), ratios = list_count(node, "ratios");
  const double size = list_number(node, "sizes", (int)(k / ratios)),
               root = sqrt(list_number(node, "ratios", (int)(k % ratios)));
  double stride[2];
  cells_strides(node, stride);
  const double x = ((double)(cell % width) + 0.5) * stride[1], y = ((double)(cell / width) + 0.5) * stride[0];
  box[0] = x - size * root / 2;
  box[1] = y - size / root / 2;
  box[2] = x + size * root / 2;
  box[3] = y + size / root / 2;
}

static void run(const Eval *eval) {
  for (int64_t row = 0; row < eval->node->shape.dim[0]; row++)
    default_box(eval->node, row, eval->out + row * BOX);
}

/* The corners of the boxes of a cell, relative to the cell's center. */
static Buf *corners(Lower *l) {
  const Node *node = l->node;
  const int64_t n = boxes_of_cell(node), ratios = list_count(node, "ratios");
  float *to = NEW_ARRAY(l->arena, float, n *BOX);
  for (int64_t k = 0; k < n; k++) {
    const double size = list_number(node, "sizes", (int)(k / ratios)),
                 root = sqrt(list_number(node, "ratios", (int)(k % ratios)));
    to[k * BOX + 2] = (float)(size * root / 2);
    to[k * BOX + 3] = (float)(size / root / 2);
    for (int c = 0; c < 2; c++) to[k * BOX + c] = -to[k * BOX + 2 + c];
  }
  return lower_table(l, to, n * BOX);
}

static void lower(Lower *l) {
  double stride[2];
  cells_strides(l->node, stride);
  Buf *table = corners(l);
  nest_fn(l->b, l->b->name, false);
  cells_boxes(l, shape_extent(l->node->in[0]->shape), stride, boxes_of_cell(l->node), table, NULL);
}

const Op op_default_boxes = {
    .name = "default_boxes",
    .group = "detection",
    .summary = "boxes of several sizes and aspect ratios around the center of each pixel",
    .detail =
        "The result has rows x1 y1 x2 y2 in image pixels, ordered by cell, then by size, then by ratio. "
        "A box has the center (j + 0.5)*stride (i + 0.5)*stride, the width "
        "size*sqrt(ratio) and the height size/sqrt(ratio). Only the height and width of the input are used. "
        "Liu et al., 2016",
    .params = params,
    .example = "default_boxes(sizes=[30, 60], ratios=[1, 2, 0.5], stride=8)",
    .shape = shape,
    .eval = run,
    .lower = lower,
};
