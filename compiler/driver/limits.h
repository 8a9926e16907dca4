/* limits.h: nets that are too large are refused with their numbers. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_LIMITS_H
#define CNNC_LIMITS_H
#include "base/diag.h"
#include "lir/layout.h"
#include "graph/graph.h"
#include "passes/plan.h"

/* Whether each object of the generated C, and each array that its caller has, can be there on all targets;
 * reports [too-large] if not. */
bool limits_of_target(Arena *, Diags *, const Graph *, const LayoutOptions *, bool training,
                      const NetSizes *);

/* Whether the inputs and outputs of a call of `batch` images are arrays that C can have. */
bool limits_of_calls(Arena *, Diags *, const Graph *, int64_t batch);

/* Whether there are few enough kernels to be compiled, and the values that a training step has of all images
 * are arrays that C can have; train: NULL without training. */
bool limits_of_plans(Arena *, Diags *, const Graph *, const Plan *infer, const Plan *train);

/* Reports that training wants more than `memory` bytes: the least that was found is `least`. False. */
bool limits_refused(Arena *, Diags *, const Graph *, int64_t memory, int64_t shards, int64_t least);
#endif
