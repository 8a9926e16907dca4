/* ast_build.c: Constructors of AST nodes, with checks that the grammar cannot express. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "syntax/parse.h"

Ident ident_qualified(const Parser *p, Span first, Span last) {
  return (Ident){arena_copy(p->arena, p->text->text + first.start, last.end - first.start),
                 {first.file, first.start, last.end}};
}

/* ---- expressions ---- */

Expr *expr_new(Parser *p, ExprKind kind, Span span) {
  Expr *e = NEW(p->arena, Expr);
  e->kind = kind;
  e->span = span;
  e->depth = 1;
  return e;
}

const Expr *expr_poison(Parser *p, Span span) { return expr_new(p, EXPR_POISON, span); }

/* Sets the depth of `e`, given the depth of its deepest child, `below`. A tree that is too deep for recursion
 * is an error, and is replaced with poison. */
static const Expr *grown(Parser *p, Expr *e, int below) {
  e->depth = below + 1;
  if (e->depth <= AST_DEEPEST) return e;
  if (below == AST_DEEPEST)
    diag_report(p->diags, DIAG_too_deep, e->span, NULL, "operators are nested more than %d deep",
                AST_DEEPEST);
  p->given_up = true;
  Expr *poison = expr_new(p, EXPR_POISON, e->span);
  poison->depth = AST_DEEPEST + 1;
  return poison;
}

static int deeper(const Expr *e, int depth) { return e && e->depth > depth ? e->depth : depth; }

const Expr *expr_bool(Parser *p, Span span, bool value) {
  Expr *e = expr_new(p, EXPR_BOOL, span);
  e->i = value;
  return e;
}

const Expr *expr_list(Parser *p, Span span, const ExprList *items) {
  Expr *e = expr_new(p, EXPR_LIST, span);
  int depth = 0;
  if (items) {
    e->n = items->v.n;
    e->items = items->v.data;
  }
  for (int i = 0; i < e->n; i++) depth = deeper(e->items[i], depth);
  return grown(p, e, depth);
}

const Expr *expr_path(Parser *p, Span span, const NameList *names) {
  Expr *e = expr_new(p, EXPR_PATH, span);
  e->nparts = names->v.n;
  e->part = names->v.data;
  return e;
}

const Expr *expr_word(Parser *p, Ident word) {
  Ident *part = NEW(p->arena, Ident);
  *part = word;
  Expr *e = expr_new(p, EXPR_PATH, word.span);
  e->nparts = 1;
  e->part = part;
  return e;
}

const Expr *expr_call(Parser *p, Span span, Ident callee, Arguments args) {
  Expr *e = expr_new(p, EXPR_CALL, span);
  e->callee = callee;
  e->args = args;
  int depth = 0;
  for (int i = 0; i < args.n; i++) depth = deeper(args.list[i].value, depth);
  return grown(p, e, depth);
}

const Expr *expr_index(Parser *p, Span span, const Expr *list, const Expr *index) {
  Expr *e = expr_new(p, EXPR_INDEX, span);
  e->a = list;
  e->b = index;
  return grown(p, e, deeper(list, index->depth));
}

const Expr *expr_unary(Parser *p, Span span, Operator op, Span op_span, const Expr *a) {
  Expr *e = expr_new(p, EXPR_UNARY, span);
  e->op = op;
  e->op_span = op_span;
  e->a = a;
  return grown(p, e, a->depth);
}

const Expr *expr_binary(Parser *p, Span span, Operator op, Span op_span, const Expr *a, const Expr *b) {
  Expr *e = expr_new(p, EXPR_BINARY, span);
  e->op = op;
  e->op_span = op_span;
  e->a = a;
  e->b = b;
  return grown(p, e, deeper(a, b->depth));
}

const Expr *expr_range(Parser *p, Span span, Span op_span, const Expr *low, const Expr *high) {
  Expr *e = expr_new(p, EXPR_RANGE, span);
  e->op_span = op_span;
  e->a = low;
  e->b = high;
  return grown(p, e, deeper(low, high ? high->depth : 0));
}

const Expr *expr_conditional(Parser *p, Span span, const Expr *condition, const Expr *yes, const Expr *no) {
  Expr *e = expr_new(p, EXPR_CONDITIONAL, span);
  e->a = condition;
  e->b = yes;
  e->c = no;
  return grown(p, e, deeper(condition, deeper(yes, no->depth)));
}

/* ---- arguments ---- */

Arguments arguments_make(Parser *p, Span span, const ArgumentList *list) {
  const Argument *named = NULL;
  for (int i = 0; i < list->v.n; i++) {
    const Argument *argument = &list->v.data[i];
    if (argument->name.s) {
      named = argument;
    } else if (named) {
      Diag *diag = diag_report(p->diags, DIAG_syntax, argument->span, NULL,
                               "an argument without a name follows '%s='", named->name.s);
      diag_note(diag, named->span, "after this argument, every argument needs its name");
      break;
    }
  }
  return (Arguments){list->v.n, list->v.data, span, true};
}

/* ---- statements ---- */

Stmt *stmt_new(Parser *p, StmtKind kind, Span span) {
  Stmt *s = NEW(p->arena, Stmt);
  s->kind = kind;
  s->span = span;
  return s;
}

/* A body of the statements; misplaced statements are NULL in `items`, and are left out. */
const Body *body_make(Parser *p, Span span, const StmtList *items) {
  Body *body = NEW(p->arena, Body);
  VEC(const Stmt *) kept = {0};
  for (int i = 0; i < items->v.n; i++)
    if (items->v.data[i]) vec_push(p->arena, kept, items->v.data[i]);
  *body = (Body){kept.n, kept.data, span};
  return body;
}

static const char *net_statement(StmtKind kind) {
  switch (kind) {
  case STMT_INPUT: return "input";
  case STMT_OUTPUT: return "output";
  case STMT_LABELS: return "labels";
  case STMT_TRAIN: return "train";
  default: return NULL;
  }
}

const Body *body_inner(Parser *p, const Body *body, const char *where) {
  StmtList kept = {0};
  for (int i = 0; i < body->n; i++) {
    const Stmt *s = body->stmt[i];
    const char *word = net_statement(s->kind);
    if (!word) {
      vec_push(p->arena, kept.v, s);
      continue;
    }
    const Span first = {s->span.file, s->span.start, s->span.start + (uint32_t)strlen(word)};
    Diag *diag = diag_report(p->diags, DIAG_syntax, first, NULL,
                             "'%s' must be in the net itself, not inside %s", word, where);
    if (s->kind == STMT_INPUT) diag_help(diag, "the input of a block or repeat iteration is called 'in'");
    if (s->kind == STMT_OUTPUT)
      diag_help(
          diag,
          "the last value of a block is its result; name other values, and read them outside as x.name");
  }
  return body_make(p, body->span, &kept);
}

void train_misplaced(Parser *p, Span keyword) {
  Diag *diag = diag_report(p->diags, DIAG_syntax, keyword, NULL, "a train block must be inside its net");
  if (p->net) diag_note(diag, p->net->name.span, "the net is '%s'", p->net->name.s);
}

const Stmt *stmt_misplaced(Parser *p, Span keyword, const char *what) {
  Diag *diag =
      diag_report(p->diags, DIAG_syntax, keyword, NULL, "a %s cannot be inside another net or block", what);
  if (p->suspect.kind)
    diag_note(diag, p->suspect.span, "the '}' of this '{' has a different indentation: is a '}' missing?");
  else if (p->depth > 0 && sources_place(p->sources, keyword.file, keyword.start).column == 1)
    diag_note(diag, p->open[p->depth - 1].span, "this '{' is still open");
  return NULL;
}

/* ---- files ---- */

void decl_add(Parser *p, DeclKind kind, Span span, Import *import, const Stmt *constant, const Block *block,
              const NetDecl *net) {
  Decl *decl = NEW(p->arena, Decl);
  *decl = (Decl){kind, span, import, constant, block, net};
  vec_push(p->arena, p->decls, decl);
  p->outside = false;
}

void net_add(Parser *p, Span span, Ident name, const Arguments *args, const Body *body) {
  NetDecl *net = NEW(p->arena, NetDecl);
  *net = (NetDecl){name, *args, body, span};
  p->outside = false;
  if (p->net) {
    Diag *diag = diag_report(p->diags, DIAG_several_nets, name.span, NULL,
                             "a file contains one net, but '%s' is a second net", name.s);
    diag_note(diag, p->net->name.span, "the first is '%s'", p->net->name.s);
    diag_help(diag, "put each net into its own file, and shared blocks into a file that both import");
    return;
  }
  p->net = net;
  decl_add(p, DECL_NET, span, NULL, NULL, NULL, net);
}
