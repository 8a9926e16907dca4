/* quantize.h: Conversion of a float net and a scale file to an int8 model. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_QUANTIZE_H
#define CNNC_QUANTIZE_H
#include "base/diag.h"
#include "base/arrays.h"
#include "graph/graph.h"
#include "quantize/quant_file.h"

/* The graph that computes in int8 wherever the file has scales. Its layers contain their weights; float
 * layers have weights of the graph, frozen, with values. NULL after errors: [weights-mismatch] lists
 * missing and unsuitable arrays, [int8-overflow] sums beyond 32 bits, [scale-mismatch] incompatible
 * scales. [not-int8] notes layers that stay float, [dead-filters] filters that do nothing. F32 weights in
 * the file make their layer float. */
typedef struct QuantizeOptions {
  bool floats;    /* float outputs, regardless of the program, for the runtime */
  bool updatable; /* graph->updatable */
  Node **made;    /* NULL, or set: by node id of the float net, the corresponding node */
} QuantizeOptions;
Graph *quantize_graph(Arena *, Diags *, const Graph *, QuantFile *, const QuantizeOptions *);

/* An int8 model with the program's operators, for export to other formats. Its int8 values have a Quant,
 * including those of unnamed operators, which only rescale their operand. Its weights contain floats; the
 * corresponding integers and their scales are in the arrays, under the names of the file. `made`: as in
 * QuantizeOptions. */
Graph *quantize_written(Arena *, const Graph *, Node *const *made, const QuantFile *, Arrays *);

/* The net without constant and unused channels: the same results with fewer weights. Returns the graph
 * itself if it is not an int8 model, or has no such channels. */
Graph *drop_idle_channels(Arena *, Graph *);
void note_idle_filters(Arena *, Diags *, const Graph *); /* [dead-filters] */
#endif
