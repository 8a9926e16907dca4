/* weights.h: --weights: the parameters of a net from a .safetensors, .npz or PyTorch file. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_WEIGHTS_H
#define CNNC_WEIGHTS_H
#include <stdbool.h>
#include "base/arena.h"
#include "base/diag.h"
#include "base/text.h"
#include "graph/graph.h"

/* A file, and how its arrays are matched. */
typedef struct WeightsWay {
  const char *path;
  const char *prefix; /* removed from the file's names; names without it are ignored; or NULL */
  const char *rename; /* a file with renaming rules for its arrays; or NULL */
  Text *order; /* NULL: match by name; otherwise by order, and it gets the lines that would rename them */
} WeightsWay;

/* Fills out[graph->parameters], laid out as the weights struct (after graph_layout_weights). Every name and
 * shape must match the net: otherwise false, with one [weights-mismatch] that lists each difference;
 * [weights-file] if the file cannot be read. */
bool weights_read(Arena *, Diags *, const WeightsWay *, const Graph *, float *out);

/* The file's name in an argument of --weights: the part before ":KEY". */
const char *weights_file(Arena *, const char *weights);
#endif
