/* forward.h: Forward pass of training. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FORWARD_H
#define CNNC_FORWARD_H
#include "graph/graph.h"

/* The graph that computes the outputs and the operands of the losses, with nodes in training mode
 * (op->train). Some nodes, such as proposals, have a different number of rows in training than in inference.
 * The shapes of their users are then inferred again. If an operator does not support a shape, this function
 * reports an error and returns NULL. diags may be NULL if the shapes were checked before.
 *
 * With diags, the graph has one call of the net, which is enough to check shapes. Without diags, the graph
 * has all `steps` calls of a sample. Inputs and outputs then have one region per call. From the second call
 * on, a state is the value of its update in the previous call. */
Graph *graph_forward(Arena *, const Graph *, Diags *diags);

#endif
