/* limits.h: Size limits, with the numbers in the errors. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_LIMITS_H
#define CNNC_LIMITS_H
#include "base/diag.h"
#include "lir/layout.h"
#include "graph/graph.h"
#include "passes/plan.h"

/* Whether each object of the generated C, and each array of its caller, is possible on all targets; reports
 * [too-large] if not. */
bool limits_of_target(Arena *, Diags *, const Graph *, const LayoutOptions *, bool training,
                      const NetSizes *);

/* Whether the inputs and outputs of a call of `batch` images are possible C arrays. */
bool limits_of_calls(Arena *, Diags *, const Graph *, int64_t batch);

/* Whether there are few enough kernels to be compiled, and the values of all images in a training step are
 * possible C arrays; train: NULL without training. */
bool limits_of_plans(Arena *, Diags *, const Graph *, const Plan *infer, const Plan *train);

/* Reports that training needs more than `memory` bytes: `least` is the minimum that was found. False. */
bool limits_refused(Arena *, Diags *, const Graph *, int64_t memory, int64_t shards, int64_t least);
#endif
