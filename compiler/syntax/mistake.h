/* mistake.h: Syntax errors: interface between mistake.c (messages) and advice.c (help). */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_MISTAKE_H
#define CNNC_MISTAKE_H
#include "syntax/parse.h"

/* The tokens expected at an error, and flags for the constructs that they may begin. */
typedef struct Expected {
  int n;
  const char *const *name;
  bool value;     /* any expression */
  bool operators; /* operators that continue an expression */
  bool any_word;  /* the name of an argument or a net, which may be a keyword */
  bool statement;
  bool chain; /* tokens that begin a chain */
  bool file;  /* a declaration */
} Expected;

bool expects(const Expected *, const char *token);                        /* token: its name in parser.y */
bool is_assigned(const Parser *, Span);                                   /* whether '=' follows the span */
void syntax_advise(const Parser *, Diag *, Span found, const Expected *); /* adds a hint, often with a fix */
void keyword_advise(const Parser *, Diag *, Span keyword); /* adds a hint about a keyword before an '=' */
bool is_stray_comma(const Parser *, const Expected *);     /* whether the token is a comma between or after
                                                              statements */
#endif
