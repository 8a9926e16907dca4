/* recompute.h: values of the training graph that are made again instead of kept. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_RECOMPUTE_H
#define CNNC_RECOMPUTE_H
#include "passes/plan.h"

/* Adds copies of nodes to a training graph, each for the nodes that read the value late. again: by node id,
 * how often it is made again, after its longest waits for a reader, besides what costs nearly nothing; NULL:
 * nothing. Also what such a copy reads where it is there no more. Ids change. */
typedef struct Recomputed {
  int64_t work, macs;
} Recomputed; /* of an image: recompute_work of all copies; their multiply-adds */
Recomputed pass_recompute(Plan *, const unsigned char *again);
const bool *recompute_late(Arena *, Plan *); /* by node id: is it worth while to make it again? */
int64_t recompute_work(const Node *);        /* multiply-adds and elements */
#endif
