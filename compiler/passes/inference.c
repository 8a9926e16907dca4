/* inference.c: Simplification for inference. Removes identities (dropout) and dead values. Replaces layers by
 * the nodes that compute them (op->parts). Merges zero padding and nearest upsampling into the convolutions
 * after them. Splits a global mean into means of rows, which the producer can compute. Swaps the operands of
 * a sum if the layer that computes the second operand can then also compute the sum.
 *
 * Requires: a checked graph. Preserves: names, spans and parameters; nodes stay in program order. */
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "graph/shape.h"
#include "passes/passes.h"

typedef struct Copy {
  Graph *to;
  Node **map;           /* by node id of the original graph: the copy */
  const bool *repeated; /* by node id: whether the convolution includes the upsampling before it; NULL: no
                           convolution does */
  bool by_rows;         /* whether means of images are split into means of rows */
  const int *readers;   /* by node id: number of readers; NULL: operands of sums are not swapped */
  bool layers;          /* whether layers remain layers, and are not replaced by their op->parts */
} Copy;

static bool takes_zeros(const Node *node) {
  return (node->op->family == FAMILY_CONV || node->op->family == FAMILY_DEPTHWISE) && node->window;
}

static bool addressable(const Window *window, Shape shape) {
  const Extent out = shape_extent(shape);
  return larger(window_reach(window, 0, out.h), window_reach(window, 1, out.w)) <= SHAPE_MOST_ELEMENTS;
}

/* Merges a zero_pad into the padding of a convolution. The zero_pad is dead if it has no other user. */
static void merge_border(Copy *copy, Node *node) {
  Node *border = node->in[0];
  int64_t before[2], after[2];
  if (!takes_zeros(node) || !border->op->traits.padding || !border->op->traits.padding(border, before, after))
    return;
  Window *window = NEW(copy->to->arena, Window);
  *window = *node->window;
  for (int axis = 0; axis < 2; axis++) {
    if (before[axis] < 0 || after[axis] < 0) return;
    window->before[axis] += before[axis];
    window->after[axis] += after[axis];
  }
  if (!addressable(window, node->shape)) return;
  node->window = window;
  node->in[0] = border->in[0];
}

/* Merges nearest upsampling into a convolution. The upsampling is dead if it has no other user. */
static void merge_repetition(Copy *copy, Node *node, const Node *from) {
  if (!copy->repeated || !copy->repeated[from->id]) return;
  int64_t *factor = NEW_ARRAY(copy->to->arena, int64_t, 2);
  const Node *repetition = from->in[0];
  if (!repetition->op->traits.repeats(repetition, factor)) return;
  node->op = node->op->traits.after_repeats;
  node->detail = factor;
  node->in[0] = copy->map[repetition->in[0]->id];
}

/* Whether the layer that computes the input of the pooling can also compute the row means of this input. */
static bool producer_has_row_means(const Node *pool) {
  const Shape in = pool->in[0]->shape;
  const Node *made = pool->in[0];
  if (in.rank != 3 || in.regions || in.dim[0] == 1 || in.dim[1] == 1) return false;
  while (made->op->family == FAMILY_MAP && shape_equal(made->shape, made->in[0]->shape)) made = made->in[0];
  return made->op->traits.fuses_row_means && made->op->traits.fuses_row_means(made);
}

static Window *window_over(Arena *arena, const Node *pool, int64_t height, int64_t width) {
  Window *window = NEW(arena, Window);
  *window = *pool->window;
  window->kernel[0] = height;
  window->kernel[1] = width;
  return window;
}

/* Replaces the mean of an image by the mean of the means of its rows. */
static void split_mean(Copy *copy, Node *pool) {
  if (!copy->by_rows || !pool->op->traits.row_means || !producer_has_row_means(pool)) return;
  Arena *arena = copy->to->arena;
  const Extent e = shape_extent(pool->in[0]->shape);
  Node *rows = graph_copy_node(arena, pool, NULL);
  rows->op = pool->op->traits.row_means;
  rows->shape = shape_image(e.h, 1, e.c);
  rows->window = window_over(arena, pool, 1, e.w);
  graph_append(copy->to, rows);
  pool->in[0] = rows;
  pool->window = window_over(arena, pool, e.h, 1);
}

/* Fusion computes an element-wise node in the kernel of its first operand, if this operand has no other user.
 * So if only the second operand of a sum has no other user, the operands can be swapped. */
static void swap_sum_operands(Copy *copy, Node *node, const Node *from) {
  if (!copy->readers || !node->op->traits.commutes || !node->op->traits.commutes(node)) return;
  const Node *first = from->in[0], *second = from->in[1];
  const bool given = second->op->source || node_is_input(second) || second->op->family == FAMILY_ALIAS;
  if (copy->readers[first->id] < 2 || copy->readers[second->id] > 1 || second->id < first->id || given)
    return;
  Node *shortcut = node->in[0];
  node->in[0] = node->in[1];
  node->in[1] = shortcut;
}

static Node *copy_node(Copy *copy, const Node *node) {
  if (node->op->identity && node->op->identity(node) && node->nin) return copy->map[node->in[0]->id];
  Node *twin = graph_copy_node(copy->to->arena, node, copy->map);
  if (node->op->parts && !copy->layers) return node->op->parts(copy->to, twin, false);
  split_mean(copy, twin);
  graph_append(copy->to, twin);
  merge_border(copy, twin);
  merge_repetition(copy, twin, node);
  swap_sum_operands(copy, twin, node);
  return twin;
}

static Graph *copy_live(Arena *arena, const Graph *from, const PlanOptions *o, bool last) {
  const int *live = graph_live(arena, from, 0, NULL);
  Copy copy = {.to = graph_copy_head(arena, from),
               .map = NEW_ARRAY(arena, Node *, from->nodes.n + 1),
               .repeated = last ? NULL : o->repeated,
               .by_rows = last && o->fusing == FUSE_ALL && o->images <= 1,
               .readers = last && o->fusing != FUSE_NOTHING ? live : NULL};
  for (int i = 0; i < from->nodes.n; i++)
    if (live[i] || node_is_input(from->nodes.data[i])) copy.map[i] = copy_node(&copy, from->nodes.data[i]);
  graph_copy_ports(copy.to, from, copy.map);
  return copy.to;
}

Graph *inference_tidy(Arena *arena, const Graph *from, Node ***map) {
  Copy copy = {
      .to = graph_copy_head(arena, from), .map = NEW_ARRAY(arena, Node *, from->nodes.n + 1), .layers = true};
  const int *live = graph_live(arena, from, 0, NULL);
  for (int i = 0; i < from->nodes.n; i++)
    if (live[i] || node_is_input(from->nodes.data[i])) copy.map[i] = copy_node(&copy, from->nodes.data[i]);
  graph_copy_ports(copy.to, from, copy.map);
  *map = copy.map;
  return copy.to;
}

Graph *pass_inference(Arena *arena, const Graph *from, const PlanOptions *o) {
  /* the second copy removes the padding and upsampling nodes that the first copy made dead */
  return states_last(arena, copy_live(arena, copy_live(arena, from, o, false), o, true));
}
