/* outline.c: Symbols and folding ranges of a document. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "lsp/lsp.h"

/* Kinds of symbols, with the numbers of the language server protocol. */
enum {
  KIND_FILE = 1,
  KIND_MODULE = 2,
  KIND_FUNCTION = 12,
  KIND_VARIABLE = 13,
  KIND_CONSTANT = 14,
  KIND_EVENT = 24,
  KIND_FIELD = 8
};

static json_t *symbol_json(const Server *s, const Analysis *a, const char *name, const char *detail, int kind,
                           Span whole, Span at) {
  if (at.end > whole.end) whole.end = at.end;
  json_t *json = json_pack("{s:o, s:i, s:o, s:o}", "name", string_json(a->arena, *name ? name : "?"), "kind",
                           kind, "range", range_json(s, a, whole), "selectionRange", range_json(s, a, at));
  if (detail) json_object_set_new(json, "detail", string_json(a->arena, detail));
  return json;
}

/* The shape of a value, if it is known. */
static const char *outline_detail(const Analysis *a, Ident name) {
  for (int i = 0; i < a->record.names.n; i++) {
    const SemaName *one = &a->record.names.data[i];
    if (one->span.file == name.span.file && one->span.start == name.span.start &&
        one->value.kind == CONST_VALUE && one->value.node->shape.rank)
      return shape_text(a->arena, one->value.node->shape);
  }
  return NULL;
}

static void body_symbols(const Server *s, const Analysis *a, const Body *body, json_t *list) {
  for (int i = 0; body && i < body->n; i++) {
    const Stmt *stmt = body->stmt[i];
    const int kind = stmt->kind == STMT_CONST ? KIND_CONSTANT : KIND_VARIABLE;
    if (stmt->name.s && stmt->kind != STMT_REPEAT)
      json_array_append_new(list, symbol_json(s, a, stmt->name.s, outline_detail(a, stmt->name), kind,
                                              stmt->span, stmt->name.span));
    for (int k = 0; k < stmt->noutputs; k++)
      json_array_append_new(list, symbol_json(s, a, stmt->output[k].name.s, "output", KIND_FIELD,
                                              stmt->output[k].span, stmt->output[k].name.span));
    if (stmt->kind == STMT_TRAIN)
      json_array_append_new(list, symbol_json(s, a, "train", NULL, KIND_EVENT, stmt->span, stmt->span));
    body_symbols(s, a, stmt->body, list);
    body_symbols(s, a, stmt->otherwise, list);
  }
}

static json_t *decl_symbol(const Server *s, const Analysis *a, const Decl *decl) {
  json_t *json = NULL, *children = json_array();
  if (decl->kind == DECL_IMPORT)
    json = symbol_json(s, a, decl->import->path, "import", KIND_FILE, decl->span, decl->import->span);
  if (decl->kind == DECL_CONST)
    json = symbol_json(s, a, decl->constant->name.s, source_text(a, a->arena, decl->constant->value->span),
                       KIND_CONSTANT, decl->span, decl->constant->name.span);
  if (decl->kind == DECL_BLOCK) {
    Text text = {.arena = a->arena};
    block_signature_put(&text, a, decl->block);
    json = symbol_json(s, a, decl->block->name.s, text.s, KIND_FUNCTION, decl->span, decl->block->name.span);
    body_symbols(s, a, decl->block->body, children);
  }
  if (decl->kind == DECL_NET) {
    json = symbol_json(s, a, decl->net->name.s, "net", KIND_MODULE, decl->span, decl->net->name.span);
    body_symbols(s, a, decl->net->body, children);
  }
  json_object_set_new(json, "children", children);
  return json;
}

json_t *answer_symbols(Server *s, Arena *arena, const json_t *params, Failure *failure) {
  (void)arena;
  const Document *d = document_of(s, params, failure);
  if (!d) return NULL;
  analysis_refresh(s, (Document *)d);
  json_t *list = json_array();
  const File *file = file_of(d->now, 1);
  for (int i = 0; i < file->n; i++) json_array_append_new(list, decl_symbol(s, d->now, file->decl[i]));
  return list;
}

/* ---- folding ---- */
typedef struct Folding {
  const Analysis *analysis;
  json_t *list;
} Folding;

static int outline_line(const Analysis *a, uint32_t offset) {
  return sources_place(&a->sources, 1, offset).line - 1;
}

static void add_fold(const Folding *f, int first, int last, const char *kind) {
  if (last <= first) return;
  json_t *json = json_pack("{s:i, s:i}", "startLine", first, "endLine", last);
  if (kind) json_object_set_new(json, "kind", json_string(kind));
  json_array_append_new(f->list, json);
}

/* The line of the closing bracket stays visible. */
static void fold_span(const Folding *f, Span span) {
  if (span.end > span.start)
    add_fold(f, outline_line(f->analysis, span.start), outline_line(f->analysis, span.end) - 1, NULL);
}

static void fold_body(const Folding *f, const Body *body) {
  if (!body) return;
  fold_span(f, body->span);
  for (int i = 0; i < body->n; i++) {
    const Stmt *stmt = body->stmt[i];
    for (int k = 0; k < stmt->ncalls; k++) fold_span(f, stmt->call[k].args.span);
    if (stmt->kind == STMT_TRAIN) fold_span(f, stmt->settings.span);
    if (stmt->kind == STMT_LABELS || stmt->kind == STMT_CONST) fold_span(f, stmt->value->span);
    fold_body(f, stmt->body);
    fold_body(f, stmt->otherwise);
  }
}

/* Two or more consecutive lines that only contain comments. */
static void fold_comments(const Folding *f) {
  const Lines *lines = &f->analysis->lines[1];
  int first = -1;
  for (int i = 0; i <= lines->count; i++) {
    size_t at = i < lines->count ? lines->start[i] : lines->n;
    while (at < lines->n && (lines->text[at] == ' ' || lines->text[at] == '\t')) at++;
    const bool comment = i < lines->count && at < lines->n && lines->text[at] == '#';
    if (comment && first < 0) first = i;
    if (comment || first < 0) continue;
    add_fold(f, first, i - 1, "comment");
    first = -1;
  }
}

json_t *answer_folding(Server *s, Arena *arena, const json_t *params, Failure *failure) {
  (void)arena;
  Document *d = document_of(s, params, failure);
  if (!d) return NULL;
  analysis_refresh(s, d);
  const Folding f = {d->now, json_array()};
  const File *file = file_of(d->now, 1);
  int imports = -1, last = -1;
  for (int i = 0; i < file->n; i++) {
    const Decl *decl = file->decl[i];
    if (decl->kind == DECL_BLOCK) fold_body(&f, decl->block->body);
    if (decl->kind == DECL_NET) fold_body(&f, decl->net->body);
    if (decl->kind == DECL_CONST) fold_span(&f, decl->constant->value->span);
    if (decl->kind != DECL_IMPORT) continue;
    last = outline_line(d->now, decl->span.end);
    if (imports < 0) imports = outline_line(d->now, decl->span.start);
  }
  add_fold(&f, imports, last, "imports");
  fold_comments(&f);
  return f.list;
}
