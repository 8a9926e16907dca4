/* quantize.h: a net of floats and a file of scales become a net of 8 bits. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_QUANTIZE_H
#define CNNC_QUANTIZE_H
#include "base/diag.h"
#include "graph/graph.h"
#include "quantize/file.h"

/* The graph that computes with 8 bits what the file has scales for; it has no weights, its layers hold them.
 * NULL after errors: [weights-mismatch] lists what the file lacks and what does not fit, [int8-overflow] sums
 * that 32 bits cannot hold, [scale-mismatch] scales that do not go together. [not-int8] notes what stays in
 * floats. */
Graph *quantize_graph(Arena *, Diags *, const Graph *, QuantFile *);
#endif
