/* forward.h: Forward pass of a net in training. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FORWARD_H
#define CNNC_FORWARD_H
#include "graph/graph.h"

/* The graph of all that outputs and losses read, with the training forms of nodes (op->train). Sets map,
 * by node id: NULL for unused nodes. A training form may have more or fewer rows, as that of proposals;
 * the shapes of its users are then inferred again. If they do not fit, reports it and returns NULL; diags
 * may be NULL if that was checked before. */
Graph *graph_forward(Arena *, const Graph *, Node **map, Diags *diags);

#endif
