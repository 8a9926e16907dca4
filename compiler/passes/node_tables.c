/* node_tables.c: Results of passes for nodes, in tables by node id. */
// SPDX-License-Identifier: Apache-2.0
#include "passes/node_tables.h"
#include "graph/op.h"

bool plan_whole_batch(const Plan *plan, const Node *node) {
  return plan->whole_batch && plan->whole_batch[node->id];
}

bool plan_given(const Plan *plan, const Node *node) { return plan->given && plan->given[node->id]; }

int plan_not_before(const Plan *plan, const Node *node) {
  return plan->not_before ? plan->not_before[node->id] : 0;
}

void plan_set_nodes(Arena *arena, Plan *plan, const Nodes *nodes, const int *was) {
  bool *whole_batch = NEW_ARRAY(arena, bool, nodes->n + 1);
  bool *given = NEW_ARRAY(arena, bool, nodes->n + 1);
  int *not_before = NEW_ARRAY(arena, int, nodes->n + 1);
  for (int i = 0; i < nodes->n; i++) {
    whole_batch[i] = was[i] >= 0 && plan->whole_batch && plan->whole_batch[was[i]];
    given[i] = was[i] >= 0 && plan->given && plan->given[was[i]];
    not_before[i] = was[i] >= 0 && plan->not_before ? plan->not_before[was[i]] : 0;
    nodes->data[i]->id = i;
  }
  plan->whole_batch = whole_batch;
  plan->given = given;
  plan->not_before = not_before;
  plan->graph->nodes.data = nodes->data;
  plan->graph->nodes.n = nodes->n;
  plan->graph->nodes.room = nodes->room;
}

/* The value that contains the node's value, or NULL. */
static const Node *containing_value(const Plan *plan, const Node *node) {
  const Node *within = plan->inside[node->id].within;
  if (within) return within;
  return node->op->family == FAMILY_ALIAS && node->nin ? node->in[0] : NULL;
}

/* The home of a value in its own memory; elements of caller-owned inputs have the caller's type. */
static Home own_home(const Plan *plan, const Node *node) {
  Home home = home_own(node);
  if (plan_given(plan, node) && !node_is_state(node)) home.elem = node->port->elem;
  return home;
}

static Home home_inside(const Plan *plan, const Node *node, const Node *in) {
  const Extent own = shape_extent(node->shape), outer = shape_extent(in->shape);
  const Inside *inside = &plan->inside[node->id];
  const bool reshaped = own.c != outer.c && !inside->rows && /* a contiguous part, in another shape */
                        (own.h != outer.h || own.w != outer.w);
  Home home = plan->home[in->id];
  home.offset += inside->from;
  if (inside->rows) home.rows = inside->rows;
  if (reshaped) home.pitch = own.c;
  return home;
}

/* The containing value may come before or after a node: follows the chain from each node to a known home. */
void plan_set_homes(Arena *arena, Plan *plan) {
  const Graph *graph = plan->graph;
  const Node **path = NEW_ARRAY(arena, const Node *, graph->nodes.n + 1);
  plan->home = NEW_ARRAY(arena, Home, graph->nodes.n + 1);
  for (int i = 0; i < graph->nodes.n; i++) {
    int n = 0;
    const Node *node = graph->nodes.data[i];
    for (; node && !plan->home[node->id].node; node = containing_value(plan, node)) path[n++] = node;
    while (n--) {
      const Node *in = containing_value(plan, path[n]);
      plan->home[path[n]->id] = in ? home_inside(plan, path[n], in) : own_home(plan, path[n]);
    }
  }
}
