/* roi.h: what roi_pool and roi_align share. Their current value is the boxes, in[1] the features; the value
 * is a picture of `size` for each box. Their nests go through these rows themselves
 * (op->traits.loops_over_rows), so that threads share out whole regions. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ROI_H
#define CNNC_ROI_H
#include "kernel/walk.h"

enum { ROI_FAR = 1 << 22 }; /* features from the origin: so far, a float has quarters */
typedef struct Roi {
  int64_t rows, channels;
  int64_t size[2], length[2]; /* height and width of a region's value, and of the features */
  double scale;
} Roi;
void roi_shape(ShapeContext *, Node *);
Roi roi_of(const Node *); /* of the operator, or of a node of its backward pass */

/* x1 y1 x2 y2 of a row; in[k] holds the boxes. */
const double *roi_box(const Eval *, int k, int64_t row);
Val roi_side(Lower *, Buf *boxes, const Ix *n, int side); /* one of them */

/* The loop over the rows of the value, each element of which takes so many operations. */
LoopKind roi_rows(const Lower *, const Roi *, int64_t work);
/* `count` vectors from channel c on, side by side, so that an index serves them all; the only one may be a
 * part. */
typedef void RoiBody(Lower *, const Ix *c, int count, int part, int lanes, const void *context);
void roi_channels(Lower *, int64_t channels, RoiBody, const void *context);
#endif
