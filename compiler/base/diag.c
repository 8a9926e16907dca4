/* diag.c: Diagnostics: -W options, recording, sorting into source order. */
// SPDX-License-Identifier: Apache-2.0
#include "base/diag.h"
#include <string.h>
#include "base/diag_record.h"

enum { MOST_MESSAGES = 100, MOST_APPLICATIONS = 12 };

const DiagInfo diag_info[DIAG_COUNT] = {
#define DIAG(id, slug, level, summary, page) [DIAG_##id] = {slug, DIAG_##level, summary, page},
#include "base/diag.def"
#undef DIAG
};

int diag_find(const char *slug) {
  for (int id = 0; id < DIAG_COUNT; id++)
    if (strcmp(diag_info[id].slug, slug) == 0) return id;
  return -1;
}

Diags *diags_new(Arena *arena, const Sources *sources) {
  Diags *diags = NEW(arena, Diags);
  diags->arena = arena;
  diags->sources = sources;
  return diags;
}

/* ---- options ---- */

static int warning_find(const char *slug) {
  const int id = diag_find(slug);
  return id >= 0 && diag_info[id].level != DIAG_ERROR ? id : -1;
}

bool diag_cannot_write(Diags *diags, const char *path, const char *why) {
  const char *what = strcmp(path, "-") == 0 ? "standard output" : arena_printf(diags->arena, "'%s'", path);
  diag_report(diags, DIAG_cannot_write, NO_SPAN, NULL, "cannot write %s: %s", what, why);
  return false;
}

bool diags_option(Diags *diags, const char *option) {
  const bool off = strncmp(option, "no-", 3) == 0;
  const char *what = option + (off ? 3 : 0);
  if (strcmp(what, "error") == 0) return diags->all_errors = !off, true;
  const bool error = strncmp(what, "error=", 6) == 0;
  const int id = warning_find(what + (error ? 6 : 0));
  if (id < 0) return false;
  if (error) diags->is_error[id] = off ? SETTING_OFF : SETTING_ON;
  if (!error || !off) diags->shown[id] = off ? SETTING_OFF : SETTING_ON; /* -Werror=slug includes -Wslug */
  return true;
}

void diags_options(Diags *diags, const WordList *options) {
  for (int i = 0; i < options->n; i++) diags_option(diags, options->data[i]);
}

static DiagLevel effective_level(const Diags *diags, DiagId id) {
  const DiagLevel level = diag_info[id].level;
  const bool all = diags->all_errors && level == DIAG_WARNING,
             error = diags->is_error[id] == SETTING_DEFAULT ? all : diags->is_error[id] == SETTING_ON;
  return error ? DIAG_ERROR : level;
}

/* ---- recording ---- */

static bool reported_already(const Diags *diags, DiagId id, Span span, const char *message) {
  for (int i = 0; i < diags->list.n; i++) {
    const Diag *diag = diags->list.data[i];
    const bool same_place =
        diag->span.file == span.file && diag->span.start == span.start && diag->span.end == span.end;
    if (diag->id == id && same_place && strcmp(diag->message, message) == 0) return true;
  }
  return false;
}

Diag *diag_report(Diags *diags, DiagId id, Span span, const Site *site, const char *format, ...) {
  if (diags->shown[id] == SETTING_OFF) return &diags->muted;
  va_list args;
  va_start(args, format);
  const char *message = arena_vprintf(diags->arena, format, args);
  va_end(args);
  if (reported_already(diags, id, span, message)) return &diags->muted;
  const DiagLevel level = effective_level(diags, id);
  int *count = level == DIAG_ERROR     ? &diags->errors
               : level == DIAG_WARNING ? &diags->warnings
                                       : &diags->notes;
  if (*count == MOST_MESSAGES) return diags->cut = true, &diags->muted;
  ++*count;
  Diag *diag = NEW(diags->arena, Diag);
  *diag = (Diag){.arena = diags->arena,
                 .sources = diags->sources,
                 .id = id,
                 .level = level,
                 .span = span,
                 .site = site,
                 .message = message};
  vec_push(diags->arena, diags->list, diag);
  return diag;
}

#define FORMATTED(text, arena, format)                                                                       \
  va_list args;                                                                                              \
  va_start(args, format);                                                                                    \
  const char *text = arena_vprintf(arena, format, args);                                                     \
  va_end(args)

Diag *diag_from_sizes(Diag *diag) {
  if (diag->arena) diag->from_sizes = true;
  return diag;
}

void diag_note(Diag *diag, Span span, const char *format, ...) {
  if (!diag->arena) return;
  FORMATTED(message, diag->arena, format);
  vec_push(diag->arena, diag->notes, ((DiagNote){span, message}));
}

void diag_fact(Diag *diag, const char *format, ...) {
  if (!diag->arena) return;
  FORMATTED(fact, diag->arena, format);
  vec_push(diag->arena, diag->facts, fact);
}

void diag_help(Diag *diag, const char *format, ...) {
  if (!diag->arena) return;
  FORMATTED(help, diag->arena, format);
  vec_push(diag->arena, diag->helps, help);
}

void diag_fix(Diag *diag, Span span, const char *format, ...) {
  if (!diag->arena || !sources_get(diag->sources, span.file)) return;
  FORMATTED(text, diag->arena, format);
  vec_push(diag->arena, diag->fixes, ((DiagFix){span, text}));
}

void diag_fix_argument(Diag *diag, Span call, const char *argument) {
  const Source *source = diag->arena ? sources_get(diag->sources, call.file) : NULL;
  if (!source || source->text[call.end - 1] != ')') return;
  const char *text = source->text;
  uint32_t at = call.end - 1;
  if (memchr(text + call.start, '#', at - call.start)) return; /* the last argument may end in a comment */
  while (strchr(" \t\r\n", text[at - 1])) at--;
  diag_fix(diag, (Span){call.file, at, at}, text[at - 1] == ',' ? " %s" : ", %s", argument);
}

static bool span_holds(const Diag *diag, Span span, const char *text) {
  const Source *source = sources_get(diag->sources, span.file);
  const size_t n = strlen(text);
  return source && span.end <= source->n && span.end - span.start == n &&
         memcmp(source->text + span.start, text, n) == 0;
}

void diag_meant(Diag *diag, Span span, const char *word, const char *meant) {
  if (!diag->arena) return;
  diag_help(diag, "did you mean '%s'?", meant);
  if (span_holds(diag, span, word)) diag_fix(diag, span, "%s", meant);
  else if (span_holds(diag, span, arena_printf(diag->arena, "\"%s\"", word)))
    diag_fix(diag, span, "\"%s\"", meant);
}

const char *diags_error(const Diags *diags, int i, Span *where) {
  for (int k = 0; k < diags->list.n; k++) {
    const Diag *diag = diags->list.data[k];
    if (diag->level != DIAG_ERROR || i-- > 0) continue;
    *where = diag->span;
    return diag->message;
  }
  return NULL;
}

int diags_errors(const Diags *diags) { return diags->errors; }
int diags_mistakes(const Diags *diags) {
  int mistakes = 0;
  for (int i = 0; i < diags->list.n; i++) mistakes += diag_info[diags->list.data[i]->id].level == DIAG_ERROR;
  return mistakes;
}
int diags_warnings(const Diags *diags) { return diags->warnings; }

/* ---- printing ---- */

/* If blocks are nested deeply, only the innermost and the outermost applications are shown. */
int diag_all_notes(const Diag *diag, Arena *arena, const DiagNote **notes) {
  VEC(DiagNote) all = {0};
  for (int i = 0; i < diag->notes.n; i++) vec_push(arena, all, diag->notes.data[i]);
  int depth = 0, at = 0;
  for (const Site *site = diag->site; site; site = site->outer) depth++;
  for (const Site *site = diag->site; site; site = site->outer, at++) {
    const bool left_out =
        depth > MOST_APPLICATIONS && at >= MOST_APPLICATIONS / 2 && at < depth - MOST_APPLICATIONS / 2;
    if (!left_out)
      vec_push(arena, all,
               ((DiagNote){site->applied, arena_printf(arena, "in %s, applied here", site->block)}));
    else if (at == MOST_APPLICATIONS / 2)
      vec_push(arena, all,
               ((DiagNote){NO_SPAN, arena_printf(arena, "and %d more applications in between",
                                                 depth - MOST_APPLICATIONS)}));
  }
  *notes = all.data;
  return all.n;
}

static bool comes_before(const Sources *sources, Span a, Span b) {
  if (a.file == 0 || b.file == 0) return a.file != 0 && b.file == 0;
  const Source *x = sources_get(sources, a.file), *y = sources_get(sources, b.file);
  if (x != y && x && y) return x->rank != y->rank ? x->rank < y->rank : a.file < b.file;
  return a.start != b.start ? a.start < b.start : a.end > b.end;
}

/* Insertion sort: it is stable, and there are few messages. */
static void diags_sort(Diags *diags) {
  Diag **list = diags->list.data;
  for (int i = 1; i < diags->list.n; i++) {
    Diag *diag = list[i];
    int at = i;
    for (; at > 0 && comes_before(diags->sources, diag->span, list[at - 1]->span); at--)
      list[at] = list[at - 1];
    list[at] = diag;
  }
}

void diags_print(Diags *diags, FILE *file, DiagFormat format, bool color) {
  diags_sort(diags);
  Text text = {.arena = diags->arena};
  if (format == DIAG_JSON) diags_put_json(diags, &text);
  else if (format == DIAG_SARIF) diags_put_sarif(diags, &text);
  else diags_put_text(diags, &text, color);
  if (text.n) fwrite(text.s, 1, text.n, file);
  fflush(file);
}
