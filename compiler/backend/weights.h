/* weights.h: --weights: the parameters of a net from a .safetensors or .npz file, or one of PyTorch. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_WEIGHTS_H
#define CNNC_WEIGHTS_H
#include <stdbool.h>
#include "base/arena.h"
#include "base/diag.h"
#include "graph/graph.h"

/* Fills out[graph->parameters], laid out as the weights struct (after graph_layout_weights). Every name and
 * shape must be the net's: otherwise false, and one [weights-mismatch] that lists each difference;
 * [weights-file] if the file cannot be read. `prefix`, which may be NULL, is left out of the file's names;
 * names without it do not count. */
bool weights_read(Arena *, Diags *, const char *path, const char *prefix, const Graph *, float *out);

/* The file's name in what --weights says: what is before ":KEY". */
const char *weights_file(Arena *, const char *weights);
#endif
