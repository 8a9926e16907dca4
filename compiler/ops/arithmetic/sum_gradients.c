/* sum_gradients.c: Sum of the gradients of a value that is used more than once. Only differentiation creates
 * this hidden operator. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/map.h"
#include "ops/registry.h"

static double sum_eval(const Node *node, const double *x, const double *weight, int64_t c) {
  (void)weight;
  (void)c;
  double sum = x[0];
  for (int i = 1; i < node->nin; i++) sum += x[i];
  return sum;
}

static Val sum_map(Map *map) {
  Val sum = map->x[0];
  for (int i = 1; i < map->node->nin; i++) sum = add(sum, map->x[i]);
  return sum;
}

const Op op_sum_gradients = {
    .name = "sum of gradients",
    MAP_OPERATOR,
    .map_eval = sum_eval,
    .map = sum_map,
};
