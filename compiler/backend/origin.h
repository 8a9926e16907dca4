/* origin.h: Metadata of a weight file about the net whose weights it has. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ORIGIN_H
#define CNNC_ORIGIN_H
#include <stdbool.h>
#include "base/arena.h"
#include "base/diag.h"
#include "graph/graph.h"

/* Compares the program's labels and normalization with the file's labels and normalization: error
 * [weights-mismatch] if a name belongs to another class, warnings [label-renamed] if only a name differs, and
 * [other-normalize]. A program without labels gets the names in the file. To be called after weights_read. */
bool origin_read(Arena *, Diags *, const char *path, Graph *);
#endif
