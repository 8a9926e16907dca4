/* context.h: Syntactic context at the cursor, from the tokens before it: the text around it is seldom
 * complete. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_LSP_CONTEXT_H
#define CNNC_LSP_CONTEXT_H
#include "lsp/lsp.h"

typedef enum Where {
  WHERE_NOWHERE,   /* a comment, a string, a new name */
  WHERE_TOP,       /* a declaration may begin */
  WHERE_STATEMENT, /* a statement may begin */
  WHERE_CHAIN,     /* after an arrow: an operator or a block */
  WHERE_START,     /* behind NAME =: a value, too */
  WHERE_ARGUMENT,  /* an argument may begin */
  WHERE_CHOICE,    /* behind ARGUMENT = */
  WHERE_VALUE,     /* in an expression */
  WHERE_MEMBER,    /* after a dot */
  WHERE_TYPE,      /* behind as */
  WHERE_SETTING,   /* in a train block a setting may begin */
  WHERE_KEY,       /* behind SETTING = */
  WHERE_IMPORT,    /* in the path of an import */
} Where;
enum { MOST_GIVEN = 64 };
typedef struct Context {
  Where where;
  const char *word;    /* what of it is written */
  uint32_t word_start; /* in the source, as offset */
  const char *callee;  /* of the innermost call around, or NULL */
  const char *name;    /* of the argument, or of the setting */
  const char *path;    /* MEMBER: the text before the dot */
  int commas;          /* before the cursor in this call */
  const char *given[MOST_GIVEN];
  int ngiven;   /* arguments that have their names there */
  bool chained; /* the call is in a chain: an operator or a block */
} Context;
Context context_at(Arena *, const Document *, uint32_t offset);
#endif
