/* summary.h: Tables and JSON of a graph: shapes, parameters, multiply-adds, receptive fields, memory. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SUMMARY_H
#define CNNC_SUMMARY_H
#include "base/text.h"
#include "graph/graph.h"

typedef struct SummarySizes { /* sizes are in bytes; NAME_bound: lower bound of NAME_bytes */
  int64_t workspace_bytes, workspace_bound;
  int64_t training_bytes, training_bound; /* training_bytes -1: no training */
  int64_t training_most;                  /* limit of --memory in bytes, or 0 */
  int64_t state_bytes;
  double recompute_overhead; /* extra MACs that --memory causes, as a fraction of the step's other MACs */
  const char *bands_to;      /* the last layer in row bands, or NULL */
} SummarySizes;

typedef struct LayerNumbers {
  int64_t parameters, macs, bytes; /* parameters: without those of an earlier layer; bytes: of the value */
  const char *field;               /* the receptive field, as text */
} LayerNumbers;
bool is_layer(const Node *); /* false: input, update of a keep=true layer, conversion to i32 */
LayerNumbers *layer_numbers(Arena *, const Graph *); /* by node id; the graph must have no errors */

void graph_summary(Text *, const Graph *);       /* prints the table */
void graph_memory(Text *, const SummarySizes *); /* prints the sizes, below the table */
/* --emit=json; more: further members of the object, or "". */
void graph_json(Text *, const Sources *, const Graph *, const SummarySizes *, const char *more);
#endif
