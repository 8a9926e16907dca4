/* sample.h: what stands for proposals in training. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_DETECTION_SAMPLE_H
#define CNNC_DETECTION_SAMPLE_H
#include "ops/op.h"

Node *sample_train(Graph *, Node *); /* the node itself where no loss looks for objects */

#endif
