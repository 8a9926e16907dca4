/* bf16.c: Pass that creates bf16 copies of values for products with precision=bf16. Such a copy is needed if
 * the value itself is not rounded: the caller's floats, an output, a state, or a value that other nodes read
 * unrounded.
 *
 * Requires: a graph, with rounded values marked. Preserves: values and order; adds nodes. */
// SPDX-License-Identifier: Apache-2.0
#include "graph/bf16.h"
#include "ops/registry.h"
#include "passes/passes.h"

enum { MOST_OPERANDS = 2 }; /* operands of a product */

static Node *rounded_copy(Graph *graph, Node *value, const Node *product) {
  Node *copy = graph_part(graph, product, &op_round_bf16, "bf16", value->shape, 1, &value);
  copy->rounded = true;
  copy->result = RESULT_SAMPLE;
  copy->target = NULL;
  copy->hidden = NULL;
  return copy;
}

void pass_bf16(PassState *state) {
  Graph *graph = state->plan->graph;
  if (!graph_has_bf16(graph)) return;
  const int n = graph->nodes.n;
  Node **const node = graph->nodes.data,
               **copy = NEW_ARRAY(state->arena, Node *, n * (MOST_OPERANDS + 1) + 1);
  graph->nodes.data = NULL;
  graph->nodes.n = graph->nodes.room = 0;
  for (int i = 0; i < n; i++) {
    for (int k = 0; k < node[i]->nin && node_reads_bf16(node[i]); k++) {
      Node *operand = node[i]->in[k],
           **of = &copy[operand->id]; /* operands were appended earlier, so they have their new ids */
      if (bf16_reads_rounded(operand)) continue;
      if (!*of) *of = rounded_copy(graph, operand, node[i]);
      node[i]->in[k] = *of;
    }
    graph_append(graph, node[i]);
  }
}
