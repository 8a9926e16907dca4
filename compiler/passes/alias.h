/* alias.h: Aliases: values in the memory of other values, such as slices and the inputs of a concat. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PASSES_ALIAS_H
#define CNNC_PASSES_ALIAS_H
#include "passes/plan.h"

/* Runs before fusion. Sets plan->inside and plan->home, so that producers write directly into a concat's
 * value, and slices need no copy. Adds nodes that copy those inputs of a concat that cannot be aliases. */
void place_values(Arena *, Plan *);
#endif
