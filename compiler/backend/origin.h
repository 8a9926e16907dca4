/* origin.h: Metadata of a weight file about the net whose weights it has. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ORIGIN_H
#define CNNC_ORIGIN_H
#include <stdbool.h>
#include "base/arena.h"
#include "base/diag.h"
#include "graph/graph.h"

/* Compares the program's labels and normalization with the file's. Reports an error [weights-mismatch] if a
 * name belongs to another class, a warning [label-renamed] if only a name differs, and [other-normalize] if
 * the normalization differs. A program without labels gets the file's names. Called after weights_read. */
bool origin_read(Arena *, Diags *, const char *path, Graph *);
#endif
