/* recompute.h: values of the training graph that are made again instead of kept. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_RECOMPUTE_H
#define CNNC_RECOMPUTE_H
#include "graph/graph.h"

/* Adds copies of nodes to a training graph, each for the nodes that read the value late. again: by node id, what is made again besides what costs nearly
 * nothing; NULL: nothing. Ids change. */
void pass_recompute(Graph *, const bool *again);
bool recompute_can(const Node *);
#endif
