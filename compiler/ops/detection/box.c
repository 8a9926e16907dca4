/* box.c: Common code of box operators. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/detection/box.h"
#include <math.h>
#include "graph/op.h"

const Node *picture_of(const Node *node) {
  Arena *arena = arena_new();
  bool *seen = NEW_ARRAY(arena, bool, node->id + 1);
  VEC(const Node *) next = {0};
  const Node *picture = NULL;
  vec_push(arena, next, node);
  while (next.n) {
    const Node *at = next.data[--next.n];
    if (node_is_input(at) && at->shape.rank == 3 && (!picture || at->id < picture->id)) picture = at;
    for (int k = 0; k < at->nin; k++) {
      const Node *in = at->in[k];
      if (seen[in->id]) continue;
      seen[in->id] = true;
      vec_push(arena, next, (const Node *)in);
    }
  }
  arena_free(arena);
  return picture;
}

double box_growth(void) { return log(1000. / 16); }

int most_positives(const Node *node) {
  return (int)floor(arg_number(node, "positives") * (double)arg_int(node, "sample") + 1e-6);
}
