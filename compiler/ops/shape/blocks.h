/* blocks.h: Common code of depth_to_space and space_to_depth. The channels of a pixel of the deep value are
 * the elements of a block of pixels of the flat value. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_BLOCKS_H
#define CNNC_BLOCKS_H
#include "graph/op.h"

bool blocks_factor(ShapeContext *, const Node *, int64_t factor[2]); /* false after an error */
void blocks_run(const Eval *, bool to_deep);
void blocks_lower(struct Lower *, bool to_deep);
/* to_deep: whether the forward node is space_to_depth */
void blocks_gradient(Gradient *, Node *, Node *dy, bool to_deep);
void blocks_field(const Node *, int axis, int64_t *sees, double *jump);
#define BLOCKS_PARAMS                                                                                        \
  {"factor", PARAM_WINDOW, NULL, "height and width of a block; for a sequence, the length of a block", 0,    \
   0,        NULL},                                                                                          \
      {"order",                                                                                              \
       PARAM_CHOICE,                                                                                         \
       "crd",                                                                                                \
       "order of the channels; crd: the pixels of one channel are adjacent, as in PyTorch's pixel_shuffle; " \
       "dcr: the channels of one pixel are adjacent, as in TensorFlow and by default in ONNX",               \
       0,                                                                                                    \
       0,                                                                                                    \
       "crd dcr"},                                                                                           \
      {0}
#endif
