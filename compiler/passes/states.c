/* states.c: In-place updates of states. An update copies the new value of a state into the state's memory at
 * the end of a call. If every reader of the old value runs before the kernel that computes the new value,
 * that kernel can write into the state without a copy. A kernel that moves or replaces rows can read the old
 * value of a state and write the new value in the same memory.
 *
 * Requires: the kernels in order. Preserves: the order of the kernels; removes copies into states. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/lower.h"
#include "ops/registry.h"
#include "passes/life.h"
#include "passes/passes.h"

/* ---- the inference graph: updates are the last nodes, and no node reads them ---- */
/* Whether the value is a view of a state. Updates and outputs copy such views, because another update may
 * overwrite the state before the view is read. */
static bool aliases_state(const Node *node) {
  while (node->nin && (node->op->family == FAMILY_ALIAS || node->op->traits.channel_slice ||
                       node->op->traits.slice_offset))
    node = node->in[0];
  return node_is_state(node);
}

static Node *copied_value(Graph *graph, Node *node) {
  Node *copy = graph_hidden(graph, &op_copy, NULL, node->shape, RESULT_SAMPLE, 1, &node);
  copy->name = node->name;
  copy->span = node->span;
  copy->site = node->site;
  copy->elem = node->elem;
  copy->quant = node->quant;
  return copy;
}

Graph *states_last(Arena *arena, Graph *from) {
  if (!graph_states(from)) return from;
  Graph *to = graph_copy_head(arena, from);
  Node **map = NEW_ARRAY(arena, Node *, from->nodes.n + 1);
  for (int i = 0; i < from->nodes.n; i++) {
    const Node *node = from->nodes.data[i];
    if (node_is_update(node)) map[i] = map[node->in[0]->id];
    else graph_append(to, map[i] = graph_copy_node(arena, node, map));
  }
  const int n = graph_states(from);
  Node **update = NEW_ARRAY(arena, Node *, n);
  for (int k = 0; k < n; k++) {
    update[k] = graph_copy_node(arena, graph_update(from, k), map);
    if (aliases_state(update[k]->in[0])) update[k]->in[0] = copied_value(to, update[k]->in[0]);
  }
  for (int o = 0; o < from->outputs.n; o++) { /* an output that is a state returns the state's old value */
    const int id = from->outputs.data[o].node->id;
    if (aliases_state(map[id])) map[id] = copied_value(to, map[id]);
  }
  for (int k = 0; k < n; k++) graph_append(to, update[k]);
  graph_copy_ports(to, from, map);
  return to;
}

/* ---- updates without a copy ---- */
static bool reads_state(const Plan *plan, const Kernel *kernel, const Node *state) {
  if (node_is_update(kernel->root)) return home_of(plan, kernel->root->in[0]) == state;
  if (kernel->root->op->traits.rewrites_state && kernel->root->in[1] == state) return false;
  for (int i = 0; i < kernel->root->nin; i++)
    if (home_of(plan, kernel->root->in[i]) == state) return true;
  for (int c = 0; c < kernel->nchain; c++)
    for (int i = 1; i < kernel->chain[c]->nin; i++)
      if (home_of(plan, kernel->chain[c]->in[i]) == state) return true;
  return false;
}

static bool writes_value(const Plan *plan, const Kernel *kernel, const Node *value) {
  return home_of(plan, kernel->result) == value || (kernel->means && home_of(plan, kernel->means) == value);
}

static bool is_given_out(const Plan *plan, const Node *value) {
  for (int o = 0; o < plan->graph->outputs.n; o++)
    if (home_of(plan, plan->graph->outputs.data[o].node) == value) return true;
  return false;
}

/* Whether the value can be computed in the state's memory. Not, for example, if the value is a part of
 * another value, is an output, or has another element type than the state. */
static bool fits_state(const Plan *plan, const Node *value, const Node *state) {
  const Home *home = &plan->home[value->id];
  return home->offset == 0 && home->pitch == shape_extent(home->node->shape).c &&
         shape_elements(home->node->shape) == shape_elements(state->shape) && home->elem == state->elem &&
         !home->node->shape.regions && home->node->result == RESULT_SAMPLE && !home->node->target &&
         plan->state_of[home->node->id] < 0 && !is_given_out(plan, home->node);
}

/* Whether the kernel moves rows of the state, and writes them at the start of its result's home. */
static bool moves_state(const Plan *plan, const Kernel *kernel, const Node *state) {
  return kernel->root->op->traits.moves_rows && kernel->result == kernel->root && !kernel->batch &&
         plan->images <= 1 && kernel->root->in[0] == state && plan->home[kernel->result->id].offset == 0;
}

/* Whether the first kernel that writes the value runs after the last kernel that reads the state, or both are
 * the same kernel and this kernel moves rows. */
static bool is_computed_late(const Plan *plan, const Node *value, const Node *state) {
  int last_read = -1, made = -1;
  for (int k = 0; k < plan->kernels.n; k++) {
    if (reads_state(plan, plan->kernels.data[k], state)) last_read = k;
    if (made < 0 && writes_value(plan, plan->kernels.data[k], value)) made = k;
  }
  return made > last_read ||
         (made >= 0 && made == last_read && moves_state(plan, plan->kernels.data[made], state));
}

void pass_states(PassState *pass) {
  Plan *plan = pass->plan;
  int n = 0;
  plan->state_of = NEW_ARRAY(pass->arena, int, plan->graph->nodes.n + 1);
  for (int i = 0; i < plan->graph->nodes.n; i++) plan->state_of[i] = -1;
  for (int k = 0; k < plan->kernels.n; k++) {
    const Node *root = plan->kernels.data[k]->root;
    if (!node_is_update(root)) continue;
    const Node *value = home_of(plan, root->in[0]), *state = root->in[1];
    if (fits_state(plan, root->in[0], state) && is_computed_late(plan, value, state))
      plan->state_of[value->id] = state->port->index;
  }
  for (int k = 0; k < plan->kernels.n; k++) {
    const Node *root = plan->kernels.data[k]->root;
    const bool made =
        node_is_update(root) && plan->state_of[home_of(plan, root->in[0])->id] == root->in[1]->port->index;
    if (!made) plan->kernels.data[n++] = plan->kernels.data[k];
  }
  plan->kernels.n = n;
}
