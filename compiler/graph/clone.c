/* clone.c: Copies of graphs, and use counts of their nodes. */
// SPDX-License-Identifier: Apache-2.0
#include "graph/op.h"
#include <string.h>

int *graph_live(Arena *arena, const Graph *graph, int nroots, Node *const *root) {
  int *uses = NEW_ARRAY(arena, int, graph->nodes.n + 1);
  for (int i = 0; i < graph->outputs.n; i++) uses[graph->outputs.data[i].node->id]++;
  for (int i = 0; i < nroots; i++) uses[root[i]->id]++;
  for (int i = graph->nodes.n - 1; i >= 0; i--) { /* goes backwards, because users follow their operands */
    const Node *node = graph->nodes.data[i];
    if (node->target || node_is_update(node)) uses[i]++;
    for (int k = 0; k < node->nin && uses[i]; k++) uses[node->in[k]->id]++;
  }
  return uses;
}

Node *graph_copy_node(Arena *arena, const Node *node, Node *const *map) {
  Node *copy = NEW(arena, Node);
  *copy = *node;
  if (node->hidden) *(copy->hidden = NEW(arena, Hidden)) = *node->hidden;
  if (node->port) *(copy->port = NEW(arena, PortInfo)) = *node->port;
  copy->in = NEW_ARRAY(arena, Node *, node->nin ? node->nin : 1);
  for (int k = 0; k < node->nin; k++) copy->in[k] = map ? map[node->in[k]->id] : node->in[k];
  return copy;
}

Node *graph_part(Graph *graph, const Node *layer, const Op *op, const char *suffix, Shape shape, int nin,
                 Node *const *in) {
  Node *node = graph_copy_node(graph->arena, layer, NULL);
  node->op = op;
  if (*suffix) node->name = arena_printf(graph->arena, "%s.%s", layer->name, suffix);
  node->shape = shape;
  node->nin = nin;
  node->in = NEW_ARRAY(graph->arena, Node *, nin);
  memcpy(node->in, in, (size_t)nin * sizeof *in);
  node->elem = in[0]->elem;
  node->quant = in[0]->quant;
  node->nweights = 0;
  node->weight = NULL;
  node->rounds = NULL;
  graph_append(graph, node);
  return node;
}

Graph *graph_copy_head(Arena *arena, const Graph *graph) {
  Graph *copy = NEW(arena, Graph);
  *copy = *graph;
  copy->arena = arena;
  copy->nodes.data = NULL;
  copy->nodes.n = copy->nodes.room = 0;
  copy->inputs.data = copy->outputs.data = copy->values.data = NULL;
  copy->inputs.n = copy->inputs.room = copy->outputs.n = copy->outputs.room = 0;
  copy->values.n = copy->values.room = 0;
  for (int i = 0; i < TRUTH_PARTS; i++) copy->truth[i] = NULL;
  return copy;
}

void graph_copy_values(Graph *graph, const Graph *from, Node *const *map) {
  for (int i = 0; i < from->values.n; i++) {
    Port port = from->values.data[i];
    port.node = map[port.node->id];
    vec_push(graph->arena, graph->values, port);
  }
  for (int i = 0; i < TRUTH_PARTS; i++)
    if (from->truth[i]) graph->truth[i] = map[from->truth[i]->id];
}

void graph_copy_ports(Graph *graph, const Graph *from, Node *const *map) {
  for (int i = 0; i < from->inputs.n; i++) {
    Port port = from->inputs.data[i];
    port.node = map[port.node->id];
    vec_push(graph->arena, graph->inputs, port);
  }
  for (int i = 0; i < from->outputs.n; i++) {
    Port port = from->outputs.data[i];
    port.node = map[port.node->id];
    vec_push(graph->arena, graph->outputs, port);
  }
}

Graph *graph_clone(Arena *arena, const Graph *graph, Node **map) {
  Graph *copy = graph_copy_head(arena, graph);
  for (int i = 0; i < graph->nodes.n; i++) {
    map[i] = graph_copy_node(arena, graph->nodes.data[i], map);
    graph_append(copy, map[i]);
  }
  for (int i = 0; i < copy->nodes.n; i++)
    if (map[i]->hidden) map[i]->hidden->of = map[map[i]->hidden->of->id];
  graph_copy_ports(copy, graph, map);
  graph_copy_values(copy, graph, map);
  return copy;
}
