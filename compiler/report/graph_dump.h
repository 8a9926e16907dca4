/* graph_dump.h: Graph as text, for --emit=graph. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_DUMP_H
#define CNNC_DUMP_H
#include "base/text.h"
#include "graph/graph.h"
void graph_dump(Text *, const Graph *);
/* Parts of this text, for plan_dump: */
void graph_dump_head(Text *, const Graph *);
void graph_dump_node(Text *, const Graph *, const Node *); /* without the newline */
void graph_dump_outputs(Text *, const Graph *);
#endif
