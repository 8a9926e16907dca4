/* dump.h: a graph as text, for --emit=graph. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_DUMP_H
#define CNNC_DUMP_H
#include "base/text.h"
#include "graph/graph.h"
void graph_dump(Text *, const Graph *);
#endif
