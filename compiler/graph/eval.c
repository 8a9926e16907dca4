/* eval.c: runs a graph in double, node by node, image by image. Plain on purpose: it is what compiled code is
 * compared with. */
// SPDX-License-Identifier: Apache-2.0
#include "graph/eval.h"
#include <string.h>
#include "ops/op.h"

static void read_input(const Node *node, const double *from, int64_t count,
                       double *to) { /* the caller's order to [h][w][c] */
  const Extent e = shape_extent(node->shape);
  const int64_t size = e.h * e.w * e.c;
  if (!node->chw) {
    memcpy(to, from, (size_t)(count * size) * sizeof *to);
    return;
  }
  for (int64_t n = 0; n < count; n++)
    for (int64_t c = 0; c < e.c; c++)
      for (int64_t p = 0; p < e.h * e.w; p++) to[n * size + p * e.c + c] = from[n * size + c * e.h * e.w + p];
}

static void run_node(GraphRun *run, const Node *node) {
  Eval eval = {
      .node = node, .training = run->training, .count = run->count, .seed = run->seed, .step = run->step};
  for (int k = 0; k < node->nweights; k++)
    if (node->weight[k]) eval.weight[k] = run->weights + node->weight[k]->offset;
  const bool sums = node->target != NULL;
  const int64_t size = shape_elements(node->shape), rounds = node->result == RESULT_BATCH ? 1 : run->count;
  for (int64_t n = 0; n < rounds; n++) {
    eval.sample = n;
    for (int k = 0; k < node->nin; k++) {
      const Node *in = node->in[k];
      const int64_t step =
          in->result == RESULT_BATCH || node->result == RESULT_BATCH ? 0 : shape_elements(in->shape);
      eval.in[k] = run->value[in->id] + n * step;
    }
    eval.out = sums ? run->gradients + node->target->offset : run->value[node->id] + n * size;
    node->op->eval(&eval);
  }
}

void graph_run(Arena *arena, const Graph *graph, GraphRun *run) {
  graph_verify(graph); /* so that inputs and weights of a node fit into Eval */
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
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    if (!node->target)
      run->value[i] = NEW_ARRAY(
          arena, double, shape_elements(node->shape) * (node->result == RESULT_BATCH ? 1 : run->count));
    if (node->op == &op_input) read_input(node, run->input[node->wrt], run->count, run->value[i]);
    else if (node->op == &op_target)
      memcpy(run->value[i], run->target[node->wrt],
             (size_t)(run->count * shape_elements(node->shape)) * sizeof(double));
    else run_node(run, node);
  }
}
