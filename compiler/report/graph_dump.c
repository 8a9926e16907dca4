/* graph_dump.c: Graph as text, one node per line:
 * %7 = conv(%5) stage1.conv1: 28x28x6, stage1.conv1.weight[6][1][5][5] ... */
// SPDX-License-Identifier: Apache-2.0
#include "report/graph_dump.h"
#include "graph/op.h"

static void dump_weights(Text *out, const Node *node) {
  for (int k = 0; k < node->nweights; k++) {
    const Weight *weight = node->weight[k];
    if (!weight) continue;
    text_put(out, ", %s", weight->name);
    for (int d = 0; d < weight->rank; d++) text_put(out, "[%lld]", (long long)weight->dim[d]);
    if (weight->frozen) text_put(out, " frozen");
  }
}

void graph_dump_head(Text *out, const Graph *graph) {
  text_put(out, "graph %s: %lld parameters\n", graph->name, (long long)graph->parameters);
}

void graph_dump_node(Text *out, const Graph *graph, const Node *node) {
  static const char *const result[] = {
      [RESULT_SAMPLE] = "", [RESULT_SUM] = " summed over images", [RESULT_BATCH] = " once per batch"};
  text_put(out, "%%%d = %s(", node->id, node->op->name);
  for (int k = 0; k < node->nin; k++) text_put(out, k ? ", %%%d" : "%%%d", node->in[k]->id);
  text_put(out, ") %s: %s%s", node->name, shape_text(graph->arena, node->shape), result[node->result]);
  if (node->rounded) text_put(out, " bf16");
  else if (node->elem != F32) text_put(out, " %s", elem_name(node->elem));
  if (node->quant)
    text_put(out, " scale %s zero %d", text_double(graph->arena, (double)node->quant->scale),
             node->quant->zero);
  if (node->target) text_put(out, " -> gradient of %s", node->target->name);
  if (!node->hidden) dump_weights(out, node);
}

void graph_dump_outputs(Text *out, const Graph *graph) {
  for (int i = 0; i < graph->outputs.n; i++)
    text_put(out, "output %s = %%%d\n", graph->outputs.data[i].name, graph->outputs.data[i].node->id);
}

void graph_dump(Text *out, const Graph *graph) {
  graph_dump_head(out, graph);
  for (int i = 0; i < graph->nodes.n; i++) {
    graph_dump_node(out, graph, graph->nodes.data[i]);
    text_put(out, "\n");
  }
  graph_dump_outputs(out, graph);
}
