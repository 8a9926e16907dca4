/* node_text.h: Text of a node's layer and source line, for comments and reports. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_GRAPH_NODE_TEXT_H
#define CNNC_GRAPH_NODE_TEXT_H
#include "base/diag.h"
#include "graph/graph.h"

/* "conv1, line 14: conv(6, 5x5)". The operator precedes the text of a node with an origin: "conv input
 * gradient of conv1, ...". */
const char *layer_text(Arena *, const Sources *, const Node *);
#endif
