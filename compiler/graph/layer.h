/* layer.h: the layer that a node belongs to, in words. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_LAYER_H
#define CNNC_LAYER_H
#include "base/diag.h"
#include "graph/graph.h"
const char *layer_text(Arena *, const Sources *, const Node *); /* "conv1, line 14: conv(6, 5x5)" */
#endif
