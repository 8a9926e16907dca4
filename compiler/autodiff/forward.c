/* forward.c: Forward pass of training: nodes in training mode and, with `steps`, all calls of a sample. */
// SPDX-License-Identifier: Apache-2.0
#include "autodiff/forward.h"
#include "base/number.h"
#include "graph/bf16.h"
#include "graph/op.h"
#include "ops/registry.h"

typedef struct Forward {
  Arena *arena;
  const Graph *graph;
  Graph *copy;
  int64_t calls;       /* number of calls of the net in `copy` */
  const int *live;     /* by node id: number of uses (graph_live); 0: the node is not needed */
  bool *changes;       /* by node id: whether the value may differ from call to call */
  Node ***of_call;     /* [call][node id]: the value in that call */
  Node ***before;      /* [call][node id]: the value before QAT rounds it */
  Node **map, **exact; /* for the current call: the row of `of_call`, and the row of `before` */
  Node **input;        /* by node id: an input of several calls, with one region per call; otherwise NULL */
  Diags *diags;
} Forward;

/* The first input whose shape in training differs from its shape in inference, or NULL. */
static const Node *changed_input(const Forward *f, const Node *node) {
  for (int k = 0; k < node->nin; k++)
    if (!shape_equal(node->in[k]->shape, f->map[node->in[k]->id]->shape)) return node->in[k];
  return NULL;
}

/* The node where the difference of shapes begins: the shape of this node differs in training, but the shapes
 * of its inputs do not. */
static const Node *changed_by(const Forward *f, const Node *node) {
  for (const Node *in = node; in; in = changed_input(f, in)) node = in;
  return node;
}

static bool does_not_fit(const Forward *f, const Node *node, const Node *in) {
  const Node *by = changed_by(f, in);
  Diag *diag = diag_report(f->diags, DIAG_shape_mismatch, node->span, node->site,
                           "%s takes %s in inference, but %s in training", node->op->name,
                           shape_text(f->arena, in->shape), shape_text(f->arena, f->map[in->id]->shape));
  diag_note(diag, by->span, "%s returns %s in training, but %s in inference", by->op->name,
            shape_text(f->arena, f->map[by->id]->shape), shape_text(f->arena, by->shape));
  diag_help(diag,
            "%s must return the same number of rows in training and inference, or the operators after it "
            "must accept any number",
            by->op->name);
  return false;
}

/* Infers the shape of a node again if an input has another shape in training. The node's parameters stay the
 * same. */
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

/* ---- quantization-aware training ---- */
typedef VEC(Node *) Values;

/* Collects the values of one call that update the range rounds->range. A node with this range and `observed`
 * adds its unrounded value. A node with this range and `joins`, such as a concat, adds its operands. An
 * operand with the same range is not added here, because its own value is. */
static void observe_call(const Forward *f, int64_t call, const QatRounding *rounds, Values *seen) {
  Node *const *value = f->of_call[call];
  for (int i = 0; i < f->graph->nodes.n; i++) {
    const Node *node = f->graph->nodes.data[i];
    if (!value[i] || !node->rounds || node->rounds->range != rounds->range) continue;
    if (call && !f->changes[i]) continue;
    if (node->rounds->observed && f->before[call][i]) vec_push(f->arena, *seen, f->before[call][i]);
    for (int k = 0; k < node->nin && node->rounds->joins; k++) {
      const QatRounding *own = node->in[k]->rounds;
      if (!own || own->range != rounds->range) vec_push(f->arena, *seen, value[node->in[k]->id]);
    }
  }
}

static void observe_all(const Forward *f) {
  const Graph *graph = f->graph;
  for (int i = 0; i < graph->nodes.n; i++) {
    const QatRounding *rounds = graph->nodes.data[i]->rounds;
    bool first = rounds && rounds->range && f->map[i];
    for (int k = 0; k < i && first; k++)
      first =
          !graph->nodes.data[k]->rounds || !f->map[k] || graph->nodes.data[k]->rounds->range != rounds->range;
    Values seen = {0};
    for (int64_t call = 0; call < f->calls && first; call++) observe_call(f, call, rounds, &seen);
    if (first) rounding_observe(f->copy, seen.n, seen.data, rounds);
  }
}

/* ---- calls ---- */
/* The array Forward.changes. A value may change if it depends on an input, on a state, or on an operator that
 * is replaced in training, such as dropout. */
static bool *changing(Arena *arena, const Graph *graph) {
  bool *changes = NEW_ARRAY(arena, bool, graph->nodes.n + 1);
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    changes[i] = node_is_input(node) || node_is_state(node) || node_is_update(node) || node->op->train;
    for (int k = 0; k < node->nin; k++) changes[i] = changes[i] || changes[node->in[k]->id];
  }
  return changes;
}

/* If there are several calls, adds the nodes of the inputs, each with one region per call, before the nodes
 * of the calls. */
static void add_call_inputs(Forward *f) {
  f->input = NEW_ARRAY(f->arena, Node *, f->graph->nodes.n + 1);
  for (int i = 0; i < f->graph->nodes.n && f->calls > 1; i++) {
    if (!node_is_input(f->graph->nodes.data[i])) continue;
    f->input[i] = graph_copy_node(f->arena, f->graph->nodes.data[i], NULL);
    f->input[i]->shape.regions = f->calls;
    graph_append(f->copy, f->input[i]);
  }
}

/* The value of a state in a call after the first one: the value of its update in the previous call. In every
 * call whose index is a multiple of `truncate`, the gradient does not flow back to the previous call. */
static Node *state_after(const Forward *f, const Node *state, int64_t call) {
  const Node *update = graph_update(f->graph, state->port->index);
  Node *value = f->of_call[call - 1][update->id];
  const int64_t truncate = f->graph->training->truncate;
  return truncate && call % truncate == 0 ? calls_truncated(f->copy, value) : value;
}

/* The value of a node in training. NULL: the node does not support the shapes that its inputs have in
 * training. */
static Node *trained_node(Forward *f, const Node *node, int64_t call) {
  const int i = node->id;
  Node *made = graph_copy_node(f->arena, node, f->map);
  if (node->op->traits.weights_of_input) made->in[0] = f->exact[node->in[0]->id]; /* before QAT rounding */
  /* Training uses float weights, not f16w weights. Layers with `rounds_itself` compute in float, not bf16. */
  if (made->precision == PRECISION_F16W || (made->op->traits.rounds_itself && node_is_bf16(made)))
    made->precision = PRECISION_GIVEN;
  made->rounded = false; /* bf16_mark sets `rounded` after the backward pass is complete */
  if (!node->op->parts) graph_append(f->copy, made);
  made->salt = i + call * f->graph->nodes.n;
  if (!shape_again(f, node, made)) return NULL;
  if (node->rounds && node->rounds->weights) rounding_add_switch(f->arena, made, node->rounds->aware);
  if (node->op->train) made = node->op->train(f->copy, made);
  if (node->op->parts) made = node->op->parts(f->copy, made, true);
  return made;
}

static bool add_trained_call(Forward *f, int64_t call) {
  f->map = f->of_call[call];
  f->exact = f->before[call];
  for (int i = 0; i < f->graph->nodes.n; i++) {
    const Node *node = f->graph->nodes.data[i];
    if (!f->live[i] && !node_is_input(node)) continue;
    if (call && (node_is_state(node) || !f->changes[i])) {
      f->map[i] = node_is_state(node) ? state_after(f, node, call) : f->of_call[0][i];
      continue;
    }
    f->map[i] =
        f->input[i] ? calls_part(f->copy, f->input[i], node->shape, call) : trained_node(f, node, call);
    if (!f->map[i]) return false;
    f->exact[i] = f->map[i];
    if (node->rounds && node->rounds->value) f->map[i] = rounding_value(f->copy, f->map[i], node->rounds);
  }
  return true;
}

/* By node id: the values of the inputs, the outputs, and Graph.values. If there are several calls, each of
 * these values joins the values of all calls. */
static Node **values_of_all(const Forward *f) {
  Node **all = f->of_call[0], **of = NEW_ARRAY(f->arena, Node *, f->calls);
  if (f->calls == 1) return all;
  all = NEW_ARRAY(f->arena, Node *, f->graph->nodes.n + 1);
  for (int i = 0; i < f->graph->nodes.n; i++) all[i] = f->input[i];
  for (int o = 0; o < graph_ports(f->graph); o++) {
    const int id = graph_port(f->graph, o)->node->id;
    for (int64_t call = 0; call < f->calls && !all[id]; call++) of[call] = f->of_call[call][id];
    if (!all[id]) all[id] = calls_joined(f->copy, f->calls, of);
  }
  return all;
}

static Forward forward_begin(Arena *arena, const Graph *graph, Diags *diags) {
  Forward f = {.arena = arena, .graph = graph, .copy = graph_copy_head(arena, graph), .diags = diags};
  Values roots = {0};
  for (int i = 0; i < graph->values.n; i++) vec_push(arena, roots, graph->values.data[i].node);
  f.calls = diags || !graph->training ? 1 : larger(graph->training->steps, 1);
  f.live = graph_live(arena, graph, roots.n, roots.data);
  f.changes = changing(arena, graph);
  f.of_call = NEW_ARRAY(arena, Node **, f.calls);
  f.before = NEW_ARRAY(arena, Node **, f.calls);
  for (int64_t call = 0; call < f.calls; call++) {
    f.of_call[call] = NEW_ARRAY(arena, Node *, graph->nodes.n + 1);
    f.before[call] = NEW_ARRAY(arena, Node *, graph->nodes.n + 1);
  }
  return f;
}

Graph *graph_forward(Arena *arena, const Graph *graph, Diags *diags) {
  Forward f = forward_begin(arena, graph, diags);
  add_call_inputs(&f);
  for (int64_t call = 0; call < f.calls; call++)
    if (!add_trained_call(&f, call)) return NULL;
  observe_all(&f);
  Node **all = values_of_all(&f);
  graph_copy_ports(f.copy, graph, all);
  graph_copy_values(f.copy, graph, all);
  for (int i = 0; i < TRUTH_PARTS; i++) /* the indices of annotation targets follow those of the ports */
    if (f.copy->truth[i]) f.copy->truth[i]->port->index = graph_ports(f.copy) + i;
  return f.copy;
}
