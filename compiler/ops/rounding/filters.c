/* filters.c: The filters of a layer: their number, and the index of each of their weights. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/int8/int8.h"

int64_t int8_filters(const Node *node) {
  return node->op->family == FAMILY_CONV_SCATTER ? shape_extent(node->shape).c : node->weight[0]->dim[0];
}

int64_t int8_weight_index(const Node *node, int64_t filter, int64_t term) {
  const Weight *weight = node->weight[0];
  const int64_t terms = weight->size / int8_filters(node);
  if (node->op->family != FAMILY_CONV_SCATTER) return filter * terms + term;
  const int64_t groups = node->window->groups, channels = weight->dim[0] / groups, filters = weight->dim[1],
                taps = terms / channels;
  return ((filter / filters * channels + term / taps) * filters + filter % filters) * taps + term % taps;
}
