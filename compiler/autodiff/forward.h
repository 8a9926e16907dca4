/* forward.h: the forward pass of a net in training. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FORWARD_H
#define CNNC_FORWARD_H
#include "graph/graph.h"

/* The graph with the nodes that stand for others in training (op->train), of what outputs and losses read.
 * Sets map, by node id: NULL for what they do not read. Such a node may have more or fewer rows, as that of
 * proposals; then the shapes of those behind it are inferred again. Where they do not fit a message says so,
 * and the result is NULL; diags may be NULL, where that was looked at before. */
Graph *graph_forward(Arena *, const Graph *, Node **map, Diags *diags);

#endif
