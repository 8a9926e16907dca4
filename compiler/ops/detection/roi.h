/* roi.h: Common code of roi_pool and roi_align. The current value contains the boxes, and in[1] contains the
 * features. The result has one image of size `size` per box. Nests loop over the boxes
 * (op->traits.loops_over_rows), so that each thread computes whole regions. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ROI_H
#define CNNC_ROI_H
#include "kernel/walk.h"

enum {
  ROI_FAR = 1 << 22
}; /* maximum distance of features from the origin: up to this number, floats represent multiples of 1/4
      exactly */
typedef struct Roi {
  int64_t rows, channels;
  int64_t size[2], length[2]; /* size: height and width of one box's result; length: of the features */
  double scale;
} Roi;
void roi_shape(ShapeContext *, Node *);
Roi roi_of(const Node *); /* the node is roi_pool, roi_align, or a node of its backward pass */

/* x1 y1 x2 y2 of the box in row `row` of input k. */
const double *roi_box(const Eval *, int k, int64_t row);
Val roi_side(Lower *, Buf *boxes, const Ix *n, int side); /* box n: 0: x1, 1: y1, 2: x2, 3: y2 */

/* Kind of the loop over the boxes; work: the number of operations per element of the result. */
LoopKind roi_rows(const Lower *, const Roi *, int64_t work);
/* Builds the nest's code for `count` adjacent vectors of channels, starting at channel c. part: channels per
 * vector; fewer than `lanes` only in a single vector. */
typedef void RoiBody(Lower *, const Ix *c, int count, int part, int lanes, const void *context);
void roi_channels(Lower *, int64_t channels, RoiBody, const void *context);
#endif
