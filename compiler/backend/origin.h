/* origin.h: Metadata of a weight file about the net that it was trained for. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ORIGIN_H
#define CNNC_ORIGIN_H
#include <stdbool.h>
#include "base/arena.h"
#include "base/diag.h"
#include "graph/graph.h"

/* Compares the program's labels with the names in the file: [weights-mismatch] if a name belongs to another
 * class, a warning [label-renamed] if only the name differs. A program without labels gets the names as its
 * labels. Another normalization is a warning, too: [other-normalize]. Call it after weights_read. */
bool origin_read(Arena *, Diags *, const char *path, Graph *);
#endif
