/* dot.h: Graph in Graphviz format. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_DOT_H
#define CNNC_DOT_H
#include "base/text.h"
#include "graph/graph.h"
void graph_dot(Text *, const Graph *); /* --emit=dot */
#endif
