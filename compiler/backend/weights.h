/* weights.h: Reader of a net's parameters from a .safetensors, .npz or PyTorch file (--weights). */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_WEIGHTS_H
#define CNNC_WEIGHTS_H
#include <stdbool.h>
#include "base/arena.h"
#include "base/diag.h"
#include "base/text.h"
#include "graph/graph.h"

/* A weight file, and how its arrays are matched with parameters. */
typedef struct WeightsSource {
  const char *path;
  const char *prefix; /* prefix to remove from array names (arrays without it are ignored), or NULL */
  const char *rename; /* file with renaming rules, or NULL */
  Text *order; /* NULL: match by name; otherwise match by order, and write the renaming rules to this text */
} WeightsSource;

/* Fills out[graph->parameters], in the layout of the weights struct. graph_layout_weights must be called
 * first, and `out` must be zero: optional parameters may be missing in the file. False after an error:
 * [weights-mismatch] if names or shapes differ, [weights-file] if the file is not readable or contains a
 * number that is not finite. */
bool weights_read(Arena *, Diags *, const WeightsSource *, const Graph *, float *out);

/* The file's name in an argument of --weights: the part before ":KEY". */
const char *weights_file(Arena *, const char *weights);
#endif
