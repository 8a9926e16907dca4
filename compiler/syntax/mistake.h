/* mistake.h: what the two files about syntax errors share. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_MISTAKE_H
#define CNNC_MISTAKE_H
#include "syntax/parse.h"

/* The tokens that could stand there, and what a set of them means. */
typedef struct Expected {
  int n;
  const char *const *name;
  bool value;     /* any expression */
  bool operators; /* what goes on with an expression */
  bool any_word;  /* the name of an argument or a net, which may be a keyword */
  bool statement;
  bool chain; /* what begins one */
  bool file;  /* a declaration */
} Expected;

bool expects(const Expected *, const char *token);                        /* as parser.y names it */
bool is_assigned(const Parser *, Span);                                   /* an '=' follows */
void syntax_advise(const Parser *, Diag *, Span found, const Expected *); /* what helps, and its fix */
void keyword_advise(const Parser *, Diag *, Span keyword); /* of a keyword that an '=' follows */
bool is_stray_comma(const Parser *, const Expected *);     /* between or behind statements */
#endif
