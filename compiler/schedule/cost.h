/* cost.h: what a kernel will take, in cycles of one core: to rank schedules of the same layer. Everything here depends on the shape and the
 * lanes of the packed layout alone, so that all targets of a file choose alike. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_COST_H
#define CNNC_COST_H
#include "ops/correlation.h"

double cost_direct(const Correlation *, int lanes);
double cost_winograd(const Correlation *, int m, int lanes); /* F(m x m, r x r), r x r the kernel */
#endif
