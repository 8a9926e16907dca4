/* reshape.h: Shapes given as arguments, and values with a new shape. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_RESHAPE_H
#define CNNC_RESHAPE_H
#include "graph/op.h"

bool reshape_sizes(ShapeContext *, const Node *,
                   Shape *to);   /* the shape in the argument `shape`; false after an error */
void reshape_eval(const Eval *); /* the elements of in[0], in their order */
#endif
