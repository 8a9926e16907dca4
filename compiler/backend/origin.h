/* origin.h: metadata of a weight file on the net that it was trained for. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ORIGIN_H
#define CNNC_ORIGIN_H
#include <stdbool.h>
#include "base/arena.h"
#include "base/diag.h"
#include "graph/graph.h"

/* Labels that the program has are held against the names in the file: [weights-mismatch] if one is that of
 * another class, a warning [label-renamed] if it is only another name. A program without labels gets the
 * names as its labels. Another normalization is a warning, too: [other-normalize]. After weights_read. */
bool origin_read(Arena *, Diags *, const char *path, Graph *);
#endif
