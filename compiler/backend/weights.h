/* weights.h: --weights: the parameters of a net from a .safetensors or .npz file, or one of PyTorch. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_WEIGHTS_H
#define CNNC_WEIGHTS_H
#include <stdbool.h>
#include "base/arena.h"
#include "base/diag.h"
#include "base/text.h"
#include "graph/graph.h"

/* A file, and how its arrays are found. */
typedef struct WeightsWay {
  const char *path;
  const char *prefix; /* left out of the file's names, and names without it do not count; or NULL */
  const char *rename; /* a file of other names for its arrays; or NULL */
  Text *order;        /* NULL: by name; else in their order, and it gets the lines that would rename them */
} WeightsWay;

/* Fills out[graph->parameters], laid out as the weights struct (after graph_layout_weights). Every name and
 * shape must be the net's: otherwise false, and one [weights-mismatch] that lists each difference;
 * [weights-file] if the file cannot be read. */
bool weights_read(Arena *, Diags *, const WeightsWay *, const Graph *, float *out);

/* The file's name in an argument of --weights: the part before ":KEY". */
const char *weights_file(Arena *, const char *weights);
#endif
