/* bf16.c: Rounding for layers with precision=bf16. The operands of products are rounded to bf16: weights,
 * input values and, in training, gradients. An input value is rounded only once, when it is computed, for
 * all nodes that read it.
 *
 * Values that are views or copies of each other, or that a gradient compares, form a group. A group is
 * rounded as a whole or not at all. It is not rounded if exact values are needed, for example by the caller
 * (inputs, outputs), by another call (states), or by a reader without precision=bf16. In this case,
 * passes/bf16.c rounds a copy of the value for the products. */
// SPDX-License-Identifier: Apache-2.0
#include "graph/bf16.h"
#include <math.h>
#include "base/number.h"
#include "graph/op.h"

#ifndef __wasi__
bool node_has_products(const Node *node) {
  return node->op->traits.product || node->op->traits.rounds_itself;
}

bool node_is_bf16(const Node *node) { return node->precision == PRECISION_BF16 && node_has_products(node); }

bool node_reads_bf16(const Node *node) { return node_is_bf16(node) && node->op->traits.product; }

bool node_given_as_float(const Node *node) {
  return node->precision == PRECISION_F32 || node->precision == PRECISION_BF16;
}

bool node_multiplies_weight(const Node *node, int k) {
  return node->weight[k] && (k == 0 || node->weight[k]->rank > 1);
}

Elem node_weight_elem(const Node *node) {
  if (node_is_bf16(node)) return BF16;
  return node->precision == PRECISION_F16W && node->nweights && node_has_products(node) ? F16 : F32;
}

bool node_rounds_weight(const Node *node, int k) {
  return node_weight_elem(node) != F32 && node_multiplies_weight(node, k);
}

const Node *graph_has_halves(const Graph *graph) {
  for (int i = 0; i < graph->nodes.n; i++)
    if (node_weight_elem(graph->nodes.data[i]) != F32) return graph->nodes.data[i];
  return NULL;
}

const Node *graph_has_bf16(const Graph *graph) {
  for (int i = 0; i < graph->nodes.n; i++)
    if (node_is_bf16(graph->nodes.data[i])) return graph->nodes.data[i];
  return NULL;
}

bool bf16_refused(Diags *diags, DiagId id, const Graph *graph, const char *why) {
  const Node *node = graph_has_halves(graph);
  if (!node) return false;
  const char *precision = node_is_bf16(node) ? "bf16" : "f16w";
  Diag *diag = diag_report(diags, id, node->span, node->site, "%s, but %s has precision=%s", why, node->name,
                           precision);
  diag_help(diag, "train without quantize; cnnc quantize then keeps layers with precision=%s in float",
            precision);
  return true;
}

static bool report_infinite(Diags *diags, const Node *node, const Weight *weight, float value) {
  const bool half = node_weight_elem(node) == F16;
  Diag *diag = diag_report(diags, DIAG_weights_file, node->span, node->site,
                           "%s has %.9g, which %s rounds to infinity", weight->name, (double)value,
                           half ? "half precision (f16w)" : "bf16");
  diag_fact(diag, "the largest number of this precision is %s", half ? "65504" : "3.3895e38");
  diag_help(diag, "precision=f32 of %s keeps its weights as floats", node->name);
  return false;
}

bool bf16_weights_finite(Diags *diags, const Graph *graph, const float *weights) {
  bool fine = true;
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    for (int k = 0; k < node->nweights; k++) {
      if (!node_rounds_weight(node, k)) continue;
      const Weight *weight = node->weight[k];
      const bool half = node_weight_elem(node) == F16;
      for (int64_t e = 0; e < weight->size; e++) {
        const float x = weights[weight->offset + e];
        if (!isfinite(x) || isfinite(half ? f16_nearest((double)x) : bf16_nearest((double)x))) continue;
        fine = report_infinite(diags, node, weight, x);
        break;
      }
    }
  }
  return fine;
}

bool bf16_dense_pairs(const Node *node) {
  return node_is_bf16(node) && node->op->family == FAMILY_DENSE && node->in[0]->rounded &&
         shape_row_elements(node->in[0]->shape) % 2 == 0;
}

void node_as_floats(Node *node) {
  if (node->precision == PRECISION_BF16 || node->precision == PRECISION_F16W)
    node->precision = PRECISION_GIVEN;
  node->rounded = false;
}

bool bf16_reads_rounded(const Node *operand) {
  return operand->rounded || (node_is_input(operand) && port_is_bytes(operand->port));
}

/* ---- groups ---- */
typedef struct Groups { /* the arrays are indexed by node id */
  const Graph *graph;
  const int *live; /* number of uses, from graph_live; 0: the value is not needed, so it is not stored */
  int *of;         /* an earlier node of the same group; the first node of a group refers to itself */
  bool *wanted, *barred;
  bool *copies; /* whether the group has a copy of an input or state (see copies_input) */
} Groups;

static int group_of(const Groups *g, int node) {
  while (g->of[node] != node) node = g->of[node];
  return node;
}

static void join_bf16_groups(const Groups *g, const Node *a, const Node *b) {
  const int x = group_of(g, a->id), y = group_of(g, b->id);
  g->of[x > y ? x : y] = x > y ? y : x;
}

static bool is_from_outside(const Node *node) {
  return node_is_input(node) || node_is_target(node) || node_is_state(node);
}

/* Whether the node copies a value of the caller or of another call (`from`), because the node adds borders or
 * repeats elements. */
static bool copies_input(const Node *node, const Node *from) {
  return is_from_outside(from) && (node->op->traits.padding || node->op->traits.repeats);
}

/* A gradient that reads both the value and the operand of a layer may compare them, as the gradient of
 * maxpool does. So either both of them are rounded, or neither. */
static void join_compared(const Groups *g, const Node *node) {
  const Node *layer = node->backward && node->hidden ? node->hidden->of : NULL;
  bool value = false;
  for (int k = 0; layer && k < node->nin; k++) value = value || node->in[k] == layer;
  for (int k = 0; value && k < node->nin; k++)
    for (int i = 0; i < layer->nin; i++)
      if (node->in[k] == layer->in[i]) join_bf16_groups(g, layer, layer->in[i]);
}

static void join_views(const Groups *g) {
  for (int i = 0; i < g->graph->nodes.n; i++) {
    const Node *node = g->graph->nodes.data[i];
    for (int k = 0; g->live[i] && k < node->nin && node_moves_elements(node); k++)
      if (!copies_input(node, node->in[k])) join_bf16_groups(g, node, node->in[k]);
    if (g->live[i]) join_compared(g, node);
  }
}

static void find_input_copies(const Groups *g) {
  for (int i = 0; i < g->graph->nodes.n; i++) {
    const Node *node = g->graph->nodes.data[i];
    for (int k = 0; g->live[i] && k < node->nin; k++)
      if (copies_input(node, node->in[k])) g->copies[group_of(g, i)] = true;
  }
}

/* Whether the value stays float because its computation is split into several nodes, or because the
 * computation of the next row or call continues from it. */
static bool keeps_floats(const Node *node) {
  const OpTraits *t = &node->op->traits;
  return node->op->parts || t->recurrent || t->stream == STREAM_RECURRENT || t->int8 == INT8_RECURRENT;
}

/* Whether the node must read and write floats. Such nodes are inputs, targets, states and updates of states;
 * nodes whose values are integers, indices, or one value per batch; and nodes whose nests call runtime
 * functions or have data-dependent indices (per_image). */
static bool needs_floats(const Node *node) {
  return is_from_outside(node) || node_is_update(node) || node->elem != F32 || node->op->traits.per_image ||
         node->op->traits.indices || node->result == RESULT_BATCH;
}

static void look_at_node(const Groups *g, const Node *node) {
  const bool moves = node_moves_elements(node), blind = node->precision != PRECISION_BF16 && !moves;
  if (needs_floats(node) || keeps_floats(node)) g->barred[group_of(g, node->id)] = true;
  for (int k = 0; k < node->nin; k++) {
    const int group = group_of(g, node->in[k]->id);
    /* With --stream, nodes read the input itself; without --stream, they may read a copy (copies_input). The
     * results must be the same, so the copy is not rounded if a reader needs exact numbers. */
    const bool exact = blind || needs_floats(node) || (g->copies[group] && !moves);
    if (node_reads_bf16(node)) g->wanted[group] = true;
    else if (exact) g->barred[group] = true;
  }
}

/* A value is also rounded if only max pools with rounded results read it. The results of the pools stay the
 * same, and the value then needs half the memory. The loop visits the last value first, because the input of
 * a max pool may be the result of another max pool. pooled: whether a value is read by such a pool; other:
 * whether it is read by another node. */
static void want_pooled(Arena *arena, const Groups *g) {
  const int n = g->graph->nodes.n;
  bool *pooled = NEW_ARRAY(arena, bool, n + 1), *other = NEW_ARRAY(arena, bool, n + 1);
  for (int i = n - 1; i >= 0; i--) {
    if (!g->live[i]) continue;
    const Node *node = g->graph->nodes.data[i];
    const int group = group_of(g, i);
    if (group == i && pooled[i] && !other[i]) g->wanted[i] = true;
    const bool pool = node->op->traits.int8 == INT8_LARGEST && g->wanted[group] && !g->barred[group];
    for (int k = 0; k < node->nin; k++) (pool ? pooled : other)[node->in[k]->id] = true;
  }
}

void bf16_mark(Arena *arena, Graph *graph, int nroots, Node *const *root) {
  const int n = graph->nodes.n;
  for (int i = 0; i < n; i++) graph->nodes.data[i]->rounded = false;
  if (!graph_has_bf16(graph)) return;
  Groups g = {graph,
              graph_live(arena, graph, nroots, root),
              NEW_ARRAY(arena, int, n + 1),
              NEW_ARRAY(arena, bool, n + 1),
              NEW_ARRAY(arena, bool, n + 1),
              NEW_ARRAY(arena, bool, n + 1)};
  for (int i = 0; i < n; i++) g.of[i] = i;
  join_views(&g);
  find_input_copies(&g);
  for (int i = 0; i < n; i++)
    if (g.live[i]) look_at_node(&g, graph->nodes.data[i]);
  for (int i = 0; i < graph->outputs.n; i++) g.barred[group_of(&g, graph->outputs.data[i].node->id)] = true;
  for (int i = 0; i < graph->values.n; i++) g.barred[group_of(&g, graph->values.data[i].node->id)] = true;
  want_pooled(arena, &g);
  for (int i = 0; i < n; i++) {
    const int group = group_of(&g, i);
    graph->nodes.data[i]->rounded = g.wanted[group] && !g.barred[group];
  }
}
#endif
