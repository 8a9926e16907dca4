/* normalize_text.h: Text of the normalize operator of an input. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_GRAPH_NORMALIZE_TEXT_H
#define CNNC_GRAPH_NORMALIZE_TEXT_H
#include "graph/graph.h"

/* The normalize operator that reads an input, with all arguments: "normalize(mean=0, std=1, scale=0.5)".
 * NULL: there is none. */
const char *graph_normalize(Arena *, const Graph *, const Node *input);
#endif
