/* ast_dump.c: --emit=ast: AST as source, one statement per line, with parentheses around each
 * operation. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include "base/text.h"
#include "syntax/ast.h"

static void put_expr(Text *text, const Expr *e);

static void put_ast_arguments(Text *text, const Arguments *args, const char *open, const char *close) {
  text_put(text, "%s", open);
  for (int i = 0; i < args->n; i++) {
    if (i) text_put(text, ", ");
    if (args->list[i].name.s) text_put(text, "%s=", args->list[i].name.s);
    put_expr(text, args->list[i].value);
  }
  text_put(text, "%s", close);
}

static void put_items(Text *text, const Expr *e, const char *separator) {
  for (int i = 0; i < e->n; i++) {
    if (i) text_put(text, "%s", separator);
    put_expr(text, e->items[i]);
  }
}

static const char *const operator_text[] = {
    [OP_OR] = "or",    [OP_AND] = "and",  [OP_NOT] = "not ", [OP_EQ] = "==",
    [OP_NE] = "!=",    [OP_LT] = "<",     [OP_LE] = "<=",    [OP_GT] = ">",
    [OP_GE] = ">=",    [OP_PLUS] = "+",   [OP_MINUS] = "-",  [OP_TIMES] = "*",
    [OP_DIVIDE] = "/", [OP_MODULO] = "%", [OP_POWER] = "**", [OP_NEGATE] = "-",
};

/* Writes the value with enough digits that the text is read back as the same double. */
static void put_ast_double(Text *text, double value) {
  double back = 0;
  for (int digits = 1; digits <= 17; digits++) {
    const char *shortest = arena_printf(text->arena, "%.*g", digits, value);
    if (digits < 17 && (!text_number(shortest, &back) || back < value || back > value)) continue;
    text_put(text, "%s", shortest);
    return;
  }
}

static void put_expr(Text *text, const Expr *e) {
  switch (e->kind) {
  case EXPR_INT: text_put(text, "%" PRId64, e->i); break;
  case EXPR_FLOAT: put_ast_double(text, e->f); break;
  case EXPR_STRING: text_json(text, e->s); break;
  case EXPR_BOOL: text_put(text, e->i ? "true" : "false"); break;
  case EXPR_DIMS: put_items(text, e, "x"); break;
  case EXPR_LIST:
    text_put(text, "[");
    put_items(text, e, ", ");
    text_put(text, "]");
    break;
  case EXPR_PATH:
    for (int i = 0; i < e->nparts; i++) text_put(text, "%s%s", i ? "." : "", e->part[i].s);
    break;
  case EXPR_CALL:
    text_put(text, "%s", e->callee.s);
    put_ast_arguments(text, &e->args, "(", ")");
    break;
  case EXPR_INDEX:
    put_expr(text, e->a);
    text_put(text, "[");
    put_expr(text, e->b);
    text_put(text, "]");
    break;
  case EXPR_UNARY:
    text_put(text, "(%s", operator_text[e->op]);
    put_expr(text, e->a);
    text_put(text, ")");
    break;
  case EXPR_BINARY:
    text_put(text, "(");
    put_expr(text, e->a);
    text_put(text, " %s ", operator_text[e->op]);
    put_expr(text, e->b);
    text_put(text, ")");
    break;
  case EXPR_RANGE:
    put_expr(text, e->a);
    text_put(text, "..");
    if (e->b) put_expr(text, e->b);
    break;
  case EXPR_CONDITIONAL:
    text_put(text, "(");
    put_expr(text, e->a);
    text_put(text, " ? ");
    put_expr(text, e->b);
    text_put(text, " : ");
    put_expr(text, e->c);
    text_put(text, ")");
    break;
  case EXPR_POISON: text_put(text, "<error>"); break;
  }
}

static void put_chain(Text *text, const Stmt *s) {
  if (s->name.s) text_put(text, "%s = ", s->name.s);
  if (s->head) put_expr(text, s->head);
  for (int i = 0; i < s->ncalls; i++) {
    if (i || s->head) text_put(text, " -> ");
    text_put(text, "%s", s->call[i].name.s);
    if (s->call[i].args.given) put_ast_arguments(text, &s->call[i].args, "(", ")");
  }
}

static void put_ast_body(Text *text, const Body *body, int depth);

static void put_if(Text *text, const Stmt *s, int depth) {
  text_put(text, "if ");
  put_expr(text, s->value);
  put_ast_body(text, s->body, depth);
  if (!s->otherwise) return;
  text_put(text, " else");
  if (s->otherwise->n == 1 && s->otherwise->stmt[0]->kind == STMT_IF) {
    text_put(text, " ");
    put_if(text, s->otherwise->stmt[0], depth);
  } else {
    put_ast_body(text, s->otherwise, depth);
  }
}

static void put_stmt(Text *text, const Stmt *s, int depth) {
  text_put(text, "%*s", 2 * depth, "");
  switch (s->kind) {
  case STMT_CHAIN: put_chain(text, s); break;
  case STMT_CONST:
    text_put(text, "const %s = ", s->name.s);
    put_expr(text, s->value);
    break;
  case STMT_REPEAT:
    text_put(text, "repeat ");
    put_expr(text, s->value);
    if (s->name.s) text_put(text, " as %s", s->name.s);
    put_ast_body(text, s->body, depth);
    break;
  case STMT_IF: put_if(text, s, depth); break;
  case STMT_INPUT:
    text_put(text, "input %s: ", s->name.s);
    put_expr(text, s->value);
    if (s->type.s) text_put(text, " as %s", s->type.s);
    if (s->args.given) put_ast_arguments(text, &s->args, " (", ")");
    break;
  case STMT_OUTPUT:
    text_put(text, "output ");
    for (int i = 0; i < s->noutputs; i++) {
      text_put(text, "%s%s", i ? ", " : "", s->output[i].name.s);
      if (s->output[i].value) text_put(text, " = ");
      if (s->output[i].value) put_expr(text, s->output[i].value);
      if (s->output[i].type.s) text_put(text, " as %s", s->output[i].type.s);
    }
    break;
  case STMT_LABELS:
    text_put(text, "labels ");
    put_expr(text, s->value);
    break;
  case STMT_TRAIN:
    text_put(text, "train {\n");
    for (int i = 0; i < s->settings.n; i++) {
      text_put(text, "%*s%s = ", 2 * depth + 2, "", s->settings.list[i].name.s);
      put_expr(text, s->settings.list[i].value);
      text_put(text, "\n");
    }
    text_put(text, "%*s}", 2 * depth, "");
    break;
  }
  if (depth > 0) text_put(text, "\n");
}

static void put_ast_body(Text *text, const Body *body, int depth) {
  text_put(text, " {\n");
  for (int i = 0; i < body->n; i++) put_stmt(text, body->stmt[i], depth + 1);
  text_put(text, "%*s}", 2 * depth, "");
}

static void put_decl(Text *text, const Decl *decl) {
  switch (decl->kind) {
  case DECL_IMPORT:
    text_put(text, "import ");
    text_json(text, decl->import->path);
    break;
  case DECL_CONST: put_stmt(text, decl->constant, 0); break;
  case DECL_BLOCK:
    text_put(text, "block %s(", decl->block->name.s);
    for (int i = 0; i < decl->block->nparams; i++) {
      text_put(text, "%s%s", i ? ", " : "", decl->block->param[i].name.s);
      if (!decl->block->param[i].value) continue;
      text_put(text, "=");
      put_expr(text, decl->block->param[i].value);
    }
    text_put(text, ")");
    put_ast_body(text, decl->block->body, 0);
    break;
  case DECL_NET:
    text_put(text, "net %s", decl->net->name.s);
    if (decl->net->args.given) put_ast_arguments(text, &decl->net->args, "(", ")");
    put_ast_body(text, decl->net->body, 0);
    break;
  }
  text_put(text, "\n");
}

void ast_dump(Text *text, const Ast *program) {
  for (int i = 0; i < program->files.n; i++) {
    const File *file = program->files.data[i];
    text_put(text, "# %s\n", file->path);
    for (int j = 0; j < file->n; j++) put_decl(text, file->decl[j]);
  }
}
