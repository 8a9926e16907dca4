/* recompute.h: Rematerialization of values of the training graph. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_RECOMPUTE_H
#define CNNC_RECOMPUTE_H
#include "passes/plan.h"

/* Execution order of the nodes of a training graph, and their last uses. */
typedef struct Times Times;
const Times *recompute_times(Arena *, const Plan *);

/* Adds copies of nodes to a training graph for late users. times: execution order in this graph, or in the
 * graph from which this graph was copied; NULL: computed here. again: by node id, the number of
 * rematerializations, which split the live range at the longest gaps between users; NULL: none. Nodes are
 * also rematerialized without request if they are cheap (recompute.c), or if a copy reads them when they are
 * no longer in memory. Node ids change. */
typedef struct Recomputed {
  int64_t work, macs;
} Recomputed; /* per image: recompute_work and MACs of all copies */
Recomputed pass_recompute(Plan *, const Times *, const unsigned char *again);
/* By node id: whether rematerialization can be requested: the value is not cheap, and has a late reader. */
const bool *recompute_late(Arena *, Plan *, const Times *);
/* MACs, plus the elements of the result or of the largest input, whichever is larger; 0 for aliases and
 * for the slices of a layer. */
int64_t recompute_work(const Node *);
#endif
