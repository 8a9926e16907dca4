/* capacity.h: what a target can address. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CAPACITY_H
#define CNNC_CAPACITY_H
#include "base/diag.h"
#include "emit/emit.h"
#include "graph/graph.h"

/* Whether each object of the generated C, and each array that its caller has, can be there on all targets;
 * reports [too-large] if not. */
bool capacity_check(Arena *, Diags *, const Graph *, const EmitOptions *, const NetSizes *);
#endif
