/* gradient.c: Functions with which operators append the gradients of their inputs and weights. */
// SPDX-License-Identifier: Apache-2.0
#include "graph/gradient.h"

bool gradient_trainable(const Weight *weight) { return weight && !weight->statistic && !weight->frozen; }

Graph *gradient_graph(Gradient *gradient) { return gradient->graph; }
bool gradient_wanted(const Gradient *gradient, const Node *input) {
  return input->id < gradient->forward && gradient->wanted[input->id];
}
bool gradient_trained(const Gradient *gradient, const Node *node, int weight) {
  return gradient->training && weight < node->nweights && !node->frozen &&
         gradient_trainable(node->weight[weight]);
}

void gradient_add(Gradient *gradient, Node *input, Node *contribution) {
  if (gradient_wanted(gradient, input))
    vec_push(gradient->graph->arena, gradient->part[input->id], contribution);
}

Node *gradient_given(const Gradient *gradient, const Node *node) {
  const Contributions *part = &gradient->part[node->id];
  return part->n == 1 ? part->data[0] : NULL;
}

Node *gradient_operand(Gradient *gradient, const Op *op, Node *node, int k, int nin, Node *const *in) {
  Node *operand = node->in[k];
  if (!gradient_wanted(gradient, operand)) return NULL;
  Node *dx = graph_hidden(gradient->graph, op, node, operand->shape, RESULT_SAMPLE, nin, in);
  gradient_add(gradient, operand, dx);
  return dx;
}

void gradient_input(Gradient *gradient, const Op *op, Node *node, int nin, Node *const *in) {
  gradient_operand(gradient, op, node, 0, nin, in);
}

Node *gradient_sum(Gradient *gradient, const Op *op, Node *of, int weight, int nin, Node *const *in) {
  Node *node =
      graph_hidden(gradient->graph, op, of, shape_vector(of->weight[weight]->size), RESULT_SUM, nin, in);
  node->target = of->weight[weight];
  node->hidden->wrt = weight;
  return node;
}
