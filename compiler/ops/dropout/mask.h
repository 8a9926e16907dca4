/* mask.h: Common code of dropout and drop_path: values dropped at random in training. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_MASK_H
#define CNNC_MASK_H
#include "ops/shape/reshape.h"

extern const Op op_dropout_mask, op_drop_path_mask; /* training: y = 0 with probability rate, otherwise x / (1
                                                       - rate); for each element, or for a whole sample */
void mask_shape(ShapeContext *, Node *);
Node *mask_train(Graph *, Node *, const Op *mask); /* the node that replaces this node in training;
                                                      rate=0: the node itself */

/* The gradient of the inference form, which drops nothing. */
void mask_gradient(Gradient *, Node *, Node *dy);
bool mask_identity(const Node *);
#define MASK_PARAMS(value)                                                                                   \
  {"rate", PARAM_NUMBER, value, "the fraction that is dropped, 0 to below 1", 0, 1, NULL}, {0}
#define MASK                                                                                                 \
  .group = "regularization", .family = FAMILY_ALIAS, .traits.keeps_spatial = true, .shape = mask_shape,      \
  .eval = reshape_eval, .gradient = mask_gradient, .identity = mask_identity
#endif
