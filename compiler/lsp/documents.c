/* documents.c: Texts open in the editor, and their changes. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/file.h"
#include "lsp/lsp.h"

Document *document_find(const Server *s, const char *uri) {
  for (Document *d = s->documents; d; d = d->next)
    if (strcmp(d->uri, uri) == 0) return d;
  return NULL;
}

static const char *uri_in(const json_t *params) {
  return json_string_value(json_object_get(json_object_get(params, "textDocument"), "uri"));
}

Document *document_of(const Server *s, const json_t *params, Failure *failure) {
  const char *uri = uri_in(params);
  Document *d = uri ? document_find(s, uri) : NULL;
  if (!uri) *failure = (Failure){RPC_INVALID_PARAMS, "textDocument.uri is missing"};
  else if (!d) *failure = (Failure){RPC_INVALID_PARAMS, "this document is not open"};
  return d;
}

/* Marks as stale the document of this file and all documents that import the file. */
static void documents_touch(Server *s, const char *identity) {
  for (Document *d = s->documents; d; d = d->next) {
    if (strcmp(d->identity, identity) == 0) {
      d->stale = true;
      continue;
    }
    /* The file may be a missing import, which has no source, so documents with missing imports are marked,
     * too. */
    bool concerned = false;
    for (int i = 0; d->now && i < d->now->program->files.n; i++) {
      const File *file = d->now->program->files.data[i];
      for (int k = 0; k < file->n; k++)
        concerned |= file->decl[k]->kind == DECL_IMPORT && !file->decl[k]->import->file;
      concerned |= strcmp(file_identity(d->now->arena, file->path), identity) == 0;
    }
    d->stale |= concerned;
    s->others |= concerned;
  }
}

static void text_set(Document *d, Arena *arena, const char *text, size_t n) {
  if (d->text_arena) arena_free(d->text_arena);
  d->text_arena = arena;
  d->text = text;
  d->n = n;
}

void documents_open(Server *s, const json_t *params) {
  const json_t *item = json_object_get(params, "textDocument"), *text = json_object_get(item, "text");
  const char *uri = json_string_value(json_object_get(item, "uri"));
  if (!uri || !json_is_string(text)) return;
  Document *d = document_find(s, uri);
  if (!d) {
    Arena *arena = arena_new();
    d = NEW(arena, Document);
    d->arena = arena;
    d->uri = arena_copy(arena, uri, strlen(uri));
    d->path = path_of_uri(arena, uri);
    d->identity = file_identity(arena, d->path);
    d->next = s->documents;
    s->documents = d;
  }
  d->version = json_integer_value(json_object_get(item, "version"));
  Arena *arena = arena_new();
  const size_t n = json_string_length(text);
  text_set(d, arena, arena_copy(arena, json_string_value(text), n), n);
  documents_touch(s, d->identity);
}

/* Replaces the range; without a range, the whole text. */
static void change(const Server *s, Document *d, const json_t *one) {
  const json_t *text = json_object_get(one, "text"), *range = json_object_get(one, "range");
  if (!json_is_string(text)) return;
  Arena *arena = arena_new();
  size_t from = 0, to = d->n;
  if (json_is_object(range)) {
    json_int_t line[2], character[2];
    const Lines lines = lines_of(arena, d->text, d->n);
    if (!place_read(json_object_get(range, "start"), &line[0], &character[0]) ||
        !place_read(json_object_get(range, "end"), &line[1], &character[1])) {
      arena_free(arena);
      return;
    }
    from = lines_offset(&lines, s->utf8, line[0], character[0]);
    to = lines_offset(&lines, s->utf8, line[1], character[1]);
    if (to < from) to = from;
  }
  const size_t n = json_string_length(text), rest = d->n - to;
  Arena *kept = arena_new();
  char *whole = arena_alloc(kept, from + n + rest + 1);
  if (from) memcpy(whole, d->text, from);
  if (n) memcpy(whole + from, json_string_value(text), n);
  if (rest) memcpy(whole + from + n, d->text + to, rest);
  text_set(d, kept, whole, from + n + rest);
  arena_free(arena);
}

void documents_change(Server *s, const json_t *params) {
  Failure ignored;
  Document *d = document_of(s, params, &ignored);
  if (!d) return;
  d->version = json_integer_value(json_object_get(json_object_get(params, "textDocument"), "version"));
  const json_t *changes = json_object_get(params, "contentChanges");
  for (size_t i = 0; i < json_array_size(changes); i++) change(s, d, json_array_get(changes, i));
  documents_touch(s, d->identity);
}

void documents_close(Server *s, const json_t *params) {
  Failure ignored;
  Document *d = document_of(s, params, &ignored);
  if (!d) return;
  for (Document **at = &s->documents; *at; at = &(*at)->next)
    if (*at == d) {
      *at = d->next;
      break;
    }
  documents_touch(s, d->identity);
  analysis_drop(d);
  text_set(d, NULL, NULL, 0);
  arena_free(d->arena);
}
