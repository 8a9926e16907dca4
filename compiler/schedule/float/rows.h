/* rows.h: Choice of the layers to be batched: their predicted cycles, and the kernels that batched schedules
 * support. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ROWS_H
#define CNNC_ROWS_H
#include "schedule/cost.h"

/* Inputs of the choice, in addition to the layer. */
typedef struct RowsCosts {
  const Target *target; /* the widest target of the generated file */
  int64_t weight_bytes; /* size of the weights of the whole net */
  bool training, exact;
  Arena *arena;
} RowsCosts;
RowsCosts rows_costs(const Lower *); /* the inputs of the choice for a batched kernel */

/* Cycles of a batched convolution or its gradient, with Winograd. */
Cycles rows_by_winograd(const RowsCosts *, const Node *, int m, int64_t batch);
/* Why the batched schedule (direct, or with Winograd) cannot compute the node; NULL: it can. */
const char *rows_direct_refused(const RowsCosts *, const Node *);
const char *rows_winograd_refused(const RowsCosts *, const Node *);

bool rows_pay(const void *rows_costs, const Node *, int64_t batch,
              int64_t kept); /* has the type WholeBatchPays */
bool dense_pays_together(const RowsCosts *,
                         int64_t batch); /* dense_rows.c: whether inference batches large dense layers */

/* Weight gradients in bf16 with tile registers: predicted cycles per image, and whether the target supports
 * them. weights_...: image by image (conv_weights_matrix.c); rows_weights_...: batched
 * (conv_rows_weights_matrix.c). */
#ifdef __wasi__ /* the browser build has no bf16 */
static inline Cycles weights_by_matrix(const Target *t, const Node *node) {
  return (void)t, (void)node, (Cycles){0};
}
static inline bool weights_take_matrix(const Target *t, const Node *node) {
  return (void)t, (void)node, false;
}
static inline Cycles rows_weights_by_matrix(const Target *t, const Node *node, int64_t batch, int64_t bytes) {
  return (void)t, (void)node, (void)batch, (void)bytes, (Cycles){0};
}
static inline bool rows_weights_take_matrix(const Target *t, const Node *node, int64_t batch) {
  return (void)t, (void)node, (void)batch, false;
}
#else
Cycles weights_by_matrix(const Target *, const Node *);
bool weights_take_matrix(const Target *, const Node *);
Cycles rows_weights_by_matrix(const Target *, const Node *, int64_t batch, int64_t weight_bytes);
bool rows_weights_take_matrix(const Target *, const Node *, int64_t batch);
#endif

/* Members of the schedules of conv_rows.c and conv_rows_weights.c. */
const char *conv_rows_refused(const Lower *, const Choice *);
Cycles conv_rows_cycles(const Lower *, const Target *, const Choice *);
#endif
