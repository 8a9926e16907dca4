/* calls.c: Hidden operators for training with `steps`, where a sample is several calls. One operator joins
 * the values of all calls as the regions of one value; another cuts the values of some calls out of this
 * value. The results of both operators are aliases (passes/alias.c). */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "kernel/map.h"
#include "ops/registry.h"
#include "ops/shape/reshape.h"

static Node *calls_node(Graph *graph, const Op *op, const Node *value, Shape shape, int n, Node *const *in) {
  Node *node = graph_node(graph, op, n, in);
  node->name = value->name;
  node->shape = shape;
  node->span = value->span;
  node->site = value->site;
  return node;
}

/* ---- the values of some calls ---- */
typedef struct FirstCall {
  int64_t element; /* index of these calls' first element in the value of all calls */
} FirstCall;

static int64_t first_element(const Node *node) { return ((const FirstCall *)node->detail)->element; }

static void eval_part(const Eval *eval) {
  memcpy(eval->out, eval->in[0] + first_element(eval->node),
         (size_t)shape_elements(eval->node->shape) * sizeof *eval->out);
}

static const Op op_part = {.name = "values of calls",
                           .traits.slice_offset = first_element,
                           .traits.mixes_rows = true,
                           .eval = eval_part};

static FirstCall *call_at(Graph *graph, int64_t element) {
  FirstCall *first = NEW(graph->arena, FirstCall);
  first->element = element;
  return first;
}

Node *calls_part(Graph *graph, Node *all, Shape shape, int64_t first) {
  Node *node = calls_node(graph, &op_part, all, shape, 1, &all);
  node->detail = call_at(graph, first * shape_elements(shape));
  return node;
}

Node *calls_after(Graph *graph, Node *all, int64_t calls, int64_t first) {
  if (first == 0) return all;
  Shape shape = all->shape;
  const int64_t rows = shape.regions / calls;
  shape.regions = (calls - first) * rows;
  Node *node = calls_part(graph, all, shape, 0);
  node->detail = call_at(graph, first * rows * shape_row_elements(shape));
  return node;
}

/* ---- all calls ---- */
static int64_t element_of(const Node *node, int k) { return k * shape_elements(node->in[0]->shape); }

static void eval_all(const Eval *eval) {
  const int64_t n = shape_elements(eval->node->in[0]->shape);
  for (int k = 0; k < eval->node->nin; k++)
    memcpy(eval->out + k * n, eval->in[k], (size_t)n * sizeof *eval->out);
}

static void backward(Gradient *gradient, Node *node, Node *dy) {
  for (int k = 0; k < node->nin; k++) {
    Node *part = gradient_operand(gradient, &op_part, node, k, 1, &dy);
    if (part) part->detail = call_at(gradient_graph(gradient), element_of(node, k));
  }
}

static const Op op_all = {.name = "values of all calls",
                          .traits.concat_offset = element_of,
                          .traits.mixes_rows = true,
                          .eval = eval_all,
                          .gradient = backward};

/* Joins copies of the values: a value may have other users or be a part of another value, but a copy is a
 * part of the result only. */
Node *calls_joined(Graph *graph, int64_t n, Node *const *value) {
  Node **copy = NEW_ARRAY(graph->arena, Node *, n);
  for (int64_t k = 0; k < n; k++)
    copy[k] = calls_node(graph, &op_copy, value[k], value[k]->shape, 1, &value[k]);
  Shape shape = value[0]->shape;
  shape.regions = n * shape_rows(shape);
  return calls_node(graph, &op_all, value[0], shape, (int)n, copy);
}

Node *calls_member(const Node *all, int64_t k) { return all->op == &op_all ? all->in[k]->in[0] : NULL; }

/* ---- truncated gradients ---- */
static const Op op_truncated = {.name = "value without gradient",
                                .family = FAMILY_ALIAS,
                                .traits.stops_gradient = true,
                                .eval = reshape_eval};

Node *calls_truncated(Graph *graph, Node *value) {
  return calls_node(graph, &op_truncated, value, value->shape, 1, &value);
}
