/* parts.h: Helpers of operators that compute all rows in one nest (op->traits.mixes_rows), and gradients of
 * operands that are broadcast to each row. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PARTS_H
#define CNNC_PARTS_H
#include "kernel/walk.h"

/* Loads elements of row n of the leading axis. A value without this axis is the same for every n. */
Val parts_load(Lower *, Buf *, const Ix *n, const Ix *y, const Ix *x, const Ix *c, int part, int lanes);
/* dx with the number of rows of `operand`. If the operand has fewer rows than dx, each row of the operand is
 * used for several rows of dx, and these rows of dx are summed. */
Node *parts_gradient(Gradient *, Node *of, Shape operand, Node *dx);
/* Whether n divides `all`. If not, reports an error like "n=5 of split_heads does not divide the 192 channels
 * of its input", and lists the divisors of `all`. */
bool parts_divide(ShapeContext *, const Node *, const char *param, int64_t n, int64_t all, const char *what,
                  const char *of, const Node *value);
#endif
