/* diagnostics.c: Diagnostics, with their notes on other locations, and their fixes. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/diag_record.h"
#include "lsp/lsp.h"

static json_t *related_json(const Server *s, const Analysis *a, const Diag *diag) {
  json_t *related = json_array();
  const DiagNote *notes;
  const int n = diag_all_notes(diag, a->arena, &notes);
  for (int i = 0; i < n; i++) {
    const Span span = notes[i].span;
    if (span.file < 1 || span.file > (uint32_t)a->main_files) continue;
    json_array_append_new(related, json_pack("{s:o, s:o}", "location", location_json(s, a, span), "message",
                                             string_json(a->arena, notes[i].message)));
  }
  return related;
}

/* A diagnostic of the protocol. Its message includes the details and helps, one per line. */
static json_t *diagnostic_json(const Server *s, const Analysis *a, const Diag *diag) {
  Text message = {.arena = a->arena};
  text_put(&message, "%s", diag->message);
  for (int i = 0; i < diag->facts.n; i++) text_put(&message, "\n%s", diag->facts.data[i]);
  for (int i = 0; i < diag->helps.n; i++) text_put(&message, "\nhelp: %s", diag->helps.data[i]);
  json_t *json =
      json_pack("{s:o, s:i, s:s, s:s, s:o, s:o}", "range", range_json(s, a, diag->span), "severity",
                diag->level == DIAG_ERROR ? 1 : 2, "code", diag_info[diag->id].slug, "source", "cnnc",
                "message", string_json(a->arena, message.s), "relatedInformation", related_json(s, a, diag));
  const bool unused = strncmp(diag_info[diag->id].slug, "unused-", 7) == 0;
  if (unused) json_object_set_new(json, "tags", json_pack("[i]", 1));
  return json;
}

/* ---- by file ---- */
static bool same_mistake(const json_t *a, const json_t *b) {
  static const char *const keys[] = {"range", "code", "message"};
  bool same = true;
  for (int i = 0; i < 3; i++)
    same &= json_equal(json_object_get(a, keys[i]), json_object_get(b, keys[i])) != 0;
  return same;
}

static void add_diagnostic(json_t *files, const char *uri, json_t *diagnostic) {
  json_t *list = json_object_get(files, uri);
  if (!list) json_object_set_new(files, uri, list = json_array());
  bool known = false; /* the list has it, from another document that imports the file */
  for (size_t i = 0; i < json_array_size(list); i++)
    known |= same_mistake(json_array_get(list, i), diagnostic);
  if (known) json_decref(diagnostic);
  else json_array_append_new(list, diagnostic);
}

static json_t *files_collect(Server *s) {
  json_t *files = json_object();
  for (Document *d = s->documents; d; d = d->next) {
    const Diags *diags = d->now->diags;
    for (int i = 0; i < diags->list.n; i++) {
      const Diag *diag = diags->list.data[i];
      const bool placed = diag->span.file >= 1 && diag->span.file <= (uint32_t)d->now->main_files;
      add_diagnostic(files, placed ? d->now->uri[diag->span.file] : d->uri, diagnostic_json(s, d->now, diag));
    }
  }
  return files;
}

static void publish(Server *s, const char *uri, json_t *list) {
  const Document *d = document_find(s, uri);
  json_t *params = json_pack("{s:s, s:o}", "uri", uri, "diagnostics", list);
  if (d) json_object_set_new(params, "version", json_integer(d->version));
  notify(s, "textDocument/publishDiagnostics", params);
}

/* Publishes diagnostics of files that have diagnostics, had diagnostics before, or are open. */
void diagnostics_publish(Server *s) {
  for (Document *d = s->documents; d; d = d->next) analysis_refresh(s, d);
  s->changed = false;
  json_t *files = files_collect(s), *list;
  for (int i = 0; i < s->published.n; i++)
    if (!json_object_get(files, s->published.data[i]))
      json_object_set_new(files, s->published.data[i], json_array());
  for (Document *d = s->documents; d; d = d->next)
    if (!json_object_get(files, d->uri)) json_object_set_new(files, d->uri, json_array());
  const char *uri;
  json_object_foreach(files, uri, list) {
    int at = 0;
    while (at < s->published.n && strcmp(s->published.data[at], uri) != 0) at++;
    if (at == s->published.n) vec_push(s->arena, s->published, arena_copy(s->arena, uri, strlen(uri)));
    publish(s, uri, json_incref(list));
  }
  json_decref(files);
}

/* ---- code actions ---- */
static bool overlaps_range(Span a, uint32_t from, uint32_t to) { return a.start <= to && from <= a.end; }

static json_t *edits_json(const Server *s, const Analysis *a, const Diag *diag) {
  json_t *changes = json_object();
  for (int i = 0; i < diag->fixes.n; i++) {
    const DiagFix *fix = &diag->fixes.data[i];
    if (fix->span.file < 1 || fix->span.file > (uint32_t)a->main_files) continue;
    const char *uri = a->uri[fix->span.file];
    json_t *list = json_object_get(changes, uri);
    if (!list) json_object_set_new(changes, uri, list = json_array());
    json_array_append_new(list, json_pack("{s:o, s:o}", "range", range_json(s, a, fix->span), "newText",
                                          string_json(a->arena, fix->text)));
  }
  return json_pack("{s:o}", "changes", changes);
}

static bool wants(const json_t *params, const char *kind) {
  const json_t *only = json_object_get(json_object_get(params, "context"), "only");
  bool wanted = !json_is_array(only);
  for (size_t i = 0; i < json_array_size(only); i++) {
    const char *one = json_string_value(json_array_get(only, i));
    const size_t n = one ? strlen(one) : 0;
    wanted |= n && strncmp(kind, one, n) == 0 && (kind[n] == 0 || kind[n] == '.');
  }
  return wanted;
}

/* Adds a code action that applies all fixes of this document that do not overlap. */
static void fix_all(Server *s, const Document *d, json_t *actions) {
  const Analysis *a = d->now;
  bool *may = NEW_ARRAY(a->arena, bool, a->sources.list.n + 2);
  may[1] = true;
  FixedSource *fixed;
  if (diags_fix(a->diags, may, &fixed) != 1) return;
  const Source *source = sources_get(&a->sources, 1);
  const Span whole = {1, 0, (uint32_t)source->n};
  const size_t mark = source->mark ? 3 : 0; /* the range begins after the byte order mark */
  json_t *edit = json_pack("{s:o, s:o}", "range", range_json(s, a, whole), "newText",
                           json_stringn(fixed[0].text + mark, fixed[0].n - mark));
  json_array_append_new(actions, json_pack("{s:s, s:s, s:{s:{s:[o]}}}", "title", "Apply all cnnc fixes",
                                           "kind", "source.fixAll.cnnc", "edit", "changes", d->uri, edit));
}

json_t *answer_actions(Server *s, Arena *arena, const json_t *params, Failure *failure) {
  Document *d = document_of(s, params, failure);
  if (!d) return NULL;
  json_int_t line[2], character[2];
  const json_t *range = json_object_get(params, "range");
  if (!place_read(json_object_get(range, "start"), &line[0], &character[0]) ||
      !place_read(json_object_get(range, "end"), &line[1], &character[1])) {
    *failure = (Failure){RPC_INVALID_PARAMS, "range is missing"};
    return NULL;
  }
  analysis_refresh(s, d);
  const Analysis *a = d->now;
  const uint32_t from = position_offset(s, a, 1, line[0], character[0]),
                 to = position_offset(s, a, 1, line[1], character[1]);
  json_t *actions = json_array();
  for (int i = 0; i < a->diags->list.n && wants(params, "quickfix"); i++) {
    const Diag *diag = a->diags->list.data[i];
    if (!diag->fixes.n || diag->span.file != 1 || !overlaps_range(diag->span, from, to)) continue;
    const char *help = diag->helps.n ? diag->helps.data[0] : diag->message,
               *title = arena_printf(arena, "Fix: %s", help);
    json_array_append_new(actions,
                          json_pack("{s:o, s:s, s:[o], s:o, s:b}", "title", string_json(arena, title), "kind",
                                    "quickfix", "diagnostics", diagnostic_json(s, a, diag), "edit",
                                    edits_json(s, a, diag), "isPreferred", diag->fixes.n == 1));
  }
  if (wants(params, "source.fixAll.cnnc")) fix_all(s, d, actions);
  return actions;
}
