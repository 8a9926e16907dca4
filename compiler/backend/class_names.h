/* class_names.h: the names of the classes that a file of weights knows. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CLASS_NAMES_H
#define CNNC_CLASS_NAMES_H
#include <stdbool.h>
#include "base/arena.h"
#include "base/diag.h"
#include "graph/graph.h"

/* Labels that the program has are held against the names in the file: [weights-mismatch] if one is that of another class, a warning
 * [label-renamed] if it is only another name. A program without labels gets the names as its labels. After weights_read. */
bool class_names_read(Arena *, Diags *, const char *path, Graph *);
#endif
