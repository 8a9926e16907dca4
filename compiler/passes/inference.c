/* inference.c: the graph that inference runs: without what is the identity there (dropout), without values
 * that nobody reads, with borders of zeros taken into the windows of the convolutions that follow.
 *
 * Needs: a checked graph. Keeps: names, spans and parameters; nodes stay in program order. */
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "graph/shape.h"
#include "passes/passes.h"

typedef struct Copy {
  const Graph *from;
  Graph *to;
  Node **map;
  int *uses;
} Copy;

static bool takes_zeros(const Node *node) {
  return (node->op->family == FAMILY_CONV || node->op->family == FAMILY_DEPTHWISE) && node->window;
}

static bool addressable(const Window *window, Shape shape) {
  const Extent out = shape_extent(shape);
  return larger(window_reach(window, 0, out.h), window_reach(window, 1, out.w)) <= SHAPE_MOST_ELEMENTS;
}

/* A border of zeros before a convolution is padding. The border's own node dies when nobody else reads it. */
static void merge_border(Copy *copy, Node *node) {
  Node *border = node->in[0];
  int64_t before[2], after[2];
  if (!takes_zeros(node) || !border->op->border || !border->op->border(border, before, after)) return;
  Window *window = NEW(copy->to->arena, Window);
  *window = *node->window;
  for (int axis = 0; axis < 2; axis++) {
    if (before[axis] < 0 || after[axis] < 0) return;
    window->before[axis] += before[axis];
    window->after[axis] += after[axis];
  }
  if (!addressable(window, node->shape)) return;
  node->window = window;
  node->in[0] = border->in[0];
}

static Node *copy_node(Copy *copy, const Node *node) {
  if (node->op->identity && node->op->identity(node) && node->nin) return copy->map[node->in[0]->id];
  Node *twin = graph_node(copy->to, node->op, node->nin, node->in);
  const int id = twin->id;
  Node **in = twin->in;
  *twin = *node;
  twin->id = id;
  twin->in = in;
  for (int k = 0; k < node->nin; k++) in[k] = copy->map[node->in[k]->id];
  merge_border(copy, twin);
  return twin;
}

static void copy_ports(Copy *copy, Port *to, const Port *from, int n) {
  for (int i = 0; i < n; i++) {
    to[i] = from[i];
    to[i].node = copy->map[from[i].node->id];
  }
}

static Graph *copy_live(Arena *arena, const Graph *from) {
  Copy copy = {.from = from,
               .to = graph_new(arena, from->name),
               .map = NEW_ARRAY(arena, Node *, from->nodes.n + 1),
               .uses = NEW_ARRAY(arena, int, from->nodes.n + 1)};
  Graph *to = copy.to;
  *to = *from;
  to->arena = arena;
  to->nodes.data = NULL;
  to->nodes.n = to->nodes.room = 0;
  for (int i = 0; i < from->outputs.n; i++) copy.uses[from->outputs.data[i].node->id]++;
  graph_count_uses(from, copy.uses);
  for (int i = 0; i < from->inputs.n; i++) copy.uses[from->inputs.data[i].node->id]++;
  for (int i = 0; i < from->nodes.n; i++)
    if (copy.uses[i]) copy.map[i] = copy_node(&copy, from->nodes.data[i]);
  to->inputs.data = NEW_ARRAY(arena, Port, from->inputs.n + 1);
  to->inputs.room = from->inputs.n + 1;
  to->outputs.data = NEW_ARRAY(arena, Port, from->outputs.n + 1);
  to->outputs.room = from->outputs.n + 1;
  copy_ports(&copy, to->inputs.data, from->inputs.data, from->inputs.n);
  copy_ports(&copy, to->outputs.data, from->outputs.data, from->outputs.n);
  return to;
}

Graph *pass_inference(Arena *arena, const Graph *from) {
  Graph *graph = copy_live(
      arena, copy_live(arena, from)); /* twice: the first leaves borders that nobody reads any more */
  graph_verify(graph);
  return graph;
}
