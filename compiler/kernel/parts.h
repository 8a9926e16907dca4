/* parts.h: operators that see all rows of their values at once (op->traits.mixes_rows), and gradients of
 * operands that are repeated for each row. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PARTS_H
#define CNNC_PARTS_H
#include "kernel/walk.h"

/* Elements of row n; a value without rows is the same for every n. */
Val parts_load(Lower *, Buf *, const Ix *n, const Ix *y, const Ix *x, const Ix *c, int part, int lanes);
/* dx with the rows of node->shape as the gradient of an operand of this shape: summed over the rows that
 * share one of its own. */
Node *parts_gradient(Gradient *, Node *of, Shape operand, Node *dx);
/* "n=5 of split_heads does not divide the 192 channels of its input", and what would. False: that was
 * reported. */
bool parts_divide(ShapeContext *, const Node *, const char *param, int64_t n, int64_t all, const char *what,
                  const char *of, const Node *value);
#endif
