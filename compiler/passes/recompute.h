/* recompute.h: values of the training graph that are rematerialized rather than kept. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_RECOMPUTE_H
#define CNNC_RECOMPUTE_H
#include "passes/plan.h"

/* When the nodes of a training graph run, and until when they are read. */
typedef struct Times Times;
const Times *recompute_times(Arena *, const Plan *);

/* Adds copies of nodes to a training graph, each for the nodes that read the value late. times: of the graph,
 * or of one that it is a copy of; NULL: they are found. again: by node id, how often to rematerialize it,
 * which splits its live range at the longest gaps between two users; NULL: nothing. Cheap nodes are always
 * rematerialized, and so are operands of copies that are dead by then. Ids change. */
typedef struct Recomputed {
  int64_t work, macs;
} Recomputed; /* of an image: recompute_work of all copies; their multiply-adds */
Recomputed pass_recompute(Plan *, const Times *, const unsigned char *again);
/* By node id: is it worth while to rematerialize it? */
const bool *recompute_late(Arena *, Plan *, const Times *);
int64_t recompute_work(const Node *); /* multiply-adds and elements */
#endif
