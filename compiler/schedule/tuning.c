// tuning.c: Reader and writer of the tuning file.
// SPDX-License-Identifier: Apache-2.0
#include "schedule/tuning.h"
#include <string.h>

/* The version number changes when the meaning of choices changes. */
static const char first_line[] = "# cnnc tuning 1";

static const char *const order_names[] = {
    [ORDER_OWN] = NULL, [ORDER_ROWS] = "rows", [ORDER_PANELS] = "panels"};
enum { ORDERS = sizeof order_names / sizeof *order_names };

/* ---- in memory ---- */
Tuned *tuning_find(const Tuning *tuning, const char *target, const char *key) {
  for (int i = 0; i < tuning->lines.n; i++)
    if (!strcmp(tuning->lines.data[i]->target, target) && !strcmp(tuning->lines.data[i]->key, key))
      return tuning->lines.data[i];
  return NULL;
}

void tuning_set(Tuning *tuning, Tuned line) {
  Tuned *known = tuning_find(tuning, line.target, line.key);
  if (!known) {
    known = NEW(tuning->arena, Tuned);
    vec_push(tuning->arena, tuning->lines, known);
  }
  *known = line;
}

/* ---- writing ---- */
const char *tuning_choice(Arena *arena, const Choice *choice) {
  Text out = {.arena = arena};
  text_put(&out, "%s",
           choice->schedule && choice->schedule->tuning_name ? choice->schedule->tuning_name : "own");
  if (choice->m) text_put(&out, " m=%d", choice->m);
  if (choice->tiles) text_put(&out, " tiles=%d", choice->tiles);
  if (choice->pixels) text_put(&out, " pixels=%d", choice->pixels);
  if (choice->order) text_put(&out, " order=%s", order_names[choice->order]);
  return out.s;
}

static const char *microseconds(Arena *arena,
                                double us) { /* with enough digits for the precision of measurements */
  char text[32];
  snprintf(text, sizeof text, us < 100 ? "%.2f" : "%.0f", us);
  return arena_copy(arena, text, strlen(text));
}

void tuning_put(Text *out, const Tuning *tuning, const char *program) {
  text_put(out,
           "%s\n# Choices that `cnnc --tune` measured for %s; later compilations read them. Each line has "
           "the target, the kernel, the choice,\n"
           "# its time, and the time of the cost model's choice, on one thread. Delete lines, or the file, "
           "to go back to the cost model.\n",
           first_line, program);
  for (int i = 0; i < tuning->lines.n; i++) {
    const Tuned *t = tuning->lines.data[i];
    text_put(out, "%s %s: %s us=%s model_us=%s\n", t->target, t->key, tuning_choice(out->arena, &t->choice),
             microseconds(out->arena, t->us), microseconds(out->arena, t->model_us));
  }
}

/* ---- reading ---- */
static bool read_count(const char *text, int *value) {
  double number;
  if (!text_number(text, &number) || number < 1 || number > 1e6 || number != (double)(int)number)
    return false;
  *value = (int)number;
  return true;
}

static bool read_time(const char *text, double *value) {
  return text_number(text, value) && *value >= 0 && *value < 1e12;
}

static bool read_name(const char *text, const char *const *names, int n, int *value) {
  for (int i = 0; i < n; i++)
    if (names[i] && !strcmp(names[i], text)) return *value = i, true;
  return false;
}

static bool read_setting(Tuned *t, const char *name, const char *value) {
  int order = 0;
  if (!strcmp(name, "m")) return read_count(value, &t->choice.m);
  if (!strcmp(name, "tiles")) return read_count(value, &t->choice.tiles);
  if (!strcmp(name, "pixels")) return read_count(value, &t->choice.pixels);
  if (!strcmp(name, "us")) return read_time(value, &t->us);
  if (!strcmp(name, "model_us")) return read_time(value, &t->model_us);
  if (strcmp(name, "order") != 0 || !read_name(value, order_names, ORDERS, &order)) return false;
  t->choice.order = (Order)order;
  return true;
}

/* Parses "winograd m=4 tiles=56 us=102.3". Returns NULL if all words are valid; otherwise the first invalid
 * word, or "" if there is no word. */
static const char *read_choice(Arena *arena, Tuned *t, char *words) {
  for (int n = 0;; n++) {
    words += strspn(words, " ");
    if (!*words) return n ? NULL : "";
    const size_t length = strcspn(words, " ");
    const char *word = arena_copy(arena, words, length);
    const char *equals = strchr(word, '=');
    words += length;
    if (n == 0) t->choice.schedule = schedule_named(word);
    if (n == 0 ? !t->choice.schedule
               : !equals || !read_setting(t, arena_copy(arena, word, (size_t)(equals - word)), equals + 1))
      return word;
  }
}

static void read_line(Tuning *tuning, Diags *diags, char *line, Span span) {
  char *space = strchr(line, ' '), *colon = strrchr(line, ':');
  Tuned t = {.target = line, .key = space ? space + 1 : "", .span = span};
  if (!space || !colon || colon < space) {
    diag_report(diags, DIAG_tuning_ignored, span, NULL,
                "not a schedule: a line needs a target, a kernel, a colon and the schedule");
    return;
  }
  *space = *colon = 0;
  const char *wrong = read_choice(tuning->arena, &t, colon + 1);
  if (!wrong) tuning_set(tuning, t);
  else if (*wrong)
    diag_report(diags, DIAG_tuning_ignored, span, NULL, "'%s' is unknown in a schedule", wrong);
  else diag_report(diags, DIAG_tuning_ignored, span, NULL, "a line without a schedule");
}

static bool is_text(const Source *source) {
  for (size_t i = 0; i < source->n;) {
    uint32_t code;
    const int bytes = text_decode(source->text + i, source->n - i, &code);
    if (!bytes || code == 0x7f || (code < ' ' && code != '\n' && code != '\r' && code != '\t')) return false;
    i += (size_t)bytes;
  }
  return true;
}

void tuning_read(Tuning *tuning, Diags *diags, const Sources *sources, uint32_t file) {
  const Source *source = sources_get(sources, file);
  if (!is_text(source)) {
    diag_report(diags, DIAG_tuning_ignored, NO_SPAN, NULL, "'%s' is not a tuning file", source->path);
    return;
  }
  const size_t first = strlen(first_line);
  if (source->n < first || strncmp(source->text, first_line, first) != 0 ||
      (source->n > first && !strchr("\r\n", source->text[first]))) {
    Diag *diag =
        diag_report(diags, DIAG_tuning_ignored, NO_SPAN, NULL,
                    "'%s' does not begin with '%s': it has a different version", source->path, first_line);
    diag_help(diag, "--tune rewrites it");
    return;
  }
  for (size_t at = 0, end; at < source->n; at = end + 1) {
    for (end = at; end < source->n && source->text[end] != '\n';) end++;
    size_t last = end;
    while (last > at && strchr(" \t\r", source->text[last - 1])) last--;
    if (last > at && source->text[at] != '#')
      read_line(tuning, diags, arena_copy(tuning->arena, source->text + at, last - at),
                (Span){file, (uint32_t)at, (uint32_t)last});
  }
}

void tuning_report(const Tuning *tuning, Diags *diags) {
  for (int i = 0; i < tuning->lines.n; i++)
    if (tuning->lines.data[i]->refused)
      diag_report(diags, DIAG_tuning_ignored, tuning->lines.data[i]->span, NULL,
                  "this schedule is not possible: %s", tuning->lines.data[i]->refused);
}
