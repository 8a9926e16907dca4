/* forward.h: Forward pass of a net in training. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FORWARD_H
#define CNNC_FORWARD_H
#include "graph/graph.h"

/* The graph of all that outputs and losses read, with the training forms of nodes (op->train). A training
 * form may have more or fewer rows, as that of proposals; the shapes of its users are then inferred again. If
 * they do not fit, reports it and returns NULL; diags may be NULL if that was checked before.
 *
 * With `steps` it has all calls of a sample: an input and an output are regions, a call each, and a state is
 * what the call before gave its update. */
Graph *graph_forward(Arena *, const Graph *, Diags *diags);

#endif
