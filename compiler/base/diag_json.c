/* diag_json.c: Messages as JSON and as SARIF 2.1.0. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/diag_record.h"

static const char *const level_name[] = {"note", "warning", "error"};

static void put_json_field(Text *text, const char *key, const char *value) {
  text_put(text, "\"%s\": ", key);
  if (value) text_json(text, value);
  else text_put(text, "null");
  text_put(text, ", ");
}

/* The end position is exclusive. Without a position, the file, lines and columns are null. */
static void put_place(const Diags *diags, Text *text, Span span) {
  if (!sources_get(diags->sources, span.file)) {
    text_put(text,
             "\"file\": null, \"line\": null, \"column\": null, \"end_line\": null, \"end_column\": null, ");
    return;
  }
  const SourcePlace start = sources_place(diags->sources, span.file, span.start);
  const SourcePlace end =
      sources_place(diags->sources, span.file, span.end > span.start ? span.end : span.start);
  put_json_field(text, "file", start.path);
  text_put(text, "\"line\": %d, \"column\": %d, \"end_line\": %d, \"end_column\": %d, ", start.line,
           start.column, end.line, end.column);
}

static void put_note(const Diags *diags, Text *text, const char *separator, Span span, const char *message) {
  text_put(text, "%s\n    {", separator);
  put_json_field(text, "severity", "note");
  put_json_field(text, "slug", NULL);
  put_json_field(text, "message", message);
  put_place(diags, text, span);
  text_put(text, "\"notes\": [], \"help\": [], \"fixes\": []}");
}

static void put_lines(const Diags *diags, Text *text, Span span, const char *const key[4]) {
  const SourcePlace start = sources_place(diags->sources, span.file, span.start);
  const SourcePlace end = sources_place(diags->sources, span.file, span.end);
  const int place[] = {start.line, start.column, end.line, end.column};
  for (int i = 0; i < 4; i++) text_put(text, "%s\"%s\": %d", i ? ", " : "", key[i], place[i]);
}

/* The fix's file is printed only if it differs from the message's file. */
static void put_fix(const Diags *diags, Text *text, const Diag *diag, const DiagFix *fix) {
  static const char *const key[] = {"line", "column", "end_line", "end_column"};
  text_put(text, "{");
  if (fix->span.file != diag->span.file)
    put_json_field(text, "file", sources_get(diags->sources, fix->span.file)->path);
  put_lines(diags, text, fix->span, key);
  text_put(text, ", \"text\": ");
  text_json(text, fix->text);
  text_put(text, "}");
}

/* The details of a message (`facts`) become notes at the position of the message. */
static void put_message(const Diags *diags, Text *text, const Diag *diag) {
  text_put(text, "{");
  put_json_field(text, "severity", level_name[diag->level]);
  put_json_field(text, "slug", diag_info[diag->id].slug);
  put_json_field(text, "message", diag->message);
  put_place(diags, text, diag->span);
  text_put(text, "\"notes\": [");
  const DiagNote *notes;
  const int n = diag_all_notes(diag, diags->arena, &notes);
  for (int i = 0; i < diag->facts.n; i++)
    put_note(diags, text, i ? "," : "", diag->span, diag->facts.data[i]);
  for (int i = 0; i < n; i++)
    put_note(diags, text, i || diag->facts.n ? "," : "", notes[i].span, notes[i].message);
  text_put(text, "], \"help\": [");
  for (int i = 0; i < diag->helps.n; i++) {
    if (i) text_put(text, ", ");
    text_json(text, diag->helps.data[i]);
  }
  text_put(text, "], \"fixes\": [");
  for (int i = 0; i < diag->fixes.n; i++) {
    if (i) text_put(text, ", ");
    put_fix(diags, text, diag, &diag->fixes.data[i]);
  }
  text_put(text, "]}");
}

void diags_put_json(const Diags *diags, Text *text) {
  text_put(text, "[");
  for (int i = 0; i < diags->list.n; i++) {
    text_put(text, i ? ",\n  " : "\n  ");
    put_message(diags, text, diags->list.data[i]);
  }
  text_put(text, diags->list.n ? "\n]\n" : "]\n");
}

/* ---- SARIF ---- */

/* A path as a URI, percent-encoded. */
static const char *uri_of(Arena *arena, const char *path) {
  Text uri = {.arena = arena};
  for (const char *c = path; *c; c++) {
    const bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
    if (letter || strchr("/._-~", *c)) text_bytes(&uri, c, 1);
    else text_put(&uri, "%%%02X", (unsigned)(unsigned char)*c);
  }
  return uri.s ? uri.s : "";
}

static void put_physical(const Diags *diags, Text *text, Span span) {
  const SourcePlace start = sources_place(diags->sources, span.file, span.start);
  const SourcePlace end =
      sources_place(diags->sources, span.file, span.end > span.start ? span.end : span.start);
  text_put(text, "\"physicalLocation\": {\"artifactLocation\": {\"uri\": ");
  text_json(text, uri_of(diags->arena, start.path));
  text_put(text,
           "}, \"region\": {\"startLine\": %d, \"startColumn\": %d, \"endLine\": %d, \"endColumn\": %d}}",
           start.line, start.column, end.line, end.column);
}

static void put_related(const Diags *diags, Text *text, int id, const DiagNote *note) {
  text_put(text, "%s\n            {\"id\": %d, \"message\": {\"text\": ", id ? "," : "", id);
  text_json(text, note->message);
  text_put(text, "}");
  if (sources_get(diags->sources, note->span.file)) {
    text_put(text, ", ");
    put_physical(diags, text, note->span);
  }
  text_put(text, "}");
}

/* The replacements in one file. */
static void put_change(const Diags *diags, Text *text, const Diag *diag, uint32_t file) {
  static const char *const key[] = {"startLine", "startColumn", "endLine", "endColumn"};
  const char *separator = "";
  text_put(text, "{\"artifactLocation\": {\"uri\": ");
  text_json(text, uri_of(diags->arena, sources_get(diags->sources, file)->path));
  text_put(text, "}, \"replacements\": [");
  for (int i = 0; i < diag->fixes.n; i++) {
    const DiagFix *fix = &diag->fixes.data[i];
    if (fix->span.file != file) continue;
    text_put(text, "%s{\"deletedRegion\": {", separator);
    put_lines(diags, text, fix->span, key);
    text_put(text, "}, \"insertedContent\": {\"text\": ");
    text_json(text, fix->text);
    text_put(text, "}}");
    separator = ", ";
  }
  text_put(text, "]}");
}

static bool file_told(const Diag *diag, int before, uint32_t file) {
  for (int i = 0; i < before; i++)
    if (diag->fixes.data[i].span.file == file) return true;
  return false;
}

/* One fix with all edits of the message. */
static void put_fixes(const Diags *diags, Text *text, const Diag *diag) {
  text_put(text, ",\n          \"fixes\": [{\"description\": {\"text\": ");
  text_json(text, diag->helps.n ? diag->helps.data[0] : diag->message);
  text_put(text, "}, \"artifactChanges\": [");
  for (int i = 0; i < diag->fixes.n; i++) {
    const uint32_t file = diag->fixes.data[i].span.file;
    if (file_told(diag, i, file)) continue;
    text_put(text, "%s", i ? ", " : "");
    put_change(diags, text, diag, file);
  }
  text_put(text, "]}]");
}

static void put_result(const Diags *diags, Text *text, const Diag *diag, int rule) {
  Text message = {.arena = diags->arena};
  text_put(&message, "%s", diag->message);
  for (int i = 0; i < diag->facts.n; i++) text_put(&message, "\n%s", diag->facts.data[i]);
  for (int i = 0; i < diag->helps.n; i++) text_put(&message, "\nhelp: %s", diag->helps.data[i]);
  text_put(text,
           "{\"ruleId\": \"%s\", \"ruleIndex\": %d, \"level\": \"%s\",\n          \"message\": {\"text\": ",
           diag_info[diag->id].slug, rule, level_name[diag->level]);
  text_json(text, message.s);
  text_put(text, "},\n          \"locations\": [");
  if (sources_get(diags->sources, diag->span.file)) {
    text_put(text, "{");
    put_physical(diags, text, diag->span);
    text_put(text, "}");
  }
  text_put(text, "],\n          \"relatedLocations\": [");
  const DiagNote *notes;
  const int n = diag_all_notes(diag, diags->arena, &notes);
  for (int i = 0; i < n; i++) put_related(diags, text, i, &notes[i]);
  text_put(text, "]");
  if (diag->fixes.n) put_fixes(diags, text, diag);
  text_put(text, "}");
}

void diags_put_sarif(const Diags *diags, Text *text) {
  int rule[DIAG_COUNT], rules = 0;
  for (int id = 0; id < DIAG_COUNT; id++) rule[id] = -1;
  for (int i = 0; i < diags->list.n; i++) rule[diags->list.data[i]->id] = 0;
  text_put(text, "{\n  \"$schema\": \"https://json.schemastore.org/sarif-2.1.0.json\",\n  \"version\": "
                 "\"2.1.0\",\n  \"runs\": [\n    {\n"
                 "      \"tool\": {\"driver\": {\"name\": \"cnnc\", \"rules\": [");
  for (int id = 0; id < DIAG_COUNT; id++) {
    if (rule[id] < 0) continue;
    text_put(text, "%s\n        {\"id\": \"%s\", \"shortDescription\": {\"text\": ", rules ? "," : "",
             diag_info[id].slug);
    text_json(text, diag_info[id].summary);
    text_put(text, "}, \"help\": {\"text\": ");
    text_json(text, diag_info[id].page);
    text_put(text, "}, \"defaultConfiguration\": {\"level\": \"%s\"}}", level_name[diag_info[id].level]);
    rule[id] = rules++;
  }
  text_put(text, "]}},\n      \"columnKind\": \"unicodeCodePoints\",\n      \"results\": [");
  for (int i = 0; i < diags->list.n; i++) {
    text_put(text, i ? ",\n        " : "\n        ");
    put_result(diags, text, diags->list.data[i], rule[diags->list.data[i]->id]);
  }
  text_put(text, "]\n    }\n  ]\n}\n");
}
