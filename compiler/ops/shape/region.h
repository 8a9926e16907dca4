/* region.h: Values that are parts of other values: a box cut out of a value, or a value placed in a box of a
 * larger value. Each of the two operations is the backward pass of the other. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_OPS_SHAPE_REGION_H
#define CNNC_OPS_SHAPE_REGION_H
#include "kernel/walk.h"

typedef struct Box {
  int64_t y, x, c;
} Box; /* position of the smaller value's first element in the larger value */

/* copies a box of `from` to `to` */
void box_cut(const double *from, Extent large, double *to, Extent small, Box);
void box_place(const double *from, Extent small, double *to, Extent large, Box,
               double around);    /* fills `to` with `around`, and places `from` in a box of `to` */
void box_lower_cut(Lower *, Box); /* the result is a box of in[0] */
void box_lower_place(Lower *, Box, double around); /* the result is in[0] surrounded by `around` */
/* The gradient with respect to an input of this shape: a box of dy, or dy placed in zeros. Hidden operators
 * compute it, and store the box as their detail. */
Node *box_gradient_cut(Gradient *, Node *of, Node *dy, Shape, Box);
Node *box_gradient_place(Gradient *, Node *of, Node *dy, Shape, Box);

/* Reads the border argument of zero_pad or crop: N, [h, w] or [top, bottom, left, right]; for a sequence, N
 * or [before, after]. Element 0 of the results is for the height, element 1 for the width or length. Returns
 * false after an error. */
bool box_border(ShapeContext *, const Node *, const char *param, int64_t before[2], int64_t after[2]);
void box_border_of(const Node *, const char *param, int64_t before[2],
                   int64_t after[2]);            /* like box_border, for a node that was checked */
Box box_inside(const Node *, const char *param); /* the box inside the border of zero_pad or crop */
/* Replaces argument 0, the border, of a zero_pad or crop. The node must be a copy of the source's node. */
void box_set_border(Arena *, Node *, const int64_t before[2], const int64_t after[2]);
#endif
