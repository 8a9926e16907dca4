/* sema.h: from a program to a graph: constants, blocks and repeats expanded, arguments bound, layers named,
 * shapes checked, the train block read. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SEMA_H
#define CNNC_SEMA_H
#include "graph/graph.h"
#include "syntax/ast.h"

typedef struct Define {
  const char *name, *value;
} Define; /* -D NAME=VALUE: instead of the expression of a file's constant; the last of a name counts */
typedef VEC(Define) Defines;

/* For editors: what each call of an operator or a block gave, and what each name stood for, one by one as the
 * program is written out. Calls that gave nothing, for there was an error, have a node of POISON shape. */
typedef struct SemaCall {
  Span span;
  const Site *site;
  const char *name; /* of the layer, or of the application of the block; may be NULL */
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
  const char *const *dirs;  /* -I: where a file of labels is looked up, after the directory of the program */
  const char **labels_file; /* set to the path of the file of labels that was read, for -MD; may be NULL */
  SemaRecord *record;       /* to be filled, or NULL */
} SemaOptions;

/* The keys of a train block, one by one, with their defaults and what they are; NULL behind the last. */
const struct Param *train_key(int i);

/* The net of a program. NULL only if it has none: then its blocks are checked by themselves, and it can only
 * be imported. After errors the graph is incomplete: nodes that could not be made have POISON shapes. Texts
 * of -D become sources of their own, so that messages can show them. */
Graph *sema_build(Arena *, Diags *, Sources *, const Ast *, const Define *defines, int ndefines,
                  const SemaOptions *);

/* The name among `names` (NULL-terminated) that a word most likely means: misspelt, or of another framework.
 */
const char *name_meant(Arena *, const char *word, const char *const *names);
#endif
