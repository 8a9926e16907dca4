/* fuse.h: nodes grouped into kernels. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FUSE_H
#define CNNC_FUSE_H
#include "kernel/lower.h"
#include "passes/plan.h"

/* Fills plan->kernels from plan->graph, in the order in which they run: each live node is the root of one, or
 * fused or folded into another, or an alias, or an input that is read in place. Phases are set (training). */
void fuse_kernels(Arena *, Plan *, const PlanOptions *);
int *fuse_uses(Arena *, const Plan *); /* by node id: how many live nodes and outputs read it */
int *fuse_phases(
    Arena *,
    const Plan *); /* by node id: the phase of the training step in which it runs; -1: before all images */
#endif
