/* proposals_sample.h: what stands for proposals in training. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PROPOSALS_SAMPLE_H
#define CNNC_PROPOSALS_SAMPLE_H
#include "graph/op.h"

Node *proposals_sample(Graph *, Node *); /* the node itself where no loss looks for objects */

#endif
