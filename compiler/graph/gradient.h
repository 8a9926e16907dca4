/* gradient.h: State of reverse-mode differentiation (autodiff/differentiate.c): contributions to the gradient
 * of each value, which operators append with the functions of op.h. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_GRADIENT_H
#define CNNC_GRADIENT_H
#include "graph/op.h"

typedef VEC(Node *) Contributions;

struct Gradient {
  Graph *graph;
  bool training;       /* differentiate with respect to the parameters; otherwise to the inputs */
  bool *wanted;        /* by node id: whether a trained parameter or input needs the node's gradient */
  Contributions *part; /* by node id: contributions to the node's gradient */
  int forward;         /* nodes before this id are the forward pass */
};
bool gradient_trainable(const Weight *); /* NULL, statistics and frozen parameters are not trainable */
#endif
