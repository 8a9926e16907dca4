/* quantize.h: a net of floats and a file of scales become a net of 8 bits. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_QUANTIZE_H
#define CNNC_QUANTIZE_H
#include "base/diag.h"
#include "base/arrays.h"
#include "graph/graph.h"
#include "quantize/quant_file.h"

/* The graph that computes with 8 bits what the file has scales for. Its layers hold their weights; those of
 * floats are its weights, frozen, with their values.
 * NULL after errors: [weights-mismatch] lists what the file lacks and what does not fit, [int8-overflow] sums
 * that 32 bits cannot hold, [scale-mismatch] scales that do not go together. [not-int8] notes what stays in
 * floats, [dead-filters] filters that do nothing. Weights that are F32 in the file make their layer one of
 * floats.
 */
typedef struct QuantizeOptions {
  bool floats;    /* outputs are floats, whatever the program says: what the runtime takes */
  bool updatable; /* graph->updatable */
  Node **made;    /* NULL, or set: by node id of the net of floats, what has its value */
} QuantizeOptions;
Graph *quantize_graph(Arena *, Diags *, const Graph *, QuantFile *, const QuantizeOptions *);

/* A net of 8 bits in the operators of the program, which other formats have, too. Its values that are stored
 * in 8 bits have a Quant, also behind operators that are none of the program: these give their operand
 * another scale. Its weights hold floats; the whole numbers that these stand for, and their scales, are in
 * the arrays, under the names of the file. `made`: as QuantizeOptions has it. */
Graph *quantize_written(Arena *, const Graph *, Node *const *made, const QuantFile *, Arrays *);

/* The net without channels that are constant, or that nobody reads: the same numbers, of fewer weights. What
 * is no net of 8 bits, or has none of these, is given back. */
Graph *drop_idle_channels(Arena *, Graph *);
void note_idle_filters(Arena *, Diags *, const Graph *); /* [dead-filters] */
#endif
