/* summary.h: Properties of a net before its compilation: layers, shapes, parameters, multiply-adds,
 * receptive fields. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SUMMARY_H
#define CNNC_SUMMARY_H
#include "base/text.h"
#include "graph/graph.h"

typedef struct SummarySizes {
  int64_t workspace_bytes, workspace_bound, training_bytes, training_bound, training_most;
  int64_t state_bytes; /* 0: nothing is kept between calls */
  double again;
  const char *bands_to;
} SummarySizes;
/* of the plan; bands_to: the layer up to which inference goes band by band, or NULL; bound: the least
 * possible; training_bytes -1: no training; training_most: what --memory allows, or 0; again: multiply-adds
 * that it costs, as a part of those of a step */

/* A layer's row of the table. */
typedef struct LayerFacts {
  int64_t parameters, macs, bytes; /* parameters: of those that it has first */
  const char *field;               /* the receptive field, as text */
} LayerFacts;
LayerFacts *graph_facts(Arena *, const Graph *); /* by node id; of a graph without errors */

void graph_summary(Text *, const Graph *);       /* the table that is printed */
void graph_memory(Text *, const SummarySizes *); /* the lines below it */
/* --emit=json: the same data; more: further members of the object, or "". */
void graph_json(Text *, const Sources *, const Graph *, const SummarySizes *, const char *more);
#endif
