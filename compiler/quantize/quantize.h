/* quantize.h: Conversion of a float graph to an int8 graph with a quantized weight file. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_QUANTIZE_H
#define CNNC_QUANTIZE_H
#include "base/diag.h"
#include "base/arrays.h"
#include "graph/graph.h"
#include "quantize/quant_file.h"

/* quantize_graph: the graph in which values with a scale in the file are int8 or int16. Layers whose weights
 * are F32 in the file, and operators without an int8 form, compute in float. Int8 layers contain their
 * weights; float layers have frozen weights with values. NULL after errors: [weights-mismatch] (missing and
 * unsuitable arrays), [int8-overflow], [scale-mismatch], [not-updatable]. Notes: [not-int8] (operators that
 * compute in float), [dead-filters]. */
typedef struct QuantizeOptions {
  bool floats;    /* outputs are float, whatever type the program specifies: executables read floats */
  bool updatable; /* graph->updatable */
  Node **made;    /* NULL, or an array for the result: by float node id, the int8 node */
  /* precision of float nodes for which the program specifies none; PRECISION_GIVEN: as in the file */
  Precision fallback;
} QuantizeOptions;
Graph *quantize_graph(Arena *, Diags *, const Graph *, QuantFile *, const QuantizeOptions *);

/* Whether the node pads rows and columns with zeros, and crops no side. */
bool quantize_is_border(const Node *);

/* Whether the value has regions of boxes, which are computed in float. Regions that are attention heads or
 * windows of one value do not count. boxes: by node id, the results of this function for the operands. */
bool quantize_has_boxes(const Node *, const bool *boxes);

/* An int8 model with the program's operators, for export. The model's int8 values have a Quant; operators
 * without syntax in the language only rescale. The model's weights are floats; the Arrays have the integers
 * and scales, with the names of the file. made: as in QuantizeOptions. */
Graph *quantize_written(Arena *, const Graph *, Node *const *made, const QuantFile *, Arrays *);

/* The graph without dead channels (live_channels.h), with the same results. Returns the graph itself if it is
 * not an int8 model, is updatable, or has no dead channels. */
Graph *drop_idle_channels(Arena *, Graph *);
void note_idle_filters(Arena *, Diags *, const Graph *); /* reports [dead-filters] */
#endif
