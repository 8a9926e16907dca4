/* dot.c: Graph in Graphviz format: one box per operator; one edge per operand, with the operand's shape as
 * label. */
// SPDX-License-Identifier: Apache-2.0
#include "report/dot.h"
#include "graph/op.h"

static const char *node_label(Arena *arena, const Node *node) {
  if (node_is_input(node)) return arena_printf(arena, "%s\ninput", node->name);
  const char *weights = "";
  for (int k = 0; k < node->nweights; k++) {
    const Weight *weight = node->weight[k];
    for (int d = 0; weight && k == 0 && d < weight->rank; d++)
      weights = arena_printf(arena, "%s%s%lld", weights, d ? "x" : "\n", (long long)weight->dim[d]);
  }
  return arena_printf(arena, "%s\n%s%s", node->name, node->op->name, weights);
}

void graph_dot(Text *out, const Graph *graph) {
  text_put(out, "digraph ");
  text_json(out, graph->name);
  text_put(out, " {\n  node [shape=box, style=rounded, fontname=\"sans-serif\", fontsize=11];\n  edge "
                "[fontname=\"sans-serif\", fontsize=9];\n");
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    text_put(out, "  n%d [label=", node->id);
    text_json(out, node_label(graph->arena, node));
    text_put(out, "%s];\n", node_is_input(node) ? ", shape=ellipse" : "");
    for (int k = 0; k < node->nin; k++)
      text_put(out, "  n%d -> n%d [label=\" %s\"];\n", node->in[k]->id, node->id,
               shape_text(graph->arena, node->in[k]->shape));
  }
  for (int i = 0; i < graph->outputs.n; i++) {
    const Port *output = &graph->outputs.data[i];
    text_put(out, "  o%d [label=", i);
    text_json(out, arena_printf(graph->arena, "%s\noutput", output->name));
    text_put(out, ", shape=ellipse];\n  n%d -> o%d [label=\" %s\"];\n", output->node->id, i,
             shape_text(graph->arena, output->node->shape));
  }
  text_put(out, "}\n");
}
