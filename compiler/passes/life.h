/* life.h: Lifetimes of values, for the passes that assign storage. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_LIFE_H
#define CNNC_LIFE_H
#include "passes/layout.h"
#include "passes/plan.h"

typedef struct Life {
  const Node *node;
  Block block; /* the value's lifetime, in indices of kernels */
  int phase, last_phase;
  bool all; /* the values of all images are stored in one array, for example for a batched kernel */
} Life;

const Node *home_of(const Plan *, const Node *); /* the value in whose memory the node's value is stored */
int64_t plan_aligned(int64_t bytes);             /* rounds a size up to the alignment of values */
#endif
