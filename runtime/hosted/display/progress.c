/* progress.c: Training progress on standard error. */
// SPDX-License-Identifier: MIT-0
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* ioctl's window size */
#endif
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hosted/base/number.h"
#include "hosted/display/progress.h"

enum { BAR = 24, SHORT_BAR = 8, SHORTEST_BAR = 4, LINE = 512 };

static bool speaks_utf8(void) {
#ifdef _WIN32 /* main has set the console to UTF-8 */
  return true;
#endif
  static const char *const variable[] = {"LC_ALL", "LC_CTYPE", "LANG"};
  for (int i = 0; i < 3; i++) {
    const char *value = getenv(variable[i]);
    if (value && *value)
      return strstr(value, "UTF-8") || strstr(value, "utf8") || strstr(value, "UTF8") ||
             strstr(value, "utf-8");
  }
  return false;
}

void cnn_progress_open(cnn_progress *progress, cnn_progress_kind kind) {
  const char *terminal = getenv("TERM");
  bool able = isatty(STDERR_FILENO) && !(terminal && strcmp(terminal, "dumb") == 0);
  *progress = (cnn_progress){.live = kind == CNN_PROGRESS_AUTO && able,
                             .quiet = kind == CNN_PROGRESS_NONE,
                             .unicode = speaks_utf8()};
}

static void erase(cnn_progress *progress) {
  if (progress->drawn) fputs("\r\033[K", stderr);
  progress->drawn = false;
}

static int columns(void) {
  struct winsize size;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

/* A line under construction; text that does not fit is cut off. */
typedef struct Line {
  char text[LINE];
  size_t length;
} Line;

__attribute__((format(printf, 2, 3))) static void add(Line *line, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int n = vsnprintf(line->text + line->length, sizeof line->text - line->length, format, arguments);
  va_end(arguments);
  if (n > 0) line->length += (size_t)n;
  if (line->length >= sizeof line->text) line->length = sizeof line->text - 1;
}

static void add_measures(Line *line, const char *prefix, const cnn_measures *measures) {
  if (!isnan(measures->loss)) add(line, "  %sloss %s", prefix, cnn_number_fixed(measures->loss, 4).text);
  for (int32_t i = 0; i < measures->metrics; i++) {
    add(line, "  %s%s %s", prefix, measures->metric[i].name,
        cnn_number_fixed(measures->metric[i].value, 4).text);
  }
}

/* Cuts the line at the terminal's width: a wrapped line could not be overwritten. */
static void show(cnn_progress *progress, const char *text) {
  int width = columns() - 1, used = 0;
  fputs("\r\033[K", stderr);
  for (const char *c = text; *c; c++) {
    if (((unsigned char)*c & 0xC0) != 0x80 && ++used > width) break;
    fputc(*c, stderr);
  }
  progress->drawn = true;
  fflush(stderr);
}

/* Adds the fields after the bar, the most important field first. Stops at the first field that does not fit
 * completely, because a truncated number would be wrong. Returns whether all fields except the rate fit; the
 * rate is the least important. */
static bool add_fields(Line *line, const cnn_event *event, const char *gap, size_t room) {
  enum { FIELDS = CNN_METRICS + 4 };
  Line field[FIELDS] = {0};
  int n = 0, shown = 0;
  add(&field[n++], "%s%s images/s", gap, cnn_number_grouped((int64_t)event->images_per_second).text);
  if (!isnan(event->measures->loss))
    add(&field[n++], "%sloss %s", gap, cnn_number_fixed(event->measures->loss, 4).text);
  for (int32_t i = 0; i < event->measures->metrics; i++) {
    add(&field[n++], "%s%s %s", gap, event->measures->metric[i].name,
        cnn_number_fixed(event->measures->metric[i].value, 4).text);
  }
  add(&field[n++], "%s%s left", gap, cnn_number_duration(event->seconds_left).text);
  add(&field[n++], "%srate %s", gap, cnn_number(event->rate, 3).text);
  for (; shown < n && line->length + field[shown].length <= room; shown++) add(line, "%s", field[shown].text);
  return shown >= n - 1;
}

/* On a narrow terminal the bar and the spaces shrink to make room for the numbers. */
static void draw_step(cnn_progress *progress, const cnn_event *event) {
  size_t width = (size_t)columns() - 1, least = SHORT_BAR;
  Line line = {{0}, 0}, after = {{0}, 0};
  add(&line, "epoch %d/%d ", (int)event->epoch, (int)event->epochs);
  add(&after, " %lld/%lld", (long long)event->step, (long long)event->steps);
  if (!add_fields(&after, event, "  ", width > line.length + least ? width - line.length - least : 0)) {
    least = SHORTEST_BAR;
    line.length = after.length = 0;
    add(&line, "%d/%d ", (int)event->epoch, (int)event->epochs);
    add(&after, " %lld/%lld", (long long)event->step, (long long)event->steps);
    add_fields(&after, event, " ", width > line.length + least ? width - line.length - least : 0);
  }
  size_t taken = line.length + after.length;
  int64_t bar = (int64_t)(width > taken + least ? width - taken : least);
  if (bar > BAR) bar = BAR;
  int64_t full = event->steps > 0 ? event->step * bar / event->steps : bar;
  for (int64_t i = 0; i < bar; i++)
    add(&line, "%s", i < full ? (progress->unicode ? "━" : "#") : (progress->unicode ? "┄" : "."));
  add(&line, "%s", after.text);
  show(progress, line.text);
}

static void print_epoch(const cnn_event *event) {
  const cnn_epoch *epoch = event->done;
  Line line = {{0}, 0};
  add(&line, "epoch %d/%d", (int)epoch->epoch, (int)event->epochs);
  add_measures(&line, "", &epoch->train);
  if (epoch->val.samples > 0) add_measures(&line, "val_", &epoch->val);
  add(&line, "  rate %s  %s images/s  %s s%s\n", cnn_number(epoch->rate, 3).text,
      cnn_number_grouped((int64_t)epoch->images_per_second).text, cnn_number_fixed(epoch->seconds, 1).text,
      epoch->best && epoch->val.samples > 0 ? "  best" : "");
  fputs(line.text, stderr);
}

void cnn_progress_event(void *context, const cnn_event *event) {
  cnn_progress *progress = context;
  if (progress->quiet && event->kind != CNN_EVENT_NOTE)
    return; /* --progress=none suppresses progress, but not notes */
  switch (event->kind) {
  case CNN_EVENT_NOTE:
    erase(progress);
    fprintf(stderr, "%s%s", event->note,
            *event->note && event->note[strlen(event->note) - 1] == '\n' ? "" : "\n");
    break;
  case CNN_EVENT_STEP:
    if (progress->live) draw_step(progress, event);
    break;
  case CNN_EVENT_VALIDATION:
    if (progress->live) {
      Line line = {{0}, 0};
      add(&line, "epoch %d/%d  validation ...", (int)event->epoch, (int)event->epochs);
      show(progress, line.text);
    }
    break;
  case CNN_EVENT_EPOCH:
    erase(progress);
    if (progress->line_every < 2 || event->done->epoch % progress->line_every == 0 ||
        event->done->epoch == event->epochs)
      print_epoch(event);
    break;
  case CNN_EVENT_END: erase(progress); break;
  }
}

void cnn_progress_close(cnn_progress *progress) { erase(progress); }
