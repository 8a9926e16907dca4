/* symbols.c: Name resolution: definitions first, scope by scope, then references. A name means the symbol in
 * the innermost scope that defines it; branches of an if belong to the enclosing scope. */
// SPDX-License-Identifier: Apache-2.0
#include "lsp/symbols.h"
#include "ops/registry.h"
#include <string.h>
#include "lsp/lsp.h"

enum { DEEPEST = 200 };

/* ---- symbols and occurrences ---- */
/* Whether symbols of this kind are looked up separately: outputs and nets may have the same name as another
 * symbol. */
static bool is_apart(SymbolKind kind) { return kind == SYMBOL_OUTPUT || kind == SYMBOL_NET; }

static Symbol *symbol_in(const NameScope *scope, const char *name, bool apart) {
  for (int i = 0; i < scope->symbols.n; i++) {
    Symbol *symbol = scope->symbols.data[i];
    if (is_apart(symbol->kind) == apart && strcmp(symbol->name, name) == 0) return symbol;
  }
  return NULL;
}

static void occurs(Names *names, Span span, Symbol *symbol, bool defines) {
  vec_push(names->arena, names->all, ((Occurrence){span, symbol, defines}));
}

static Symbol *define(Names *names, NameScope *scope, SymbolKind kind, Ident name) {
  Symbol *symbol = symbol_in(scope, name.s, is_apart(kind));
  if (!symbol) {
    symbol = NEW(names->arena, Symbol);
    *symbol = (Symbol){.name = name.s, .kind = kind, .span = name.span, .scope = scope};
    vec_push(names->arena, scope->symbols, symbol);
  }
  occurs(names, name.span, symbol, true);
  return symbol;
}

static NameScope *scope_add(Names *names, const NameScope *outer, const File *file, Span span) {
  NameScope *scope = NEW(names->arena, NameScope);
  *scope = (NameScope){.outer = outer, .file = file, .span = span};
  vec_push(names->arena, names->scopes, scope);
  return scope;
}

static const NameScope *scope_of_file(const Names *names, const File *file) {
  for (int i = 0; i < names->scopes.n; i++)
    if (names->scopes.data[i]->file == file && !names->scopes.data[i]->outer) return names->scopes.data[i];
  return NULL;
}

/* A constant of the file or of its imports. */
static Symbol *symbol_constant(const Names *names, const File *file, const char *name, int depth) {
  const NameScope *scope = scope_of_file(names, file);
  Symbol *found = scope ? symbol_in(scope, name, false) : NULL;
  if (found && found->kind == SYMBOL_CONST) return found;
  for (int i = 0; i < file->n && depth < DEEPEST; i++) {
    const Import *import = file->decl[i]->import;
    found = file->decl[i]->kind == DECL_IMPORT && import->file
                ? symbol_constant(names, import->file, name, depth + 1)
                : NULL;
    if (found) return found;
  }
  return NULL;
}

static Symbol *block_named(const Names *names, const char *name) {
  for (int i = 0; i < names->scopes.n; i++) {
    const NameScope *scope = names->scopes.data[i];
    Symbol *found = scope->outer ? NULL : symbol_in(scope, name, false);
    if (found && found->kind == SYMBOL_BLOCK) return found;
  }
  return NULL;
}

Symbol *names_visible_as(const Names *names, const NameScope *scope, const char *name) {
  for (const NameScope *at = scope; at && at->outer; at = at->outer) {
    Symbol *found = symbol_in(at, name, false);
    if (found) return found;
  }
  for (const NameScope *at = scope; at; at = at->outer)
    if (!at->outer) return symbol_constant(names, at->file, name, 0);
  return NULL;
}

static Symbol *output_named(const NameScope *scope, const char *name) {
  for (; scope; scope = scope->outer) {
    Symbol *found = symbol_in(scope, name, true);
    if (found && found->kind == SYMBOL_OUTPUT) return found;
  }
  return NULL;
}

/* ---- members ---- */
static const NameScope *scope_of_body(const Names *names, const Body *body) {
  for (int i = 0; i < names->scopes.n; i++) {
    const NameScope *scope = names->scopes.data[i];
    if (scope->outer && scope->span.file == body->span.file && scope->span.start == body->span.start)
      return scope;
  }
  return NULL;
}

static const NameScope *members_of(const Names *names, const Symbol *symbol, int depth) {
  const Stmt *stmt = symbol->kind == SYMBOL_VALUE ? symbol->stmt : NULL;
  const Block *only = NULL;
  int blocks = 0;
  if (!stmt || depth > DEEPEST) return NULL;
  /* if the statement only gives a value another name: the members of that value */
  if (stmt->ncalls == 1 && !stmt->head && !stmt->call[0].args.given) {
    const Symbol *same = names_visible_as(names, symbol->scope, stmt->call[0].name.s);
    if (same && same != symbol) return members_of(names, same, depth + 1);
  }
  for (int i = 0; i < stmt->ncalls; i++) {
    const Symbol *block = op_find(stmt->call[i].name.s) ? NULL : block_named(names, stmt->call[i].name.s);
    if (!block) continue;
    only = block->block;
    blocks++;
  }
  return blocks == 1 ? scope_of_body(names, only->body) : NULL;
}

const NameScope *names_members(const Names *names, const Symbol *symbol) {
  return members_of(names, symbol, 0);
}

/* ---- references ---- */
static void expr_walk(Names *names, const NameScope *scope, const Expr *e);

static void path_walk(Names *names, const NameScope *scope, const Expr *e) {
  Symbol *symbol = names_visible_as(names, scope, e->part[0].s);
  if (!symbol && e->nparts == 1) symbol = output_named(scope, e->part[0].s);
  for (int i = 0; symbol && i < e->nparts; i++) {
    if (i) {
      const NameScope *members = names_members(names, symbol);
      symbol = members ? symbol_in(members, e->part[i].s, false) : NULL;
      if (!symbol || symbol->kind != SYMBOL_VALUE) return;
    }
    occurs(names, e->part[i].span, symbol, false);
  }
}

/* The entry of the parameter table `params` to which argument i belongs. */
static const Param *param_for(const Param *params, const Arguments *args, int i) {
  if (args->list[i].name.s) return param_named(params, args->list[i].name.s);
  int n = 0;
  while (params && params[n].name && n < i) n++;
  return params && params[n].name ? &params[n] : NULL;
}

/* Whether a word is a choice of its argument, and not a reference to a symbol of that name. */
static bool is_choice(Arena *arena, const Param *p, const Expr *e) {
  if (!p || e->kind != EXPR_PATH || e->nparts != 1) return false;
  const size_t n = strlen(e->part[0].s);
  for (const char *word = choices_of_param(arena, p); *word; word += strcspn(word, " ")) {
    word += strspn(word, " ");
    if (strcspn(word, " ") == n && strncmp(word, e->part[0].s, n) == 0) return true;
  }
  return false;
}

static void arguments_walk(Names *names, const NameScope *scope, const char *callee, const Arguments *args) {
  const Symbol *block = op_find(callee) ? NULL : block_named(names, callee);
  const NameScope *inner = block ? scope_of_body(names, block->block->body) : NULL;
  const Param *params = block ? NULL : params_of(callee);
  for (int i = 0; i < args->n; i++) {
    const Argument *a = &args->list[i];
    Symbol *parameter = inner && a->name.s ? symbol_in(inner, a->name.s, false) : NULL;
    if (parameter && parameter->kind == SYMBOL_PARAMETER) occurs(names, a->name.span, parameter, false);
    if (a->value && !is_choice(names->arena, param_for(params, args, i), a->value))
      expr_walk(names, scope, a->value);
  }
}

static void expr_walk(Names *names, const NameScope *scope, const Expr *e) {
  if (!e) return;
  if (e->kind == EXPR_PATH) path_walk(names, scope, e);
  if (e->kind == EXPR_CALL) arguments_walk(names, scope, e->callee.s, &e->args);
  expr_walk(names, scope, e->a);
  expr_walk(names, scope, e->b);
  expr_walk(names, scope, e->c);
  for (int i = 0; i < e->n; i++) expr_walk(names, scope, e->items[i]);
}

static void call_walk(Names *names, const NameScope *scope, const Call *call, bool first) {
  Symbol *value = first && !call->args.given ? names_visible_as(names, scope, call->name.s) : NULL;
  if (value) return occurs(names, call->name.span, value, false);
  Symbol *block = op_find(call->name.s) ? NULL : block_named(names, call->name.s);
  if (block) occurs(names, call->name.span, block, false);
  arguments_walk(names, scope, call->name.s, &call->args);
}

/* ---- bodies ---- */
static void body_define(Names *names, NameScope *scope, const Body *body) {
  for (int i = 0; body && i < body->n; i++) {
    const Stmt *stmt = body->stmt[i];
    const bool named = stmt->name.s && stmt->kind != STMT_REPEAT;
    if (named) {
      const SymbolKind kind = stmt->kind == STMT_CONST   ? SYMBOL_CONST
                              : stmt->kind == STMT_INPUT ? SYMBOL_INPUT
                                                         : SYMBOL_VALUE;
      Symbol *symbol = define(names, scope, kind, stmt->name);
      if (!symbol->stmt) symbol->stmt = stmt;
    }
    for (int k = 0; k < stmt->noutputs; k++)
      if (stmt->output[k].value) define(names, scope, SYMBOL_OUTPUT, stmt->output[k].name);
    if (stmt->kind != STMT_IF) continue;
    body_define(names, scope, stmt->body);
    body_define(names, scope, stmt->otherwise);
  }
}

/* In a train block, the name of a loss or of a form, such as an optimizer, is not a reference to a symbol. */
static void setting_walk(Names *names, const NameScope *scope, const Argument *setting) {
  const Expr *e = setting->value;
  const bool word = e && e->kind == EXPR_PATH && e->nparts == 1;
  if (!word || !(form_any(e->part[0].s) || loss_find(e->part[0].s))) expr_walk(names, scope, e);
}

static void body_walk(Names *names, const NameScope *scope, const Body *body);

static void stmt_walk(Names *names, const NameScope *scope, const Stmt *stmt) {
  expr_walk(names, scope, stmt->head);
  expr_walk(names, scope, stmt->value);
  for (int i = 0; i < stmt->ncalls; i++) call_walk(names, scope, &stmt->call[i], i == 0 && !stmt->head);
  for (int i = 0; i < stmt->noutputs; i++) {
    const OutputItem *item = &stmt->output[i];
    Symbol *value = item->value ? NULL : names_visible_as(names, scope, item->name.s);
    if (value) occurs(names, item->name.span, value, false);
    expr_walk(names, scope, item->value);
  }
  for (int i = 0; i < stmt->settings.n; i++) setting_walk(names, scope, &stmt->settings.list[i]);
  if (stmt->kind == STMT_REPEAT && stmt->body) {
    NameScope *round = scope_add(names, scope, scope->file, stmt->body->span);
    if (stmt->name.s) define(names, round, SYMBOL_ROUND, stmt->name)->stmt = stmt;
    body_define(names, round, stmt->body);
    body_walk(names, round, stmt->body);
  } else {
    body_walk(names, scope, stmt->body);
    body_walk(names, scope, stmt->otherwise);
  }
}

static void body_walk(Names *names, const NameScope *scope, const Body *body) {
  for (int i = 0; body && i < body->n; i++) stmt_walk(names, scope, body->stmt[i]);
}

/* ---- files ---- */
static void decl_define(Names *names, NameScope *file, const Decl *decl) {
  if (decl->kind == DECL_CONST) {
    Symbol *symbol = define(names, file, SYMBOL_CONST, decl->constant->name);
    if (!symbol->stmt) symbol->stmt = decl->constant;
  }
  if (decl->kind == DECL_BLOCK) {
    Symbol *symbol = define(names, file, SYMBOL_BLOCK, decl->block->name);
    if (!symbol->block) symbol->block = decl->block;
    NameScope *inner = scope_add(names, file, file->file, decl->block->body->span);
    for (int i = 0; i < decl->block->nparams; i++) {
      Symbol *parameter = define(names, inner, SYMBOL_PARAMETER, decl->block->param[i].name);
      parameter->block = decl->block;
      parameter->parameter = &decl->block->param[i];
    }
    body_define(names, inner, decl->block->body);
  }
  if (decl->kind != DECL_NET) return;
  define(names, file, SYMBOL_NET, decl->net->name);
  body_define(names, scope_add(names, file, file->file, decl->net->body->span), decl->net->body);
}

static void decl_walk(Names *names, const NameScope *file, const Decl *decl) {
  if (decl->kind == DECL_CONST) expr_walk(names, file, decl->constant->value);
  if (decl->kind == DECL_NET) body_walk(names, scope_of_body(names, decl->net->body), decl->net->body);
  if (decl->kind != DECL_BLOCK) return;
  const NameScope *inner = scope_of_body(names, decl->block->body);
  for (int i = 0; i < decl->block->nparams; i++) expr_walk(names, inner, decl->block->param[i].value);
  body_walk(names, inner, decl->block->body);
}

Names *names_find(Arena *arena, const Ast *program) {
  Names *names = NEW(arena, Names);
  *names = (Names){.arena = arena, .program = program};
  for (int f = 0; f < program->files.n; f++) {
    const File *file = program->files.data[f];
    NameScope *scope = scope_add(names, NULL, file, (Span){file->source, 0, UINT32_MAX});
    for (int i = 0; i < file->n; i++) decl_define(names, scope, file->decl[i]);
  }
  for (int f = 0; f < program->files.n; f++) {
    const File *file = program->files.data[f];
    const NameScope *scope = scope_of_file(names, file);
    for (int i = 0; i < file->n; i++) decl_walk(names, scope, file->decl[i]);
  }
  return names;
}

static bool holds(Span span, uint32_t file, uint32_t offset) {
  return span.file == file && span.start <= offset && offset <= span.end;
}

const Occurrence *names_at(const Names *names, uint32_t file, uint32_t offset) {
  for (int i = 0; i < names->all.n; i++)
    if (holds(names->all.data[i].span, file, offset)) return &names->all.data[i];
  return NULL;
}

const NameScope *names_scope(const Names *names, uint32_t file, uint32_t offset) {
  const NameScope *found = NULL;
  for (int i = 0; i < names->scopes.n; i++) {
    const NameScope *scope = names->scopes.data[i];
    if (holds(scope->span, file, offset) && (!found || scope->span.start >= found->span.start)) found = scope;
  }
  return found;
}
