/* node_tables.h: Access to the Plan's tables by node id, in which passes store their results for nodes. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PASSES_NODE_TABLES_H
#define CNNC_PASSES_NODE_TABLES_H
#include "passes/plan.h"

typedef VEC(Node *) Nodes;

/* The node's entry in plan->whole_batch, plan->given or plan->not_before; false or 0 if the table is NULL. */
bool plan_whole_batch(const Plan *, const Node *);
bool plan_given(const Plan *, const Node *);
int plan_not_before(const Plan *, const Node *);
/* Replaces the nodes of the graph, and updates these tables. was: by new id, the node's old id, or -1 if the
 * node is new. */
void plan_set_nodes(Arena *, Plan *, const Nodes *, const int *was);
void plan_set_homes(Arena *, Plan *); /* sets plan->home, from plan->inside and aliases */
#endif
