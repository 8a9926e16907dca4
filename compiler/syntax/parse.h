/* parse.h: Interface between lexer, parser and AST builder: parser state, literals, nodes, errors. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PARSE_H
#define CNNC_PARSE_H
#include "syntax/ast.h"

enum { DEEPEST_NESTING = 200 };

typedef struct Opening {
  Span span;
  char kind;
} Opening; /* an open ( [ or {; kind 0: none */

typedef struct Parser {
  Arena *arena;
  Diags *diags;
  const Sources *sources;
  const Source *text;
  uint32_t source; /* id of the source, for spans */
  /* the lexer */
  void *scanner;
  uint32_t at; /* offset of the next byte */
  bool ended, given_up;
  bool outside;            /* text outside of declarations was reported since the last declaration */
  int token, before_token; /* the last token that the grammar got, and the token before it */
  Span last, before;       /* locations of these two tokens */
  Tokens *tokens;          /* all tokens if they were requested, or NULL */
  Span foreign;            /* location of the last bad number or FOREIGN symbol (lexer.l) that was reported */
  Opening open[DEEPEST_NESTING];
  int depth;
  Opening dangling; /* a ( or [ that was still open at a brace, and was closed there */
  Opening suspect;  /* the first { whose } has another indentation: if the file ends without a }, the } of
                       this { is probably missing */
  /* the tree */
  VEC(const Decl *) decls;
  const NetDecl *net;
} Parser;

/* Lists under construction; the tree keeps their data. */
typedef struct ExprList {
  VEC(const Expr *) v;
} ExprList;
typedef struct ArgumentList {
  VEC(Argument) v;
} ArgumentList;
typedef struct NameList {
  VEC(Ident) v;
} NameList;
typedef struct ParameterList {
  VEC(Parameter) v;
} ParameterList;
typedef struct OutputList {
  VEC(OutputItem) v;
} OutputList;
typedef struct StmtList {
  VEC(const Stmt *) v;
} StmtList;
typedef struct Chain {
  const Expr *head;
  VEC(Call) v;
} Chain;

/* ---- grammar/ ---- */
bool parser_run(Parser *);

/* ---- brackets (parse.c) ---- */
/* Reports brackets that are nested too deeply; false: skip the rest of the file. */
bool bracket_open(Parser *, Span, char kind);
void bracket_close(Parser *, Span, char kind);
bool bracket_is_open(const Parser *); /* whether the innermost open bracket is ( or [ */
/* After a syntax error: forgets open ( and [, so that newlines end statements again. */
void brackets_drop(Parser *);

/* ---- literals (literal.c) ---- */
const Expr *literal_integer(Parser *, const char *digits, Span);
const Expr *literal_float(Parser *, const char *digits, Span);
const Expr *literal_dims(Parser *, const char *digits, Span);
const Expr *literal_bad(Parser *, const char *word, Span); /* reports digits that are not a number */
const Expr *literal_string(Parser *, Span with_quotes);
const Expr *literal_single_quoted(Parser *, Span with_quotes); /* reports the quotes, but accepts the
                                                                  string */
void literal_unterminated(Parser *, Span);

/* ---- nodes (ast_build.c) ---- */
Ident ident_qualified(const Parser *, Span first, Span last); /* a.b.c as one name */
Expr *expr_new(Parser *, ExprKind, Span);
const Expr *expr_poison(Parser *, Span);
const Expr *expr_bool(Parser *, Span, bool);
const Expr *expr_list(Parser *, Span, const ExprList *);
const Expr *expr_path(Parser *, Span, const NameList *);
const Expr *expr_word(Parser *, Ident);
const Expr *expr_call(Parser *, Span, Ident, Arguments);
const Expr *expr_index(Parser *, Span, const Expr *list, const Expr *index);
const Expr *expr_unary(Parser *, Span, Operator, Span op_span, const Expr *);
const Expr *expr_binary(Parser *, Span, Operator, Span op_span, const Expr *, const Expr *);
const Expr *expr_range(Parser *, Span, Span op_span, const Expr *low, const Expr *high);
const Expr *expr_conditional(Parser *, Span, const Expr *condition, const Expr *yes, const Expr *no);
Arguments arguments_make(Parser *, Span,
                         const ArgumentList *); /* reports positional arguments after named ones */
Stmt *stmt_new(Parser *, StmtKind, Span);
const Body *body_make(Parser *, Span, const StmtList *);
const Body *body_inner(Parser *, const Body *,
                       const char *where); /* reports statements that are only permitted directly in a net */
void decl_add(Parser *, DeclKind, Span, Import *, const Stmt *constant, const Block *, const NetDecl *);
void net_add(Parser *, Span, Ident name, const Arguments *, const Body *);
void train_misplaced(Parser *, Span);                         /* reports a train block outside the net */
const Stmt *stmt_misplaced(Parser *, Span, const char *what); /* reports a net or block inside another net or
                                                                 block */

/* ---- mistakes (mistake.c) ---- */
void syntax_mistake(Parser *, Span, int n,
                    const char *const *expected); /* expected: tokens as parser.y names them */
void word_report(Parser *, Span);                 /* reports letters that are not permitted in names */
void character_report(Parser *, Span);            /* reports a character without a meaning */
#endif
