/* fuse.h: Fusion of nodes into kernels. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FUSE_H
#define CNNC_FUSE_H
#include "kernel/lower.h"
#include "passes/plan.h"

/* Fills plan->kernels, in execution order, and sets their phases. Each live node becomes the root of a kernel
 * or a part of another kernel. Exceptions: aliases, values that need no kernel (Inside.done), nodes that are
 * folded into the weights of a layer, and values that are read from the caller's buffer. */
void fuse_kernels(Arena *, Plan *, const PlanOptions *);
int *fuse_uses(Arena *, const Plan *); /* by node id: number of uses (graph_live); losses are roots */
int *fuse_phases(Arena *,
                 const Plan *); /* by node id: the node's phase of the training step; -1: before all images */
#endif
