/* cells.h: Boxes around the centers of cells: pixels of a value, each of which represents an area of the
 * image. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_DETECTION_CELLS_H
#define CNNC_DETECTION_CELLS_H
#include "ops/detection/box.h"
#include "kernel/walk.h"

void cells_strides(const Node *, double to[2]); /* the argument `stride`: of rows, of columns */
/* The box of anchor i, by cell, then by the node's list `anchors`; cells.c: their number. */
void cells_anchor(const Node *, Extent cells, int64_t i, double box[BOX]);

/* ---- in a nest ---- */
Val cells_center(Nest *, const Ix *cell, double stride); /* (cell + 0.5) * stride */
Buf *cells_anchor_corners(Lower *, const Node *); /* from the list `anchors`, around 0: [anchors * 4] */
/* Stores boxes by cell, then by the n boxes of `corners`, to rows of `to`, [1][boxes][4]; NULL: to the
 * result. */
void cells_boxes(Lower *, Extent cells, const double stride[2], int64_t n, Buf *corners, Buf *to);

#endif
