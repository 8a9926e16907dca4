/* node_text.h: Text of the layer that a node belongs to. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_GRAPH_NODE_TEXT_H
#define CNNC_GRAPH_NODE_TEXT_H
#include "base/diag.h"
#include "graph/graph.h"
const char *layer_text(Arena *, const Sources *, const Node *); /* "conv1, line 14: conv(6, 5x5)" */
#endif
