/* equalize.c: Cross-layer equalization (Nagel et al., 2019) of pairs of convolutions. Only the second layer
 * of a pair uses the result of the first layer, directly or after a batchnorm, relus and identities
 * (dropout). So each channel can be divided by a factor in the first layer (or its batchnorm), and multiplied
 * by this factor in the second layer. If r1 and r2 are the channel's largest |weights| in the two layers, the
 * factor sqrt(r1/r2) makes both equal to sqrt(r1*r2). */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "graph/op.h"
#include "quantize/calibrate.h"

typedef struct Pair {
  const Node *first, *norm, *second; /* norm: the batchnorm between the two layers, or NULL */
} Pair;
typedef VEC(Pair) Pairs;

enum { NORM_WEIGHT, NORM_BIAS, NORM_MEAN, NORM_VARIANCE };

static bool convolves(const Node *node) {
  return node->op->traits.int8 == INT8_PRODUCT && node->op->family != FAMILY_DENSE && node->window &&
         node->op->family != FAMILY_CONV_SCATTER && node->weight[0]->owner == node;
}

static bool is_net_output(const Graph *graph, const Node *node) {
  for (int o = 0; o < graph->outputs.n; o++)
    if (graph->outputs.data[o].node == node) return true;
  return false;
}

/* The first layer of the pair, or NULL. norm: gets the batchnorm between the two layers, or NULL. */
static const Node *layer_before(const Graph *graph, const int *uses, const Node *second, const Node **norm) {
  *norm = NULL;
  for (const Node *node = second->in[0];; node = node->in[0]) {
    const bool same = node->op->traits.int8 == INT8_RELU || (node->op->identity && node->op->identity(node));
    if (uses[node->id] != 1 || is_net_output(graph, node)) return NULL;
    if (convolves(node)) return node;
    if (node->op->traits.fold == FOLD_SCALE && !*norm && node->weight[NORM_WEIGHT] &&
        node->weight[NORM_BIAS] && node->weight[NORM_WEIGHT]->owner == node)
      *norm = node;
    else if (!same || (*norm && node->op->traits.int8 == INT8_RELU)) return NULL;
  }
}

/* Whether another node shares a parameter of the pair, so that the pair's weights must not change. */
static bool shares_weights(const Graph *graph, const int *uses, const Pair *pair) {
  return weights_are_shared(graph, uses, pair->first) || weights_are_shared(graph, uses, pair->second) ||
         (pair->norm && weights_are_shared(graph, uses, pair->norm));
}

static double equalizing_gain(const Pair *pair, const float *weights, int64_t c) {
  const Node *norm = pair->norm;
  if (!norm) return 1;
  const Weight *variance = norm->weight[NORM_VARIANCE];
  return (double)weights[norm->weight[NORM_WEIGHT]->offset + c] /
         sqrt((variance ? (double)weights[variance->offset + c] : 1) + arg_number(norm, "epsilon"));
}

static double row_most(const Pair *pair, const float *weights, int64_t c) {
  const Weight *w = pair->first->weight[0];
  const int64_t terms = w->size / w->dim[0];
  double most = 0;
  for (int64_t i = 0; i < terms; i++) most = fmax(most, fabs((double)weights[w->offset + c * terms + i]));
  return most * fabs(equalizing_gain(pair, weights, c));
}

/* Multiplies the second layer's weights for channel c by a factor; returns the largest |weight|. */
static double column(const Pair *pair, float *weights, int64_t c, double factor) {
  const Weight *w = pair->second->weight[0];
  const int64_t inputs = w->dim[1], taps = w->size / w->dim[0] / inputs,
                filters = w->dim[0] / pair->second->window->groups, group = c / inputs;
  double most = 0;
  for (int64_t f = group * filters; f < (group + 1) * filters; f++)
    for (int64_t t = 0; t < taps; t++) {
      float *at = &weights[w->offset + (f * inputs + c % inputs) * taps + t];
      *at = (float)((double)*at * factor);
      most = fmax(most, fabs((double)*at));
    }
  return most;
}

static void divide_row(const Pair *pair, float *weights, int64_t c, double factor) {
  const Weight *w = pair->first->weight[0], *bias = pair->first->nweights > 1 ? pair->first->weight[1] : NULL;
  const int64_t terms = w->size / w->dim[0];
  if (pair->norm) {
    for (int k = NORM_WEIGHT; k <= NORM_BIAS; k++) {
      float *at = &weights[pair->norm->weight[k]->offset + c];
      *at = (float)((double)*at / factor);
    }
    return;
  }
  for (int64_t i = 0; i < terms; i++) {
    float *at = &weights[w->offset + c * terms + i];
    *at = (float)((double)*at / factor);
  }
  if (bias) weights[bias->offset + c] = (float)((double)weights[bias->offset + c] / factor);
}

/* Balances a pair; returns the largest |factor - 1| of its channels. */
static double balance(const Pair *pair, float *weights) {
  /* a channel is not changed if its weights are at most NOTHING * (largest weight of the first layer) */
  static const double NOTHING = 1e-6;
  const int64_t channels = pair->first->weight[0]->dim[0];
  double moved = 0, most = 0;
  for (int64_t c = 0; c < channels; c++) most = fmax(most, row_most(pair, weights, c));
  for (int64_t c = 0; c < channels; c++) {
    const double first = row_most(pair, weights, c), second = column(pair, weights, c, 1);
    if (!(first > NOTHING * most) || !(second > 0)) continue;
    const double factor = sqrt(first / second);
    divide_row(pair, weights, c, factor);
    column(pair, weights, c, factor);
    moved = fmax(moved, fabs(factor - 1));
  }
  return moved;
}

int equalize(Arena *arena, const Graph *graph, float *weights) {
  enum { ROUNDS = 50 };
  static const double ENOUGH = 0.01;
  const int *uses = graph_live(arena, graph, 0, NULL);
  Pairs pairs = {0};
  for (int i = 0; i < graph->nodes.n; i++) {
    Pair pair = {.second = graph->nodes.data[i]};
    if (!uses[i] || !convolves(pair.second)) continue;
    pair.first = layer_before(graph, uses, pair.second, &pair.norm);
    if (pair.first && !shares_weights(graph, uses, &pair)) vec_push(arena, pairs, pair);
  }
  double moved = pairs.n ? 1 : 0;
  for (int round = 0; round < ROUNDS && moved > ENOUGH; round++) {
    moved = 0;
    for (int p = 0; p < pairs.n; p++) moved = fmax(moved, balance(&pairs.data[p], weights));
  }
  return pairs.n;
}
