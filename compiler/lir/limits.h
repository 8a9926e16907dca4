/* limits.h: Checks of the sizes of C arrays, of objects, of plans and of training memory. If a size is too
 * large, the function reports an error with the sizes and returns false. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_LIMITS_H
#define CNNC_LIMITS_H
#include "base/diag.h"
#include "lir/layout.h"
#include "graph/graph.h"
#include "passes/plan.h"

/* Whether all targets support objects as large as weights, model, workspaces, states, inputs and outputs. */
bool check_target_limits(Arena *, Diags *, const Graph *, const LayoutOptions *, bool training,
                         const NetSizes *);

/* Whether inputs and outputs of `batch` images fit into C arrays. */
bool check_call_limits(Arena *, Diags *, const Graph *, int64_t batch);

/* Whether the number of kernels is within its limit, and batched values of training fit into C arrays. train:
 * NULL without training. */
bool check_plan_limits(Arena *, Diags *, const Graph *, const Plan *infer, const Plan *train);

/* Reports that training needs more than `memory` bytes. least: bytes of the smallest plan that was found.
 * Returns false. */
bool report_memory_limit(Arena *, Diags *, const Graph *, int64_t memory, int64_t shards, int64_t least);
#endif
