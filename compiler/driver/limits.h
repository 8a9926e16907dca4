/* limits.h: Checks of sizes. Each reports an error with the sizes, and then returns false. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_LIMITS_H
#define CNNC_LIMITS_H
#include "base/diag.h"
#include "lir/layout.h"
#include "graph/graph.h"
#include "passes/plan.h"

/* Whether each object of the generated C, and each array of its caller, is possible on all targets. */
bool check_target_limits(Arena *, Diags *, const Graph *, const LayoutOptions *, bool training,
                         const NetSizes *);

/* Whether inputs and outputs of `batch` images are possible C arrays. */
bool check_call_limits(Arena *, Diags *, const Graph *, int64_t batch);

/* Whether there are few enough kernels, and batched values of training are possible C arrays. train: NULL
 * without training. */
bool check_plan_limits(Arena *, Diags *, const Graph *, const Plan *infer, const Plan *train);

/* Reports that training needs more than `memory` bytes; `least` is the minimum found. Returns false. */
bool report_memory_limit(Arena *, Diags *, const Graph *, int64_t memory, int64_t shards, int64_t least);
#endif
