/* ast.h: Abstract syntax tree. Names are unresolved: text with a span. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_AST_H
#define CNNC_AST_H
#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/diag.h"

/* Maximum bytes of a name or a label. C compilers need not support strings of more than 4095 characters, and
 * a byte may need four characters (an octal escape). */
enum { MOST_NAME = 1000 };
typedef struct Ident {
  const char *s;
  Span span;
} Ident; /* zero-terminated, in the arena */

/* ---- expressions ---- */
typedef enum ExprKind {
  EXPR_INT,
  EXPR_FLOAT,
  EXPR_STRING,
  EXPR_BOOL,
  EXPR_DIMS,        /* 5x5: list of EXPR_INT */
  EXPR_LIST,        /* [a, b] */
  EXPR_PATH,        /* a name, a.b.c, `in`, in.channels; a single word may be a choice */
  EXPR_CALL,        /* normal(0.02), min(a, b) */
  EXPR_INDEX,       /* list[i]: a, b */
  EXPR_UNARY,       /* - not: a */
  EXPR_BINARY,      /* a op b */
  EXPR_RANGE,       /* lo..hi: a, b; lo..: b is NULL */
  EXPR_CONDITIONAL, /* a ? b : c */
  EXPR_POISON,      /* a syntax or lexical error was reported here */
} ExprKind;
typedef enum Operator {
  OP_OR,
  OP_AND,
  OP_NOT,
  OP_EQ,
  OP_NE,
  OP_LT,
  OP_LE,
  OP_GT,
  OP_GE,
  OP_PLUS,
  OP_MINUS,
  OP_TIMES,
  OP_DIVIDE,
  OP_MODULO,
  OP_POWER,
  OP_NEGATE
} Operator;

typedef struct Expr Expr;
typedef struct Argument {
  Ident name;
  const Expr *value;
  Span span;
} Argument; /* name.s NULL: positional */
typedef struct Arguments {
  int n;
  const Argument *list;
  Span span;
  bool given;
} Arguments; /* given: the call has parentheses in the source */
struct Expr {
  ExprKind kind;
  Span span;
  int64_t i; /* EXPR_INT, EXPR_BOOL */
  double f;  /* EXPR_FLOAT */
  const char *s;
  size_t length; /* EXPR_STRING: unescaped */
  Operator op;
  Span op_span;
  const Expr *a, *b, *c;
  int n;
  const Expr *const *items; /* EXPR_DIMS, EXPR_LIST */
  int nparts;
  const Ident *part; /* EXPR_PATH: its names; `in` is the name "in" */
  Ident callee;
  Arguments args; /* EXPR_CALL */
  int depth;      /* height of the tree, at most AST_DEEPEST, so that recursion is safe */
};
enum { AST_DEEPEST = 1000 };

/* ---- statements ---- */
/* A single word at the start of a chain is call[0] without arguments. Later, sema/ decides whether the word
 * is a value, as in `x -> relu`, or an operator, as in `relu -> tanh`. `in`, `in.a` and `a.b` at the start of
 * a chain are stored in Stmt.head. */
typedef struct Call {
  Ident name;
  Arguments args;
  Span span;
} Call; /* application of an operator or a block */
typedef struct Body Body;
typedef enum StmtKind {
  STMT_CHAIN,
  STMT_CONST,
  STMT_REPEAT,
  STMT_IF,
  STMT_INPUT,
  STMT_OUTPUT,
  STMT_LABELS,
  STMT_TRAIN
} StmtKind;
typedef struct OutputItem {
  Ident name;
  const Expr *value;
  Ident type; /* .s NULL: not given */
  Span span;
} OutputItem; /* value: an EXPR_PATH; NULL: the value called `name` */
typedef struct Stmt {
  StmtKind kind;
  Span span;
  Ident
      name; /* STMT_CHAIN: `x =` (s NULL: none); STMT_CONST; STMT_INPUT; STMT_REPEAT: `as i` (s NULL: none) */
  const Expr *head; /* STMT_CHAIN: the EXPR_PATH at the start of the chain, or NULL */
  int ncalls;
  const Call *call;  /* STMT_CHAIN */
  const Expr *value; /* STMT_CONST; STMT_REPEAT: count; STMT_IF: condition; STMT_INPUT: shape; STMT_LABELS:
                        list or string */
  const Body *body, *otherwise; /* STMT_REPEAT, STMT_IF; `else if` is a body with one STMT_IF */
  Ident type;
  Arguments args; /* STMT_INPUT: type: the word after `as` (s NULL: none); args: such as (layout=chw) */
  int noutputs;
  const OutputItem *output; /* STMT_OUTPUT */
  Arguments settings;       /* STMT_TRAIN: NAME = expr, in order */
} Stmt;
struct Body {
  int n;
  const Stmt *const *stmt;
  Span span;
};

/* ---- files ---- */
typedef struct Parameter {
  Ident name;
  const Expr *value;
} Parameter; /* value NULL: required */
typedef struct Block {
  Ident name;
  int nparams;
  const Parameter *param;
  const Body *body;
  Span span;
} Block;
typedef struct Import {
  const char *path;
  Span span;
  struct File *file;
} Import; /* file: set by imports.c */
typedef struct NetDecl {
  Ident name;
  Arguments args; /* precision= */
  const Body *body;
  Span span;
} NetDecl;
typedef enum DeclKind { DECL_IMPORT, DECL_CONST, DECL_BLOCK, DECL_NET } DeclKind;
typedef struct Decl {
  DeclKind kind;
  Span span;
  Import *import;
  const Stmt *constant;
  const Block *block;
  const NetDecl *net;
} Decl;
typedef struct File {
  const char *path;
  uint32_t source;
  int n;
  const Decl *const *decl;
  bool found_by_option; /* the file is in a directory of -I, is a file of cnnc, or is imported by such a
                           file */
} File;

/* ---- functions ---- */
/* A token of the lexer. A line end that ends a statement is an empty token. */
typedef struct Token {
  int kind; /* a token of parser.h */
  Span span;
} Token;
typedef VEC(Token) Tokens;

File *parse_file(Arena *, Diags *, const Sources *,
                 uint32_t source); /* records errors; returns everything that could be parsed */
File *parse_tokens(Arena *, Diags *, const Sources *, uint32_t source,
                   Tokens *tokens); /* stores the tokens, too */
/* Reads `path` and its imports, each file once, depth first. Imports are searched relative to the importing
 * file, then in the -I directories, then among cnnc's own files. Reports import cycles and unreadable files.
 * NULL if the main file cannot be read; `files`: all files, imports before importers. */
typedef struct Ast {
  VEC(File *) files;
  File *main;
} Ast;
Ast *program_read(Arena *, Diags *, Sources *, const char *path, int ndirs, const char *const *dirs);
/* Unsaved texts in an editor, which replace files. */
typedef struct OpenTexts {
  /* returns the text, or NULL to use the file itself */
  const char *(*find)(void *context, const char *identity, size_t *n);
  void *context;
} OpenTexts;
/* Like program_read, for a text in memory; `open` may be NULL. */
Ast *program_of(Arena *, Diags *, Sources *, const char *path, const char *text, size_t n, int ndirs,
                const char *const *dirs, const OpenTexts *open);
struct Text;
void ast_dump(struct Text *, const Ast *); /* --emit=ast */
#endif
