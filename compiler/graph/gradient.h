/* gradient.h: State of a backward walk: contributions to the gradient of each value. Operators append to it
 * through the functions of op.h; autodiff/differentiate.c walks. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_GRADIENT_H
#define CNNC_GRADIENT_H
#include "graph/op.h"

typedef VEC(Node *) Contributions;

struct Gradient {
  Graph *graph;
  bool training;       /* parameters get gradients; otherwise the inputs do */
  bool *wanted;        /* by node id: a trained parameter or an input precedes it */
  Contributions *part; /* by node id: contributions to its gradient */
  int forward;         /* nodes before this id are the forward pass */
};
bool gradient_trainable(const Weight *); /* NULL, statistics and frozen parameters are not trainable */
#endif
