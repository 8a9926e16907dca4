/* proposals_sample.h: The training form of proposals. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PROPOSALS_SAMPLE_H
#define CNNC_PROPOSALS_SAMPLE_H
#include "graph/op.h"

Node *proposals_sample(Graph *, Node *); /* returns the same node if there is no detection loss */

#endif
