/* forward.c: Forward pass of a net in training. */
// SPDX-License-Identifier: Apache-2.0
#include "autodiff/forward.h"
#include "graph/op.h"
#include "ops/registry.h"

typedef struct Forward {
  Arena *arena;
  Graph *copy;
  Node **map;
  Diags *diags;
} Forward;

/* The first input with a different shape in training; or NULL. */
static const Node *changed_input(const Forward *f, const Node *node) {
  for (int k = 0; k < node->nin; k++)
    if (!shape_equal(node->in[k]->shape, f->map[node->in[k]->id]->shape)) return node->in[k];
  return NULL;
}

/* The operator whose value has a different shape in training, from which the node inherits it. */
static const Node *changed_by(const Forward *f, const Node *node) {
  for (const Node *in = node; in; in = changed_input(f, in)) node = in;
  return node;
}

static bool does_not_fit(const Forward *f, const Node *node, const Node *in) {
  const Node *by = changed_by(f, in);
  Diag *diag = diag_report(f->diags, DIAG_shape_mismatch, node->span, node->site,
                           "%s takes %s here, but %s in training", node->op->name,
                           shape_text(f->arena, in->shape), shape_text(f->arena, f->map[in->id]->shape));
  diag_note(diag, by->span, "%s gives %s in training, %s in inference", by->op->name,
            shape_text(f->arena, f->map[by->id]->shape), shape_text(f->arena, by->shape));
  diag_help(diag, "the operators after %s must accept any number of rows, or the same number in both",
            by->op->name);
  return false;
}

/* Infers the shape of a node whose inputs have other shapes in training. It keeps its parameters. */
static bool shape_again(const Forward *f, const Node *of, Node *node) {
  const Node *in = changed_input(f, of);
  if (!in || !node->op->shape) return true;
  Sources sources = {.arena = f->arena};
  ShapeContext context = {.arena = f->arena,
                          .graph = f->copy,
                          .diags = diags_new(f->arena, &sources),
                          .share = node->nweights ? of : NULL};
  node->shape = POISON;
  node->op->shape(&context, node);
  if (node->shape.rank) return true;
  return f->diags ? does_not_fit(f, of, in) : false;
}

/* ---- training for 8 bits ---- */
/* Marks the values that update a quantization range: those rounded with it, before rounding, and the other
 * operands of a concat. */
static void observe(const Forward *f, const Graph *graph, Node *const *before, const Rounds *rounds) {
  VEC(Node *) seen = {0};
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    if (!f->map[i] || !node->rounds || node->rounds->range != rounds->range) continue;
    if (node->rounds->observed) vec_push(f->arena, seen, before[i]);
    for (int k = 0; k < node->nin && node->rounds->joins; k++) {
      const Rounds *own = node->in[k]->rounds;
      if (!own || own->range != rounds->range) vec_push(f->arena, seen, f->map[node->in[k]->id]);
    }
  }
  rounding_observe(f->copy, seen.n, seen.data, rounds);
}

static void observe_all(const Forward *f, const Graph *graph, Node *const *before) {
  for (int i = 0; i < graph->nodes.n; i++) {
    const Rounds *rounds = graph->nodes.data[i]->rounds;
    bool first = rounds && rounds->range && f->map[i];
    for (int k = 0; k < i && first; k++)
      first =
          !graph->nodes.data[k]->rounds || !f->map[k] || graph->nodes.data[k]->rounds->range != rounds->range;
    if (first) observe(f, graph, before, rounds);
  }
}

Graph *graph_forward(Arena *arena, const Graph *graph, Node **map, Diags *diags) {
  const Forward f = {arena, graph_copy_head(arena, graph), map, diags};
  VEC(Node *) roots = {0};
  for (int i = 0; i < graph->values.n; i++) vec_push(arena, roots, graph->values.data[i].node);
  const int *live = graph_live(arena, graph, roots.n, roots.data);
  Node **before = NEW_ARRAY(arena, Node *, graph->nodes.n + 1); /* it is rounded */
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    if (!live[i] && !node_is_input(node)) continue;
    map[i] = graph_copy_node(arena, node, map);
    if (!node->op->parts) graph_append(f.copy, map[i]);
    map[i]->salt = i;
    if (!shape_again(&f, node, map[i])) return NULL;
    if (node->rounds && node->rounds->weights) rounding_add_switch(arena, map[i], node->rounds->aware);
    if (node->op->train) map[i] = node->op->train(f.copy, map[i]);
    if (node->op->parts) map[i] = node->op->parts(f.copy, map[i], true);
    before[i] = map[i];
    if (node->rounds && node->rounds->value) map[i] = rounding_value(f.copy, map[i], node->rounds);
  }
  observe_all(&f, graph, before);
  graph_copy_ports(f.copy, graph, map);
  graph_copy_values(f.copy, graph, map);
  for (int i = 0; i < TRUTH_PARTS; i++) /* numbered after the ports, which are complete now */
    if (f.copy->truth[i]) f.copy->truth[i]->port->index = graph_ports(f.copy) + i;
  return f.copy;
}
