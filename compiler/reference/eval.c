/* eval.c: Reference interpreter of graphs in double precision, node by node and image by image. The
 * interpreter is simple on purpose, because tests compare compiled code with it. */
// SPDX-License-Identifier: Apache-2.0
#include "reference/eval.h"
#include "ops/registry.h"
#include <string.h>
#include "base/number.h"
#include "graph/bf16.h"
#include "graph/op.h"

static void read_feed(const Node *node, const double *from, int64_t count,
                      double *to) { /* converts the caller's layout to [h][w][c] */
  const Extent e = shape_extent(node->shape);
  const int64_t size = e.h * e.w * e.c;
  count *= e.n;
  if (!node->port->chw) {
    memcpy(to, from, (size_t)(count * size) * sizeof *to);
    return;
  }
  for (int64_t n = 0; n < count; n++)
    for (int64_t c = 0; c < e.c; c++)
      for (int64_t p = 0; p < e.h * e.w; p++) to[n * size + p * e.c + c] = from[n * size + c * e.h * e.w + p];
}

/* Number of evaluations of an operator per image. Usually, there is one evaluation for each row along the
 * leading axis of the node's value. For RESULT_SUM, the number is the maximum of the rows of the value and of
 * its operands. For RESULT_BATCH, and for operators that mix rows, there is one evaluation. If an input has
 * fewer rows, its rows are repeated. */
static int64_t value_rows(const Node *node) {
  int64_t rows = shape_rows(node->shape);
  for (int k = 0; node->result == RESULT_SUM && k < node->nin; k++)
    rows = larger(rows, shape_rows(node->in[k]->shape));
  return node->result == RESULT_BATCH || node->op->traits.mixes_rows ? 1 : rows;
}

static const double *to_halves(Arena *arena, Elem elem, const double *from, int64_t n) {
  double *to = NEW_ARRAY(arena, double, n);
  for (int64_t i = 0; i < n; i++) to[i] = elem == F16 ? f16_nearest(from[i]) : bf16_nearest(from[i]);
  return to;
}

static int64_t run_elements(const GraphRun *run, const Node *node) {
  return shape_elements(node->shape) * (node->result == RESULT_BATCH ? 1 : run->count);
}

/* The values of the node's operands, rounded to bf16 if the node reads bf16 numbers. */
static const double **run_operands(Arena *arena, const GraphRun *run, const Node *node) {
  const double **of = NEW_ARRAY(arena, const double *, node->nin + 1);
  for (int k = 0; k < node->nin; k++) {
    of[k] = run->value[node->in[k]->id];
    if (node_reads_bf16(node)) of[k] = to_halves(arena, BF16, of[k], run_elements(run, node->in[k]));
  }
  return of;
}

static void run_node(Arena *arena, GraphRun *run, const Node *node) {
  Eval eval = {.node = node,
               .in = NEW_ARRAY(arena, const double *, node->nin + 1),
               .training = run->training,
               .count = run->count,
               .seed = run->seed,
               .step = run->step};
  const Node *owner = node->op->traits.weights_of_input ? node->in[0] : node;
  for (int k = 0; k < owner->nweights; k++)
    if (owner->weight[k]) eval.weight[k] = run->weights + owner->weight[k]->offset;
  if (rounding_switch(node) >= 0) eval.weight[0] = rounding_weights(arena, node, eval.weight);
  for (int k = 0; k < owner->nweights; k++)
    if (node_rounds_weight(owner, k))
      eval.weight[k] = to_halves(arena, node_weight_elem(owner), eval.weight[k], owner->weight[k]->size);
  const double **const operand = run_operands(arena, run, node);
  const bool sums = node->target != NULL;
  const int64_t size = shape_elements(node->shape), rounds = node->result == RESULT_BATCH ? 1 : run->count,
                rows = value_rows(node);
  for (int64_t n = 0; n < rounds; n++)
    for (int64_t row = 0; row < rows; row++) {
      eval.sample = n;
      eval.row = row;
      for (int k = 0; k < node->nin; k++) {
        const Node *in = node->in[k];
        const int64_t step =
            in->result == RESULT_BATCH || node->result == RESULT_BATCH ? 0 : shape_elements(in->shape);
        eval.in[k] = operand[k] + n * step;
        if (rows > 1) eval.in[k] += row % shape_rows(in->shape) * shape_row_elements(in->shape);
      }
      eval.out = sums ? run->gradients + node->target->offset
                      : run->value[node->id] + n * size + row * shape_row_elements(node->shape);
      node->op->eval(&eval);
    }
}

/* ---- states ---- */
static void state_begin(const Node *state, int64_t count, double *to) {
  const int64_t size = shape_elements(state->shape);
  for (int64_t i = 0; i < count * size; i++) to[i] = state_initial(state, i % size);
}

double **graph_state_vector(Arena *arena, const Graph *graph, int64_t count) {
  const int n = graph_states(graph);
  double **state = NEW_ARRAY(arena, double *, n + 1);
  for (int k = 0; k < n; k++) {
    state[k] = NEW_ARRAY(arena, double, count *shape_elements(graph_state(graph, k)->shape));
    state_begin(graph_state(graph, k), count, state[k]);
  }
  return state;
}

static void read_state(const GraphRun *run, const Node *node, double *to) {
  const int64_t n = run->count * shape_elements(node->shape);
  if (run->state) memcpy(to, run->state[node->port->index], (size_t)n * sizeof *to);
  else state_begin(node, run->count, to);
}

static void keep_states(const Graph *graph, const GraphRun *run) {
  for (int i = 0; i < graph->nodes.n && run->state; i++) {
    const Node *node = graph->nodes.data[i];
    if (node_is_update(node))
      memcpy(run->state[node->in[1]->port->index], run->value[i],
             (size_t)(run->count * shape_elements(node->shape)) * sizeof(double));
  }
}

void graph_run(Arena *arena, const Graph *graph, GraphRun *run) {
  graph_verify(graph); /* also checks that Eval.weight has room for each node's weights */
  run->value = NEW_ARRAY(arena, double *, graph->nodes.n);
  if (run->gradients) {
    memset(run->gradients, 0, (size_t)graph->parameters * sizeof *run->gradients);
    for (int i = 0; i < graph->weights.n; i++) {
      const Weight *weight = graph->weights.data[i];
      if (weight->statistic)
        memcpy(run->gradients + weight->offset, run->weights + weight->offset,
               (size_t)weight->size * sizeof *run->gradients);
    }
  }
  for (int i = 0; i < (run->nodes ? run->nodes : graph->nodes.n); i++) {
    const Node *node = graph->nodes.data[i];
    const int64_t n = run_elements(run, node);
    if (!node->target) run->value[i] = NEW_ARRAY(arena, double, n);
    if (node_is_input(node)) read_feed(node, run->input[node->port->index], run->count, run->value[i]);
    else if (node_is_target(node))
      memcpy(run->value[i], run->target[node->port->index],
             (size_t)(run->count * shape_elements(node->shape)) * sizeof(double));
    else if (node_is_state(node)) read_state(run, node, run->value[i]);
    else run_node(arena, run, node);
    for (int64_t k = 0; node->rounded && k < n; k++) run->value[i][k] = bf16_nearest(run->value[i][k]);
    if (run->made && !node->target) run->made(run->context, node, run->value[i], n);
  }
  if (!run->nodes) keep_states(graph, run);
}
