/* graph.c: Graph construction. */
// SPDX-License-Identifier: Apache-2.0
#include "graph/graph.h"
#include <math.h>
#include <string.h>
#include "graph/shape.h"
#include "graph/op.h"

Graph *graph_new(Arena *arena, const char *name) {
  Graph *graph = NEW(arena, Graph);
  graph->arena = arena;
  graph->name = name;
  return graph;
}

void graph_append(Graph *graph, Node *node) {
  node->id = graph->nodes.n;
  vec_push(graph->arena, graph->nodes, node);
}

Node *graph_node(Graph *graph, const struct Op *op, int nin, Node *const *in) {
  Node *node = NEW(graph->arena, Node);
  node->op = op;
  node->nin = nin;
  node->name = "";
  node->in = NEW_ARRAY(graph->arena, Node *, nin ? nin : 1);
  for (int i = 0; i < nin; i++) node->in[i] = in[i];
  graph_append(graph, node);
  return node;
}

Hidden *hidden_of(Arena *arena, Node *of) {
  Hidden *hidden = NEW(arena, Hidden);
  hidden->of = of;
  return hidden;
}

Node *graph_hidden(Graph *graph, const struct Op *op, Node *of, Shape shape, Result result, int nin,
                   Node *const *in) {
  Node *node = graph_node(graph, op, nin, in);
  node->shape = shape;
  node->result = result;
  if (of) {
    node->hidden = hidden_of(graph->arena, of);
    node->name = of->name;
    node->span = of->span;
    node->site = of->site;
    node->window = of->window;
    node->arg = of->arg;
    node->nweights = of->nweights;
    node->weight = of->weight;
    node->frozen = of->frozen;
    node->precision = of->precision;
    node->salt = of->salt;
    node->detail = of->detail;
  }
  return node;
}

Node *graph_port_node(Graph *graph, const struct Op *op, PortInfo info) {
  Node *node = graph_node(graph, op, 0, NULL);
  node->port = NEW(graph->arena, PortInfo);
  *node->port = info;
  return node;
}

const Node *node_forward(const Node *node) { return node->hidden ? node->hidden->of : node; }

Home home_own(const Node *node) {
  return (Home){.node = node,
                .pitch = shape_extent(node->shape).c,
                .elem = node_is_target(node) ? node->port->elem
                        : node->rounded      ? BF16
                                             : node->elem};
}

int64_t home_bytes(const Home *home, int64_t elements) { return elem_bytes(home->elem) * elements; }

int64_t graph_weight_bytes(const Graph *graph) { return elem_bytes(F32) * graph->parameters; }
int64_t weight_bytes(const Weight *weight) { return elem_bytes(F32) * weight->size; }
int64_t weight_from(const Weight *weight) { return elem_bytes(F32) * weight->offset; }

Weight *parameter_rows(Arena *arena, Weight *whole, int64_t first, int64_t n) {
  if (n == whole->dim[0]) return whole;
  const int64_t row = whole->size / whole->dim[0];
  Weight *rows = NEW(arena, Weight);
  *rows = *whole;
  rows->dim[0] = n;
  rows->size = n * row;
  rows->offset += first * row;
  rows->whole = whole;
  return rows;
}

bool parameters_overlap(const Weight *a, const Weight *b) {
  return a->offset < b->offset + b->size && b->offset < a->offset + a->size;
}

int64_t graph_classes(const Node *node) {
  const Shape shape = node->shape;
  if (node->op->traits.classes) return node->op->traits.classes(node);
  return shape.rank ? shape.dim[shape.rank - 1] : 0;
}

const Node *graph_flatten_before(const Weight *weight) {
  const Node *node = weight->owner;
  if (!node || node->op->family != FAMILY_DENSE || strcmp(weight->member, "weight") != 0) return NULL;
  for (node = node->in[0];
       node->nin && node->in[0]->shape.rank == 1 && shape_equal(node->shape, node->in[0]->shape);)
    node = node->in[0];
  if (node->op->family != FAMILY_ALIAS || !node->nin) return NULL;
  const Extent e = shape_extent(node->in[0]->shape);
  return e.h * e.w > 1 && e.c > 1 ? node : NULL;
}

int graph_ports(const Graph *graph) { return graph->outputs.n + graph->values.n; }

const Port *graph_port(const Graph *graph, int index) {
  return index < graph->outputs.n ? &graph->outputs.data[index]
                                  : &graph->values.data[index - graph->outputs.n];
}

void graph_layout_weights(Graph *graph) {
  graph->parameters = 0;
  for (int i = 0; i < graph->weights.n; i++) {
    Weight *weight = graph->weights.data[i];
    weight->id = i;
    weight->offset = graph->parameters;
    graph->parameters += weight->size;
  }
}

/* ---- states ---- */
int graph_states(const Graph *graph) {
  int n = 0;
  for (int i = 0; i < graph->nodes.n; i++) n += node_is_state(graph->nodes.data[i]);
  return n;
}

Node *graph_state(const Graph *graph, int index) {
  for (int i = 0; i < graph->nodes.n; i++)
    if (node_is_state(graph->nodes.data[i]) && graph->nodes.data[i]->port->index == index)
      return graph->nodes.data[i];
  return NULL;
}

Node *graph_update(const Graph *graph, int index) {
  for (int i = 0; i < graph->nodes.n; i++)
    if (node_is_update(graph->nodes.data[i]) && graph->nodes.data[i]->in[1]->port->index == index)
      return graph->nodes.data[i];
  return NULL;
}

bool state_same_initial(const Node *state) { return arg_const(state, "init")->kind != CONST_LIST; }

double state_initial(const Node *state, int64_t i) {
  const Const *init = arg_const(state, "init");
  return number_stored(state->quant, init->kind == CONST_LIST ? init->items[i].f : init->f);
}

double number_stored(const Quant *quant, double number) {
  if (!quant) return (double)(float)number;
  const double q = rint(number / (double)quant->scale) + quant->zero,
               most = quant->wide ? INT16_MAX : INT8_MAX;
  return fmax(-most - 1, fmin(most, q));
}
