/* onnx_sort.c: Topological sorting of a model's nodes. The standard requires sorted nodes, but onnxruntime
 * accepts nodes in any order. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/onnx/onnx.h"

typedef enum State { NEW_NODE, OPEN_NODE, PLACED_NODE } State;
typedef struct Visit {
  int node, input; /* input: the next input to visit */
} Visit;
typedef struct Sorter {
  onnx_needed *needed;
  const void *context;
  State *state;
  Visit *stack;
  int *placed;
  int depth, nplaced;
} Sorter;

static void open_node(Sorter *s, int node) {
  s->state[node] = OPEN_NODE;
  s->stack[s->depth++] = (Visit){node, 0};
}

/* Places a node after all nodes that it needs. Returns -1, or a node that depends on its own result. */
static int place_node(Sorter *s, int first) {
  open_node(s, first);
  while (s->depth) {
    Visit *top = &s->stack[s->depth - 1];
    const int maker = s->needed(s->context, top->node, top->input++);
    if (maker == ONNX_LAST) {
      s->state[top->node] = PLACED_NODE;
      s->placed[s->nplaced++] = top->node;
      s->depth--;
      continue;
    }
    if (maker < 0 || s->state[maker] == PLACED_NODE) continue;
    if (s->state[maker] == OPEN_NODE) return maker;
    open_node(s, maker);
  }
  return -1;
}

int *onnx_order(Arena *arena, int n, onnx_needed *needed, const void *context, int *circular) {
  Sorter s = {.needed = needed,
              .context = context,
              .state = NEW_ARRAY(arena, State, n + 1),
              .stack = NEW_ARRAY(arena, Visit, n + 1),
              .placed = NEW_ARRAY(arena, int, n + 1)};
  *circular = -1;
  for (int i = 0; i < n && *circular < 0; i++)
    if (s.state[i] == NEW_NODE) *circular = place_node(&s, i);
  return s.placed;
}

typedef struct Makers {
  const Onnx *onnx;
  int *maker; /* by tensor: the node that produces the tensor, or ONNX_NONE */
} Makers;

static int maker_of_need(const void *context, int node, int k) {
  const Makers *m = context;
  const int tensor = onnx_needs(m->onnx, &m->onnx->node[node], k);
  return tensor < 0 ? ONNX_LAST : m->maker[tensor];
}

const OnnxNode *onnx_sort(Onnx *o) {
  Makers m = {o, NEW_ARRAY(o->arena, int, o->ntensors)};
  OnnxNode *sorted = NEW_ARRAY(o->arena, OnnxNode, o->nnodes + 1);
  for (int t = 0; t < o->ntensors; t++) m.maker[t] = ONNX_NONE;
  for (int i = 0; i < o->nnodes; i++)
    for (int k = 0; k < o->node[i].nout; k++) m.maker[o->node[i].out[k]] = i;
  m.maker[0] = ONNX_NONE; /* tensor 0: omitted inputs and outputs */
  int circular;
  const int *order = onnx_order(o->arena, o->nnodes, maker_of_need, &m, &circular);
  if (circular >= 0) return &o->node[circular];
  for (int i = 0; i < o->nnodes; i++) {
    sorted[i] = o->node[order[i]];
    sorted[i].index = i;
  }
  o->node = sorted;
  return NULL;
}
