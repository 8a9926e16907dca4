/* sema.h: Semantic analysis: from AST to graph. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SEMA_H
#define CNNC_SEMA_H
#include "graph/graph.h"
#include "syntax/ast.h"

typedef struct Define {
  const char *name, *value;
} Define; /* -D NAME=VALUE: replaces a constant of the program's files. If a NAME is given more than once, the
             last VALUE applies */
typedef VEC(Define) Defines;

/* For editors: the result of each call of an operator or block, and the definition of each name, in order of
 * expansion. Calls with errors have a node of POISON shape. */
typedef struct SemaCall {
  Span span;
  const Site *site;
  const char *name; /* name of the layer or block application; may be NULL */
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
const char *const_text(Arena *, const Const *); /* the constant in the syntax of the language */

typedef struct SemaOptions {
  int ndirs;
  const char *const *dirs;  /* -I: directories to search for label files, after the program's directory */
  const char **labels_file; /* set to the path of the label file, for -MD; may be NULL */
  SemaRecord *record;       /* receives the results for editors, or NULL */
  Precision precision;      /* --precision: for layers whose precision the program does not state */
  bool streams;             /* the net is compiled for --stream or --slide */
} SemaOptions;

/* Key i of a train block, with its default and its description; NULL after the last key. */
const struct Param *train_key(int i);

/* The graph of a program. If the program has no net, checks the program's blocks and returns NULL. After
 * errors the graph is incomplete, and failed nodes have POISON shapes. Adds the texts of -D to the sources,
 * so that messages can show them. */
Graph *sema_build(Arena *, Diags *, Sources *, const Ast *, const Define *defines, int ndefines,
                  const SemaOptions *);

/* The name among `names` (NULL-terminated) that a misspelled or foreign word most likely means, or NULL. */
const char *name_meant(Arena *, const char *word, const char *const *names);
#endif
