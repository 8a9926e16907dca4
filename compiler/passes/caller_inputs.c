/* caller_inputs.c: Pass that chooses the inputs, targets and states that kernels read directly from the
 * caller's arrays. A conversion kernel converts all other inputs to the layout and element type that kernels
 * need: for example, channels-first pixels, images that must be interleaved, or bytes that a layer reads
 * repeatedly.
 *
 * Requires: a graph, and whether images are interleaved. Preserves: the graph; marks nodes. */
// SPDX-License-Identifier: Apache-2.0
#include "graph/op.h"
#include "passes/passes.h"

/* Maximum length of a chain of aliases; maximum number of taps of an unrolled window. */
enum { MOST_ALIASES = 8, UNROLLED_TAPS = 16 };

static bool is_graph_output(const Graph *graph, const Node *node) {
  for (int o = 0; o < graph->outputs.n; o++)
    if (graph->outputs.data[o].node == node) return true;
  return false;
}

/* Whether a pooling converts bytes slowly: it reads each byte more than twice on average, or it sums a single
 * channel with scalars because its window is not unrolled. */
static bool pools_slowly(const Node *pool) {
  const Extent in = shape_extent(pool->in[0]->shape), out = shape_extent(pool->shape);
  const double taps = (double)pool->window->kernel[0] * (double)pool->window->kernel[1];
  return taps * (double)(out.h * out.w) > 2 * (double)(in.h * in.w) ||
         (in.c == 1 && taps > (double)UNROLLED_TAPS);
}

/* Whether the node reads each element about once, so that it may convert bytes itself. Measured: crops of few
 * channels, convolutions and dense layers are slower if they convert the bytes themselves than if a
 * conversion kernel runs first. */
static bool reads_once(const Node *node, const Node *value) {
  const bool repeated = shape_elements(value->shape) < shape_elements(node->shape);
  if (node->result != RESULT_SAMPLE) return false;
  return (node->op->family == FAMILY_MAP && !repeated) ||
         (node->op->family == FAMILY_POOL && !pools_slowly(node)) || node->op->traits.channel_slice;
}

/* Like reads_once, for all readers of a value, including the readers of its aliases and slices. */
static bool is_read_once(const Graph *graph, const Node *value, int aliases) {
  if (is_graph_output(graph, value) || aliases > MOST_ALIASES) return false;
  for (int i = value->id + 1; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    bool reads = false;
    for (int k = 0; k < node->nin; k++) reads = reads || node->in[k] == value;
    if (!reads) continue;
    const bool alias = node->op->family == FAMILY_ALIAS;
    if (!alias && !reads_once(node, value)) return false;
    if ((alias || node->op->traits.channel_slice) && !is_read_once(graph, node, aliases + 1)) return false;
  }
  return true;
}

static bool is_caller_owned(const Plan *plan, const Node *node) {
  if (plan->images > 1) return false;
  if (node_is_state(node)) return true;
  if (node_is_target(node)) return true;
  if (!node_is_input(node) || node->port->chw) return false;
  return node->port->elem == node->elem || (node->port->elem != I32 && is_read_once(plan->graph, node, 0));
}

void pass_given(PassState *state) {
  Plan *plan = state->plan;
  plan->given = NEW_ARRAY(state->arena, bool, plan->graph->nodes.n + 1);
  for (int i = 0; i < plan->graph->nodes.n; i++)
    plan->given[i] = is_caller_owned(plan, plan->graph->nodes.data[i]);
}
