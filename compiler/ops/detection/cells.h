/* cells.h: Boxes around the centers of cells. A cell is a pixel of a value; it represents an area of the
 * image. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_DETECTION_CELLS_H
#define CNNC_DETECTION_CELLS_H
#include "ops/detection/box.h"
#include "kernel/walk.h"

void cells_strides(const Node *, double to[2]); /* the argument `stride`: distance between rows and between
                                                   columns of cells, in image pixels */
/* The box of anchor i. Anchors are ordered by cell, and in a cell as in the argument `anchors`. cells: number
 * of rows and columns of cells, and number of anchors per cell (c). */
void cells_anchor(const Node *, Extent cells, int64_t i, double box[BOX]);

/* ---- in a nest ---- */
Val cells_center(Nest *, const Ix *cell, double stride); /* (cell + 0.5) * stride */
/* Boxes with the sizes in the argument `anchors`, and with center (0, 0): four numbers per box. */
Buf *cells_anchor_corners(Lower *, const Node *);
/* For each cell, moves the n boxes of `corners` to the center of the cell, and stores them as rows of `to`,
 * [1][boxes][4]. If `to` is NULL, the boxes are rows of the result. */
void cells_boxes(Lower *, Extent cells, const double stride[2], int64_t n, Buf *corners, Buf *to);

#endif
