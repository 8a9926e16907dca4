/* sema.h: Semantic analysis, from a program to a graph: expands constants, blocks and repeats, binds
 * arguments, names layers, checks shapes, reads the train block. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SEMA_H
#define CNNC_SEMA_H
#include "graph/graph.h"
#include "syntax/ast.h"

typedef struct Define {
  const char *name, *value;
} Define; /* -D NAME=VALUE: replaces the expression of a file's constant; the last one of a name counts */
typedef VEC(Define) Defines;

/* For editors: the result of each call of an operator or a block, and the meaning of each name, in order
 * of expansion. Calls with errors have a node of POISON shape. */
typedef struct SemaCall {
  Span span;
  const Site *site;
  const char *name; /* of the layer, or of the block application; may be NULL */
  const Node *node;
} SemaCall;
typedef struct SemaName {
  Span span;
  const Site *site;
  Const value;
} SemaName;
typedef struct SemaRecord {
  VEC(SemaCall) calls;
  VEC(SemaName) names;
} SemaRecord;
const char *const_text(Arena *, const Const *); /* as written in the language */

typedef struct SemaOptions {
  int ndirs;
  const char *const *dirs;  /* -I: where label files are searched, after the directory of the program */
  const char **labels_file; /* set to the path of the label file, for -MD; may be NULL */
  SemaRecord *record;       /* to be filled, or NULL */
} SemaOptions;

/* The keys of a train block in order, with defaults and descriptions; NULL after the last. */
const struct Param *train_key(int i);

/* The net of a program. NULL only if it has none: then its blocks are checked on their own, and it can
 * only be imported. After errors the graph is incomplete: failed nodes have POISON shapes. Texts of -D
 * become separate sources, so that messages can show them. */
Graph *sema_build(Arena *, Diags *, Sources *, const Ast *, const Define *defines, int ndefines,
                  const SemaOptions *);

/* The name among `names` (NULL-terminated) that a word most likely means: a misspelling, or the name in
 * another framework. */
const char *name_meant(Arena *, const char *word, const char *const *names);
#endif
