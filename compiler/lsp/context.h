/* context.h: Syntactic context at the cursor, from the tokens before it, because the surrounding text is
 * often incomplete. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_LSP_CONTEXT_H
#define CNNC_LSP_CONTEXT_H
#include "lsp/lsp.h"

typedef enum Where {
  WHERE_NOWHERE,   /* in a comment, a string, a number or a new name: no completion */
  WHERE_TOP,       /* a declaration may begin */
  WHERE_STATEMENT, /* a statement may begin */
  WHERE_CHAIN,     /* after an arrow: an operator or a block may begin */
  WHERE_START,     /* after NAME =: an operator, a block or a value may begin */
  WHERE_ARGUMENT,  /* an argument may begin */
  WHERE_CHOICE,    /* after ARGUMENT = */
  WHERE_VALUE,     /* in an expression */
  WHERE_MEMBER,    /* after a dot */
  WHERE_TYPE,      /* after the keyword `as` of an input */
  WHERE_OUTPUT,    /* after the keyword `as` of an output */
  WHERE_SETTING,   /* a setting of a train block may begin */
  WHERE_KEY,       /* after SETTING = */
  WHERE_IMPORT,    /* in the path of an import */
} Where;
enum { MOST_GIVEN = 64 };
typedef struct Context {
  Where where;
  const char *word;    /* the text from the start of the word to the cursor */
  uint32_t word_start; /* offset of `word` in the source */
  const char *callee;  /* name of the innermost enclosing call, or NULL */
  const char *name;    /* name of the argument or setting whose value is at the cursor; or NULL */
  const char *path;    /* MEMBER: the text before the dot */
  int commas;          /* number of commas before the cursor in this call */
  const char *given[MOST_GIVEN];
  int ngiven;   /* number of named arguments of this call before the cursor */
  bool chained; /* the call is in a chain: an operator or a block */
} Context;
Context context_at(Arena *, const Document *, uint32_t offset);
#endif
