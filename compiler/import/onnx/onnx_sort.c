/* onnx_sort.c: Topological sorting of a model's nodes. The standard requires sorted nodes, onnxruntime does
 * not. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/onnx/onnx.h"

typedef enum State { NEW_NODE, OPEN_NODE, PLACED_NODE } State;
typedef struct Visit {
  int node, input; /* input: the next input to visit */
} Visit;
typedef struct Sorter {
  const Onnx *onnx;
  int *maker; /* by tensor: the node that produces the tensor, or -1 */
  State *state;
  Visit *stack;
  OnnxNode *placed;
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
    const OnnxNode *node = &s->onnx->node[top->node];
    const int tensor = onnx_needs(s->onnx, node, top->input++);
    if (tensor < 0) {
      s->state[top->node] = PLACED_NODE;
      s->placed[s->nplaced++] = *node;
      s->depth--;
      continue;
    }
    const int maker = tensor ? s->maker[tensor] : -1;
    if (maker < 0 || s->state[maker] == PLACED_NODE) continue;
    if (s->state[maker] == OPEN_NODE) return maker;
    open_node(s, maker);
  }
  return -1;
}

const OnnxNode *onnx_sort(Onnx *o) {
  const size_t n = (size_t)o->nnodes + 1;
  Sorter s = {.onnx = o,
              .maker = NEW_ARRAY(o->arena, int, o->ntensors),
              .state = NEW_ARRAY(o->arena, State, n),
              .stack = NEW_ARRAY(o->arena, Visit, n),
              .placed = NEW_ARRAY(o->arena, OnnxNode, n)};
  for (int t = 0; t < o->ntensors; t++) s.maker[t] = -1;
  for (int i = 0; i < o->nnodes; i++)
    for (int k = 0; k < o->node[i].nout; k++) s.maker[o->node[i].out[k]] = i;
  for (int i = 0; i < o->nnodes; i++) {
    const int circular = s.state[i] == NEW_NODE ? place_node(&s, i) : -1;
    if (circular >= 0) return &o->node[circular];
  }
  o->node = s.placed;
  for (int i = 0; i < o->nnodes; i++) o->node[i].index = i;
  return NULL;
}
