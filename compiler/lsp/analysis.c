/* analysis.c: Analysis of a document and its imports, also of unsaved texts, by the compiler's front end. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "lsp/lsp.h"

/* ---- texts ---- */
typedef struct Texts {
  const Server *server;
  int ninstead;
  const Instead *instead;
} Texts;

static const Instead *instead_of(const Texts *texts, const char *identity) {
  for (int i = 0; i < texts->ninstead; i++)
    if (strcmp(texts->instead[i].identity, identity) == 0) return &texts->instead[i];
  return NULL;
}

static const char *document_text(void *context, const char *identity, size_t *n) {
  const Texts *texts = context;
  const Instead *instead = instead_of(texts, identity);
  if (instead) return *n = instead->n, instead->text;
  for (const Document *d = texts->server->documents; d; d = d->next)
    if (strcmp(d->identity, identity) == 0) return *n = d->n, d->text;
  return NULL;
}

static const char *uri_of_source(const Server *s, Arena *arena, const char *path) {
  const char *identity = file_identity(arena, path);
  for (const Document *d = s->documents; d; d = d->next)
    if (strcmp(d->identity, identity) == 0) return arena_copy(arena, d->uri, strlen(d->uri));
  return uri_of_path(arena, identity);
}

/* ---- calls by position ---- */
static bool span_before(Span a, Span b) {
  if (a.file != b.file) return a.file < b.file;
  return a.start != b.start ? a.start < b.start : a.end < b.end;
}

static const Analysis *ordering; /* global, because qsort passes no context */

static int call_compare(const void *x, const void *y) {
  const int a = *(const int *)x, b = *(const int *)y;
  const SemaCall *call = ordering->record.calls.data;
  if (span_before(call[a].span, call[b].span)) return -1;
  if (span_before(call[b].span, call[a].span)) return 1;
  return a < b ? -1 : a > b;
}

static void calls_sort(Analysis *a) {
  const int n = a->record.calls.n;
  a->order = NEW_ARRAY(a->arena, int, n + 1);
  for (int i = 0; i < n; i++) a->order[i] = i;
  ordering = a;
  qsort(a->order, (size_t)n, sizeof *a->order, call_compare);
}

const SemaCall *call_of(const Analysis *a, int i) { return &a->record.calls.data[a->order[i]]; }

int calls_at(const Analysis *a, Span span, int *first) {
  int low = 0, high = a->record.calls.n;
  while (low < high) {
    const int middle = low + (high - low) / 2;
    if (span_before(call_of(a, middle)->span, span)) low = middle + 1;
    else high = middle;
  }
  *first = low;
  while (low < a->record.calls.n && !span_before(span, call_of(a, low)->span)) low++;
  return low - *first;
}

/* ---- analysis of a document ---- */
Analysis *analysis_new(Server *s, const Document *d, int ninstead, const Instead *instead) {
  Arena *arena = arena_new();
  Analysis *a = NEW(arena, Analysis);
  a->arena = arena;
  a->sources.arena = arena;
  a->diags = diags_new(arena, &a->sources);
  diags_options(a->diags, &s->warnings);
  Texts texts = {s, ninstead, instead};
  const OpenTexts open = {document_text, &texts};
  const Instead *other = instead_of(&texts, d->identity);
  const size_t n = other ? other->n : d->n;
  const char *text =
      arena_copy(arena, other ? other->text : d->text, n); /* the next change frees the document's text */
  a->program = program_of(arena, a->diags, &a->sources, arena_copy(arena, d->path, strlen(d->path)), text, n,
                          s->ndirs, s->dirs, &open);
  a->main_files = a->sources.list.n;
  const SemaOptions options = {.ndirs = s->ndirs, .dirs = s->dirs, .record = &a->record};
  a->graph = sema_build(arena, a->diags, &a->sources, a->program, NULL, 0, &options);
  a->names = names_find(arena, a->program);
  calls_sort(a);
  a->uri = NEW_ARRAY(arena, const char *, a->sources.list.n + 1);
  a->lines = NEW_ARRAY(arena, Lines, a->sources.list.n + 1);
  a->mark = NEW_ARRAY(arena, uint32_t, a->sources.list.n + 1);
  for (int i = 1; i <= a->sources.list.n; i++) {
    Source *source = a->sources.list.data[i - 1];
    a->uri[i] = i == 1              ? arena_copy(arena, d->uri, strlen(d->uri))
                : i > a->main_files ? ""
                                    : uri_of_source(s, arena, source->path);
    /* Copies the text, because other documents change while this analysis is kept. If the file is open in the
     * editor, the copy includes the byte order mark, which the editor counts as a character. */
    const uint32_t mark = source->mark && document_find(s, a->uri[i]) ? 3 : 0;
    if (i > 1) source->text = arena_copy(arena, source->text - mark, source->n + mark) + mark;
    a->mark[i] = mark;
    a->lines[i] = lines_of(arena, source->text - mark, source->n + mark);
  }
  return a;
}

void analysis_free(Analysis *a) {
  if (a) arena_free(a->arena);
}

void analysis_drop(Document *d) {
  if (d->good != d->now) analysis_free(d->good);
  analysis_free(d->now);
  d->good = d->now = NULL;
}

void analysis_refresh(Server *s, Document *d) {
  if (!d->stale && d->now) return;
  if (d->now != d->good) analysis_free(d->now);
  d->now = analysis_new(s, d, 0, NULL);
  d->stale = false;
  if (diags_errors(d->now->diags) || !d->now->graph) return;
  analysis_free(d->good);
  d->good = d->now;
}

const LayerNumbers *analysis_numbers(Analysis *a) {
  if (!a->numbers && a->graph && diags_errors(a->diags) == 0) a->numbers = layer_numbers(a->arena, a->graph);
  return a->numbers;
}

uint32_t analysis_source(const Analysis *a, const char *uri) {
  for (int i = 1; i <= a->main_files; i++)
    if (strcmp(a->uri[i], uri) == 0) return (uint32_t)i;
  return 0;
}

Analysis *analysis_for(Server *s, Document *d, uint32_t *file) {
  analysis_refresh(s, d);
  *file = 1;
  for (Document *other = s->documents; other && !d->now->graph; other = other->next) {
    analysis_refresh(s, other);
    const uint32_t found = other->now->graph ? analysis_source(other->now, d->uri) : 0;
    if (found) return *file = found, other->now;
  }
  return d->now;
}

/* ---- places ---- */
json_t *range_json(const Server *s, const Analysis *a, Span span) {
  const bool known = span.file >= 1 && span.file <= (uint32_t)a->main_files;
  static size_t start = 0;
  static const Lines none = {"", 0, &start, 1};
  const Lines *lines = known ? &a->lines[span.file] : &none;
  const uint32_t end = span.end > span.start ? span.end : span.start, mark = known ? a->mark[span.file] : 0;
  return json_pack("{s:o, s:o}", "start", lines_place(lines, s->utf8, known ? span.start + mark : 0), "end",
                   lines_place(lines, s->utf8, known ? end + mark : 0));
}

json_t *location_json(const Server *s, const Analysis *a, Span span) {
  return json_pack("{s:s, s:o}", "uri", a->uri[span.file], "range", range_json(s, a, span));
}

uint32_t position_offset(const Server *s, const Analysis *a, uint32_t file, json_int_t line,
                         json_int_t character) {
  const size_t at = lines_offset(&a->lines[file], s->utf8, line, character);
  return at > a->mark[file] ? (uint32_t)at - a->mark[file] : 0;
}

bool place_of(Server *s, const json_t *params, Place *place, Failure *failure) {
  json_int_t line, character;
  Document *d = document_of(s, params, failure);
  if (!d) return false;
  if (!place_read(json_object_get(params, "position"), &line, &character)) {
    *failure = (Failure){RPC_INVALID_PARAMS, "position is missing"};
    return false;
  }
  analysis_refresh(s, d);
  *place = (Place){d, d->now, 1, position_offset(s, d->now, 1, line, character)};
  return true;
}

/* Positions before the first difference of the two texts and after the last one correspond. */
bool place_before(const Place *place, Place *good) {
  const Document *d = place->document;
  if (!d->good || d->good == d->now || place->analysis != d->now || place->file != 1) return false;
  const Source *now = sources_get(&d->now->sources, 1), *was = sources_get(&d->good->sources, 1);
  size_t same = 0, most = now->n < was->n ? now->n : was->n, rest = 0;
  while (same < most && now->text[same] == was->text[same]) same++;
  while (rest < most - same && now->text[now->n - rest - 1] == was->text[was->n - rest - 1]) rest++;
  *good = (Place){place->document, d->good, 1, place->offset};
  if (place->offset <= same) return true;
  good->offset = (uint32_t)(place->offset + was->n - now->n);
  return place->offset >= now->n - rest;
}
