/* proposals_sample.h: The training form of proposals: ground-truth boxes and sampled proposals. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PROPOSALS_SAMPLE_H
#define CNNC_PROPOSALS_SAMPLE_H
#include "graph/op.h"

Node *proposals_sample(Graph *, Node *); /* returns the node that replaces the given node in training, or the
                                            given node if there is no detection loss */

#endif
