/* find.c: Lookup of the syntax node at a position, and of the calls of all chains in a file. */
// SPDX-License-Identifier: Apache-2.0
#include "lsp/lsp.h"

typedef struct Search {
  uint32_t offset;
  Found found;
  CallVisitor visit; /* called for each call of a chain; NULL: the search is for the node at `offset` */
  void *context;
} Search;

static bool span_inside(const Search *s, Span span) {
  return span.start <= s->offset && s->offset <= span.end;
}

static void expr_search(Search *s, const Expr *e);

static void arguments_search(Search *s, const Arguments *args) {
  for (int i = 0; i < args->n; i++) {
    const Argument *a = &args->list[i];
    if (!span_inside(s, a->span)) continue;
    s->found.argument = a;
    s->found.on_name = a->name.s && span_inside(s, a->name.span);
    expr_search(s, a->value);
  }
}

static void expr_search(Search *s, const Expr *e) {
  if (!e || !span_inside(s, e->span)) return;
  if (e->kind == EXPR_CALL) {
    s->found.function = e;
    s->found.argument = NULL;
    s->found.on_name = span_inside(s, e->callee.span);
    arguments_search(s, &e->args);
  }
  expr_search(s, e->a);
  expr_search(s, e->b);
  expr_search(s, e->c);
  for (int i = 0; i < e->n; i++) expr_search(s, e->items[i]);
}

static void call_search(Search *s, const Call *call) {
  if (s->visit) return s->visit(s->context, call);
  if (!span_inside(s, call->span)) return;
  s->found = (Found){.call = call, .on_name = span_inside(s, call->name.span)};
  arguments_search(s, &call->args);
}

static void settings_search(Search *s, const Arguments *settings) {
  for (int i = 0; i < settings->n && !s->visit; i++) {
    const Argument *setting = &settings->list[i];
    if (!span_inside(s, setting->span)) continue;
    s->found = (Found){.setting = setting, .on_name = span_inside(s, setting->name.span)};
    expr_search(s, setting->value);
  }
}

static void body_search(Search *s, const Body *body) {
  for (int i = 0; body && i < body->n; i++) {
    const Stmt *stmt = body->stmt[i];
    if (!s->visit && !span_inside(s, stmt->span)) continue;
    for (int k = 0; k < stmt->ncalls; k++) call_search(s, &stmt->call[k]);
    if (!s->visit) expr_search(s, stmt->value);
    settings_search(s, &stmt->settings);
    body_search(s, stmt->body);
    body_search(s, stmt->otherwise);
  }
}

static void file_search(Search *s, const File *file) {
  for (int i = 0; file && i < file->n; i++) {
    const Decl *decl = file->decl[i];
    if (decl->kind == DECL_BLOCK) body_search(s, decl->block->body);
    if (decl->kind == DECL_NET) body_search(s, decl->net->body);
    if (decl->kind == DECL_CONST && !s->visit) expr_search(s, decl->constant->value);
  }
}

Found tree_find(const File *file, uint32_t offset) {
  Search search = {.offset = offset};
  file_search(&search, file);
  return search.found;
}

void tree_calls(const File *file, CallVisitor visit, void *context) {
  Search search = {.visit = visit, .context = context};
  file_search(&search, file);
}

const File *file_of(const Analysis *a, uint32_t source) {
  for (int i = 0; i < a->program->files.n; i++)
    if (a->program->files.data[i]->source == source) return a->program->files.data[i];
  return NULL;
}
