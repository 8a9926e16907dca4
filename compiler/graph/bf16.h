/* bf16.h: Rounding for layers with precision=bf16. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_BF16_H
#define CNNC_BF16_H
#include <stddef.h>
#include "graph/graph.h"

#ifndef __wasi__
bool node_has_products(const Node *); /* whether precision=bf16 applies to the node's products */
/* For a node with products: whether weight[k] is a factor of the products; other weights are biases. */
bool node_multiplies_weight(const Node *, int k);
bool node_is_bf16(const Node *);    /* whether the node multiplies bf16 numbers */
bool node_reads_bf16(const Node *); /* node_is_bf16, and the node does not round its operands itself */
/* Whether precision= says that the node computes in float in an int8 model: f32 or bf16. */
bool node_given_as_float(const Node *);
const Node *graph_has_bf16(const Graph *); /* the first node that multiplies bf16 numbers, or NULL */
/* The element type to which weights are rounded and in which they are stored: BF16, F16 (--precision=f16w:
 * only the weights), or F32. */
Elem node_weight_elem(const Node *);
bool node_rounds_weight(const Node *, int k); /* whether weight[k] is rounded to node_weight_elem */
const Node *
graph_has_halves(const Graph *); /* the first node for which node_weight_elem is not F32, or else NULL */
/* Whether graph_has_halves finds a node; if so, reports an error with the reason `why` and that node. */
bool bf16_refused(Diags *, DiagId, const Graph *, const char *why);
/* False after [weights-file]: a weight becomes infinite when it is rounded to node_weight_elem. */
bool bf16_weights_finite(Diags *, const Graph *, const float *weights);
/* Whether the node is a dense layer that multiplies words of two bf16 numbers: its input is stored as an even
 * number of bf16 numbers. */
bool bf16_dense_pairs(const Node *);
void node_as_floats(Node *);           /* makes the node multiply floats; its value is not rounded */
bool bf16_reads_rounded(const Node *); /* whether the operand is known to be exact in bf16 */
/* Sets node->rounded of all nodes, also of an int8 model. root: nodes whose values are used, in addition to
 * the outputs and the other roots of graph_live. */
void bf16_mark(Arena *, Graph *, int nroots, Node *const *root);
#else /* the browser build, which must stay small, refuses precision=bf16 */
static inline bool node_has_products(const Node *node) { return (void)node, false; }
static inline bool node_multiplies_weight(const Node *node, int k) { return (void)node, (void)k, false; }
static inline bool node_is_bf16(const Node *node) { return (void)node, false; }
static inline bool node_reads_bf16(const Node *node) { return (void)node, false; }
static inline bool node_given_as_float(const Node *node) { return node->precision == PRECISION_F32; }
static inline Elem node_weight_elem(const Node *node) { return (void)node, F32; }
static inline bool node_rounds_weight(const Node *node, int k) { return (void)node, (void)k, false; }
static inline const Node *graph_has_halves(const Graph *graph) { return (void)graph, NULL; }
static inline const Node *graph_has_bf16(const Graph *graph) { return (void)graph, NULL; }
static inline bool bf16_refused(Diags *diags, DiagId id, const Graph *graph, const char *why) {
  return (void)diags, (void)id, (void)graph, (void)why, false;
}
static inline bool bf16_weights_finite(Diags *diags, const Graph *graph, const float *weights) {
  return (void)diags, (void)graph, (void)weights, true;
}
static inline bool bf16_dense_pairs(const Node *node) { return (void)node, false; }
static inline void node_as_floats(Node *node) { (void)node; }
static inline bool bf16_reads_rounded(const Node *operand) { return (void)operand, false; }
static inline void bf16_mark(Arena *arena, Graph *graph, int nroots, Node *const *root) {
  (void)arena, (void)graph, (void)nroots, (void)root;
}
#endif
#endif
