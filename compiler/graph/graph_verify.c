/* graph_verify.c: Verifier of graphs: invariants that hold after every pass. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include "graph/op.h"

static _Noreturn void broken(const Graph *graph, const Node *node, const char *what) {
  fprintf(stderr, "cnnc: internal error: graph of %s, node %d (%s %s): %s\n", graph->name, node->id,
          node->op ? node->op->name : "?", node->name, what);
  exit(3);
}

void graph_verify(const Graph *graph) {
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    if (node->id != i) broken(graph, node, "its id is not its position");
    if (!node->op) broken(graph, node, "it has no operator");
    const OpTraits *traits = &node->op->traits;
    if (node->nin > (traits->channel_offset  ? MOST_JOINED
                     : traits->concat_offset ? MOST_CALL_NODES
                                             : MOST_INPUTS))
      broken(graph, node, "it has too many inputs");
    const int least = node->elem == U8 ? 0 : INT8_MIN;
    if (node->quant && (node->quant->wide ? node->elem != I16 || node->quant->zero
                                          : elem_bytes(node->elem) != 1 || node->quant->zero < least ||
                                                node->quant->zero > least + UINT8_MAX))
      broken(graph, node, "its zero point is outside its type's range");
    if (node->quant && !(node->quant->scale > 0)) broken(graph, node, "its scale is not above 0");
    if ((node->elem == I8 || node->elem == I16) && !node->quant && !node_is_input(node))
      broken(graph, node, "its value is int8 or int16 without a scale");
    if (node->nweights > MOST_WEIGHTS) broken(graph, node, "it has more than MOST_WEIGHTS parameters");
    if (node->shape.rank < 1 || node->shape.rank > 3 || shape_elements(node->shape) < 1)
      broken(graph, node, "its shape is invalid");
    for (int k = 0; k < node->nin; k++)
      if (!node->in[k] || node->in[k]->id >= i || graph->nodes.data[node->in[k]->id] != node->in[k])
        broken(graph, node, "an input does not come before it");
    for (int k = 0; k < node->nweights; k++)
      if (node->weight[k] && node->weight[k]->offset + node->weight[k]->size > graph->parameters)
        broken(graph, node, "a parameter is outside the weights");
    if (node->hidden && (node->hidden->of->id >= graph->nodes.n ||
                         graph->nodes.data[node->hidden->of->id] != node->hidden->of))
      broken(graph, node, "it is derived from a node outside the graph");
    if (node_is_update(node) &&
        (node->nin < 2 || !node_is_state(node->in[1]) || !shape_equal(node->shape, node->in[1]->shape)))
      broken(graph, node, "it updates a value that is not a state of its shape");
    if (node->result == RESULT_SUM && !node->target) broken(graph, node, "it adds to no gradient");
    for (int k = 0; k < node->nin && node->result == RESULT_SAMPLE; k++)
      if (node->in[k]->result == RESULT_SUM)
        broken(graph, node, "it reads a gradient that is still being summed");
  }
  for (int i = 0; i < graph->outputs.n; i++) {
    const Node *node = graph->outputs.data[i].node;
    if (!node || node->id >= graph->nodes.n || graph->nodes.data[node->id] != node)
      broken(graph, graph->nodes.data[0], "an output is not in the graph");
  }
}
