/* rounding_switch.c: Position of the QAT switch, which turns rounding on, among the weights of a layer. */
// SPDX-License-Identifier: Apache-2.0
#include "graph/op.h"

/* Index of the switch among the node's weights; -1: the operator has no switch. The switch is the last
 * weight: after weight and bias; in batchnorm, after the statistics; in a part of a recurrent layer, after
 * the parameters of this part. */
static int switch_index(const Node *node) {
  const Node *of = node;
  while (of->hidden) of = of->hidden->of; /* in batchnorm's backward pass, `of` may be a hidden node, too */
  return of->op->traits.int8 == INT8_PRODUCT ? 2
         : of->op->traits.scale_rows         ? PART_SWITCH
         : of->op->traits.fold == FOLD_SCALE ? 4
                                             : -1;
}

int64_t rounding_scale_rows(const Node *node) {
  if (node->op->traits.scale_rows) return node->op->traits.scale_rows(node);
  return node->op->traits.int8 == INT8_PRODUCT;
}

int rounding_switch(const Node *node) {
  const int index = switch_index(node);
  return index >= 0 && node->nweights > index ? index : -1;
}

void rounding_add_switch(Arena *arena, Node *node, const QatSettings *aware) {
  const int index = switch_index(node);
  if (index < 0) return;
  Weight **weight = NEW_ARRAY(arena, Weight *, index + 1);
  for (int k = 0; k < node->nweights; k++) weight[k] = node->weight[k];
  weight[index] = aware->on;
  node->weight = weight;
  node->nweights = index + 1;
}
