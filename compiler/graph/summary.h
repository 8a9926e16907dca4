/* summary.h: what is known of a net before it is compiled: layers, shapes, parameters, multiply-adds,
 * receptive fields. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SUMMARY_H
#define CNNC_SUMMARY_H
#include "base/text.h"
#include "graph/graph.h"

typedef struct SummarySizes {
  int64_t workspace_bytes, workspace_bound, training_bytes, training_bound, training_most;
  double again;
} SummarySizes;
/* of the plan; bound: the least possible; training_bytes -1: no training; training_most: what --memory
 * allows, or 0; again: multiply-adds that it costs, as a part of those of a step */

void graph_summary(Text *, const Graph *);       /* the table that is printed */
void graph_memory(Text *, const SummarySizes *); /* the lines below it */
void graph_json(Text *, const Sources *, const Graph *,
                const SummarySizes *); /* --emit=json: the same facts */
#endif
