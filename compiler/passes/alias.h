/* alias.h: Values that are parts of others: inputs of a concat, slices. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PASSES_ALIAS_H
#define CNNC_PASSES_ALIAS_H
#include "passes/plan.h"

/* Before kernels are made: sets plan->inside and plan->home, so that producers write
 * straight into a concat's value and a slice is read where it is. Inputs of a concat that cannot lie there
 * get a node that copies them. */
void place_values(Arena *, Plan *);
#endif
