/* navigate.c: Definition, references and renaming of a name, in all open documents and their imports. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/file.h"
#include "lsp/lsp.h"

/* ---- uses of a name in several analyses, by the position of its definition ---- */
typedef struct Use {
  const Analysis *analysis;
  Occurrence at;
} Use;
typedef struct Uses {
  Arena *arena;
  VEC(Use) all;
} Uses;

static bool same_definition(const Analysis *a, Span x, const Analysis *b, Span y) {
  return x.start == y.start && x.end == y.end && strcmp(a->uri[x.file], b->uri[y.file]) == 0;
}

static void uses_add(Uses *uses, const Analysis *a, const Analysis *of, const Symbol *symbol) {
  for (int i = 0; i < a->names->all.n; i++) {
    const Occurrence *o = &a->names->all.data[i];
    if (!same_definition(a, o->symbol->span, of, symbol->span)) continue;
    bool known = false;
    for (int k = 0; k < uses->all.n; k++)
      known |= same_definition(a, o->span, uses->all.data[k].analysis, uses->all.data[k].at.span);
    if (!known) vec_push(uses->arena, uses->all, ((Use){a, *o}));
  }
}

static Uses uses_of(Server *s, Arena *arena, const Place *place, const Symbol *symbol) {
  Uses uses = {.arena = arena};
  uses_add(&uses, place->analysis, place->analysis, symbol);
  for (Document *d = s->documents; d; d = d->next) {
    analysis_refresh(s, d);
    if (d->now != place->analysis) uses_add(&uses, d->now, place->analysis, symbol);
  }
  return uses;
}

/* The occurrence of a name at a position in the current text. */
static const Occurrence *occurrence(Server *s, const json_t *params, Place *place, Failure *failure) {
  if (!place_of(s, params, place, failure)) return NULL;
  return names_at(place->analysis->names, place->file, place->offset);
}

/* ---- definition ---- */
static json_t *import_target(const Server *s, const Place *place) {
  const File *file = file_of(place->analysis, place->file);
  for (int i = 0; i < file->n; i++) {
    const Import *import = file->decl[i]->import;
    if (file->decl[i]->kind != DECL_IMPORT || !import->file || place->offset < import->span.start ||
        place->offset > import->span.end)
      continue;
    return location_json(s, place->analysis, (Span){import->file->source, 0, 0});
  }
  return json_null();
}

json_t *answer_definition(Server *s, Arena *arena, const json_t *params, Failure *failure) {
  Place place;
  const Occurrence *at = occurrence(s, params, &place, failure);
  if (failure->code) return NULL;
  if (!at) return import_target(s, &place);
  const Uses uses = uses_of(s, arena, &place, at->symbol);
  json_t *places = json_array();
  for (int i = 0; i < uses.all.n; i++)
    if (uses.all.data[i].at.defines)
      json_array_append_new(places, location_json(s, uses.all.data[i].analysis, uses.all.data[i].at.span));
  return places;
}

json_t *answer_references(Server *s, Arena *arena, const json_t *params, Failure *failure) {
  Place place;
  const Occurrence *at = occurrence(s, params, &place, failure);
  if (!at) return failure->code ? NULL : json_null();
  const bool definitions =
      json_is_true(json_object_get(json_object_get(params, "context"), "includeDeclaration"));
  const Uses uses = uses_of(s, arena, &place, at->symbol);
  json_t *places = json_array();
  for (int i = 0; i < uses.all.n; i++)
    if (definitions || !uses.all.data[i].at.defines)
      json_array_append_new(places, location_json(s, uses.all.data[i].analysis, uses.all.data[i].at.span));
  return places;
}

json_t *answer_highlight(Server *s, Arena *arena, const json_t *params, Failure *failure) {
  (void)arena;
  Place place;
  const Occurrence *at = occurrence(s, params, &place, failure);
  if (!at) return failure->code ? NULL : json_null();
  json_t *places = json_array();
  for (int i = 0; i < place.analysis->names->all.n; i++) {
    const Occurrence *o = &place.analysis->names->all.data[i];
    if (o->symbol != at->symbol || o->span.file != place.file) continue;
    json_array_append_new(places, json_pack("{s:o, s:i}", "range", range_json(s, place.analysis, o->span),
                                            "kind", o->defines ? 3 : 2)); /* 3: written; 2: read */
  }
  return places;
}

/* ---- rename ---- */
json_t *answer_prepare_rename(Server *s, Arena *arena, const json_t *params, Failure *failure) {
  (void)arena;
  Place place;
  const Occurrence *at = occurrence(s, params, &place, failure);
  if (!at) return failure->code ? NULL : json_null();
  return json_pack("{s:o, s:s}", "range", range_json(s, place.analysis, at->span), "placeholder",
                   at->symbol->name);
}

static bool is_identifier(const char *s) {
  const size_t letters = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
  return letters > 0 && letters <= 200 && !s[letters] && !(s[0] >= '0' && s[0] <= '9');
}

static int use_order(const Use *a, const Use *b) {
  return a->at.span.start < b->at.span.start ? -1 : a->at.span.start > b->at.span.start;
}

static void uses_sort(Uses *uses) { /* insertion sort: few uses, nearly sorted */
  Use *list = uses->all.data;
  for (int i = 1; i < uses->all.n; i++) {
    const Use one = list[i];
    int at = i;
    for (; at > 0 && use_order(&one, &list[at - 1]) < 0; at--) list[at] = list[at - 1];
    list[at] = one;
  }
}

/* The text of a file after the renaming. */
static Instead renamed_edits(Arena *arena, const Uses *uses, const char *uri, const char *name) {
  Text text = {.arena = arena};
  const Source *source = NULL;
  uint32_t done = 0;
  for (int i = 0; i < uses->all.n; i++) {
    const Use *use = &uses->all.data[i];
    if (strcmp(use->analysis->uri[use->at.span.file], uri) != 0) continue;
    source = sources_get(&use->analysis->sources, use->at.span.file);
    text_bytes(&text, source->text + done, use->at.span.start - done);
    text_put(&text, "%s", name);
    done = use->at.span.end;
  }
  text_bytes(&text, source->text + done, source->n - done);
  return (Instead){file_identity(arena, source->path), text.s, text.n};
}

static int uses_in(const Analysis *a, const Uses *uses) {
  int n = 0;
  for (int i = 0; i < a->names->all.n; i++)
    for (int k = 0; k < uses->all.n; k++)
      n += same_definition(a, a->names->all.data[i].span, uses->all.data[k].analysis,
                           uses->all.data[k].at.span);
  return n;
}

/* Number of uses of the symbol after renaming. Finds the symbol by its first use in a file, because this use
 * still has its old position. */
static int uses_then(const Analysis *then, const Uses *uses) {
  const Symbol *symbol = NULL;
  int n = 0;
  for (int k = 0; k < uses->all.n && !symbol; k++) {
    const Use *use = &uses->all.data[k];
    const uint32_t file = analysis_source(then, use->analysis->uri[use->at.span.file]);
    const Occurrence *o = file ? names_at(then->names, file, use->at.span.start) : NULL;
    if (o) symbol = o->symbol;
  }
  for (int i = 0; i < then->names->all.n; i++) n += symbol && then->names->all.data[i].symbol == symbol;
  return n;
}

/* Analyzes the programs with the new name: they must have no more errors than before, and the symbol must
 * have as many uses as before. Returns NULL, or the reason why the name cannot be changed. */
static const char *rename_try(Server *s, Arena *arena, const Uses *uses, const char *name, int nfiles,
                              const Instead *instead) {
  const char *why = NULL;
  for (Document *d = s->documents; d && !why; d = d->next) {
    Analysis *then = analysis_new(s, d, nfiles, instead);
    Span where;
    if (diags_errors(then->diags) > diags_errors(d->now->diags)) why = diags_error(then->diags, 0, &where);
    else if (uses_in(d->now, uses) != uses_then(then, uses))
      why = "the name is already used, and the program would change its meaning";
    if (why) why = arena_printf(arena, "cannot rename to '%s': %s", name, why);
    analysis_free(then);
  }
  return why;
}

static bool file_listed(const Uses *uses, int before, const char *uri) {
  for (int i = 0; i < before; i++)
    if (strcmp(uses->all.data[i].analysis->uri[uses->all.data[i].at.span.file], uri) == 0) return true;
  return false;
}

json_t *answer_rename(Server *s, Arena *arena, const json_t *params, Failure *failure) {
  Place place;
  const char *name = json_string_value(json_object_get(params, "newName"));
  if (!name || !is_identifier(name)) {
    *failure = (Failure){RPC_INVALID_PARAMS, "a name has letters, digits, _; no digit first"};
    return NULL;
  }
  const Occurrence *at = occurrence(s, params, &place, failure);
  if (failure->code) return NULL;
  if (!at) return *failure = (Failure){RPC_REQUEST_FAILED, "no name at this position"}, NULL;
  Uses uses = uses_of(s, arena, &place, at->symbol);
  uses_sort(&uses);
  VEC(Instead) instead = {0};
  json_t *changes = json_object();
  for (int i = 0; i < uses.all.n; i++) {
    const Use *use = &uses.all.data[i];
    const char *uri = use->analysis->uri[use->at.span.file];
    if (!file_listed(&uses, i, uri)) {
      vec_push(arena, instead, renamed_edits(arena, &uses, uri, name));
      json_object_set_new(changes, uri, json_array());
    }
    json_array_append_new(
        json_object_get(changes, uri),
        json_pack("{s:o, s:s}", "range", range_json(s, use->analysis, use->at.span), "newText", name));
  }
  const char *why = rename_try(s, arena, &uses, name, instead.n, instead.data);
  if (!why) return json_pack("{s:o}", "changes", changes);
  json_decref(changes);
  *failure = (Failure){RPC_REQUEST_FAILED, why};
  return NULL;
}
