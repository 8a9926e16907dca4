/* origin.h: Comparison of a program with a weight file's metadata (class names, input normalization). */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ORIGIN_H
#define CNNC_ORIGIN_H
#include <stdbool.h>
#include "base/arena.h"
#include "base/diag.h"
#include "graph/graph.h"

/* Compares the labels and the normalization of the program with those in the file. Error [weights-mismatch]:
 * a name in the file is the label of another class. Warning [label-renamed]: names differ from the labels,
 * but no name is the label of another class. Warning [other-normalize]: the normalization differs. A program
 * without labels gets the file's names. Must be called after weights_read. False after
 * an error. */
bool origin_read(Arena *, Diags *, const char *path, Graph *);
#endif
