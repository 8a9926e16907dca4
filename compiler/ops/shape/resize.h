/* resize.h: what resize and upsample share: pictures and sequences at another size. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_RESIZE_H
#define CNNC_RESIZE_H
#include "graph/op.h"

bool resize_input(ShapeContext *, const Node *); /* a picture or a sequence, or a message */
void resize_to(ShapeContext *, Node *, const char *param, const int64_t size[2]); /* the shape rule's end */
void resize_eval(const Eval *);
void resize_lower(struct Lower *);
void resize_gradient(Gradient *, Node *, Node *dy);
bool resize_identity(const Node *);
bool resize_repeats(const Node *, int64_t factor[2]);
void resize_field(const Node *, int axis, int64_t *sees, double *jump);
#endif
