/* resize.h: Common code of resize and upsample: images and sequences at another size. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_RESIZE_H
#define CNNC_RESIZE_H
#include "graph/op.h"

bool resize_input(ShapeContext *, const Node *); /* checks that the input is an image or a sequence */
/* the last part of a shape rule: sets the output size */
void resize_to(ShapeContext *, Node *, const char *param, const int64_t size[2]);
void resize_eval(const Eval *);
void resize_lower(struct Lower *);
void resize_gradient(Gradient *, Node *, Node *dy);
bool resize_identity(const Node *);
bool resize_repeats(const Node *, int64_t factor[2]);
void resize_field(const Node *, int axis, int64_t *sees, double *jump);
#endif
