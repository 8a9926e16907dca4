/* codeless.c: Reasons why a layer has no separate code, for comments in the generated C and for
 * --report=trace. */
// SPDX-License-Identifier: Apache-2.0
#include "report/codeless.h"

Table layout_layers(const Layout *layout) {
  Table known = {0};
  for (int s = 0; s < layout->infer.steps.n; s++) {
    int n;
    Node *const *layer = kernel_layers(layout->arena, layout->infer.steps.data[s].call->kernel, &n);
    for (int i = 0; i < n; i++) table_set(layout->arena, &known, layer[i]->name, layer[i]);
  }
  return known;
}

static bool is_output(const Graph *graph, const Node *node) {
  for (int i = 0; i < graph->outputs.n; i++)
    if (graph->outputs.data[i].node == node) return true;
  return false;
}

static const char *reader_of(const Graph *graph, const Node *node) {
  for (int i = node->id + 1; i < graph->nodes.n; i++)
    for (int k = 0; k < graph->nodes.data[i]->nin; k++)
      if (graph->nodes.data[i]->in[k] == node) return graph->nodes.data[i]->name;
  return "";
}

#ifndef __wasi__ /* the browser build has no int8 models */
/* The reason for a view that keeps the shape and the stored numbers of an int8 or int16 value; NULL for all
 * other values. */
static const char *rescaled_reason(const Node *node) {
  const Node *in = node->nin ? node->in[0] : NULL;
  if (!in || !in->quant || !node->quant || !shape_equal(node->shape, in->shape)) return NULL;
  return node->quant->scale != in->quant->scale || node->quant->zero != in->quant->zero
             ? "the same stored numbers with another scale"
             : "no effect in inference";
}
#endif

const char *codeless_reason(const Layout *layout, const Node *node) {
  const Op *op = node->op;
  if (!*reader_of(layout->graph, node) && !is_output(layout->graph, node))
    return "no result of inference depends on it";
  if (op->identity && op->identity(node)) return "no effect in inference";
  if (node_is_state(node)) return "is read from the state struct";
  if (node_is_update(node)) return "its value is computed in the state struct";
  if (op->traits.padding)
    return arena_printf(layout->arena, "part of the loop bounds of %s", reader_of(layout->graph, node));
#ifndef __wasi__
  if (op->family == FAMILY_ALIAS && rescaled_reason(node)) return rescaled_reason(node);
#endif
  if (op->family == FAMILY_ALIAS) return "the same elements with another shape";
  if (op->traits.channel_offset || op->traits.joins_channels)
    return "its inputs are written directly into it";
  if (op->traits.channel_slice || op->traits.splits_channels) return "is a view of its input";
  return "no result of inference depends on it";
}
