/* node_tables.h: Results of passes for nodes, in tables by node id. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PASSES_NODE_TABLES_H
#define CNNC_PASSES_NODE_TABLES_H
#include "passes/plan.h"

typedef VEC(Node *) Nodes;

bool plan_whole_batch(const Plan *, const Node *);
bool plan_given(const Plan *, const Node *);
int plan_not_before(const Plan *, const Node *);
/* Replaces the nodes of the graph, and updates the tables. was: by new id, the old id; -1: a new node. */
void plan_set_nodes(Arena *, Plan *, const Nodes *, const int *was);
void plan_set_homes(Arena *, Plan *); /* sets plan->home, from plan->inside and aliases */
#endif
