/* pool.h: Common code of operators that combine the elements of a window, separately for each channel:
 * maxpool, avgpool, their global forms, stochastic_pool and the backward passes of these operators. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_POOL_H
#define CNNC_POOL_H
#include "kernel/walk.h"

void pool_shape(ShapeContext *, Node *); /* the shape rule, from kernel, stride, pad, dilation, ceil; a window
                                            that only contains padding is an error */
void pool_shape_global(ShapeContext *, Node *); /* a shape rule: one window over the whole input */

/* Along one axis: the range first .. last of the taps with which output o reads input positions lo .. hi - 1;
 * empty if last < first. */
typedef struct Taps {
  int64_t first, last;
} Taps;
Taps pool_taps(const Window *, int axis, int64_t o, int64_t lo, int64_t hi);

/* ---- nests ---- */
typedef struct Pool {
  Window window;       /* after window_compact: stride and dilation may be smaller */
  Extent large, small; /* large: the input image; small: the image with one element per window */
  int64_t inner[2][2]; /* by axis: windows inner[axis][0] .. inner[axis][1] - 1 are entirely inside the
                          image */
} Pool;
typedef struct PoolPixel { /* y, x: the window for which a body is called; clip: by axis, whether this window
                              may extend outside the image */
  const Pool *pool;
  const Ix *y, *x;
  bool clip[2];
} PoolPixel;
typedef void PoolBody(Lower *, const PoolPixel *, const Ix *c, int part, int lanes, const void *context);
typedef void PoolTap(Lower *, const Ix *y, const Ix *x,
                     void *context); /* called at an element of the image */

Pool pool_of(const Node *); /* the node: a pooling operator, or an operator of its backward pass */
void pool_walk(Lower *, const Pool *, PoolBody,
               const void *context); /* visits all windows; except in the reference schedule, windows inside
                                        the image are in separate loops without bounds checks */
/* Calls the PoolTap for the elements of a window in row order, but not for padding. */
void pool_each_tap(Lower *, const PoolPixel *, PoolTap, void *context);

/* Combines the elements of a window in row order, starting with `start`. */
Val pool_combine(Lower *, const PoolPixel *, const Ix *c, int part, int lanes, const char *name, double start,
                 Val (*combine)(Val, Val));

/* Number of windows that contain an element. FINAL: exactly one, for all elements; ONCE: at most one; ADD:
 * possibly several, so the backward pass adds to the element. */
typedef enum PoolSum { POOL_FINAL, POOL_ONCE, POOL_ADD } PoolSum;
typedef struct PoolTarget {
  Buf *buf;
  PoolSum sum;
} PoolTarget;
void pool_target_put(Lower *, const PoolTarget *, Val, const Ix *y, const Ix *x, const Ix *c, int part,
                     int lanes);
void pool_lower_gradient(Lower *,
                         PoolBody); /* builds the whole nest; the body gets the PoolTarget as its context */

/* maxpool.c, avgpool.c: also used by the global forms */
void maxpool_run(const Eval *);
void maxpool_backward(Gradient *, Node *, Node *dy);
void maxpool_lower(Lower *);
void avgpool_run(const Eval *);
void avgpool_backward(Gradient *, Node *, Node *dy);
void avgpool_lower(Lower *);
#endif
