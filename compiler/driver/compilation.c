/* compilation.c: Common functions of the stages of a compilation: times, errors, file names. */
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include "compilation.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* ---- time ---- */
double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void stage_done(Compilation *c, const char *name) {
  const double time = now();
  const Stage stage = {name, time - c->since};
  vec_push(c->arena, c->stages, stage);
  c->since = time;
}

void print_times(const Compilation *c) {
  double total = 0;
  for (int i = 0; i < c->stages.n; i++) {
    fprintf(stderr, "%9.3f ms  %s\n", 1e3 * c->stages.data[i].seconds, c->stages.data[i].name);
    total += c->stages.data[i].seconds;
  }
  fprintf(stderr, "%9.3f ms  in all; %.1f MB\n", 1e3 * total, (double)arena_bytes(c->arena) / 1e6);
}

/* ---- failures ---- */
bool has_errors(const Compilation *c) { return diags_errors(c->diags) > 0; }

bool cannot_write(Compilation *c, const char *path, const char *why) {
  return diag_cannot_write(c->diags, path, why);
}

FILE *messages_open(const Compilation *c) {
  return c->options->format == DIAG_TEXT ? NULL : backend_file(c->arena);
}

bool backend_failed(Compilation *c, const Backend *backend, const char *why) {
  Diag *diag = diag_report(c->diags, DIAG_backend_failed, NO_SPAN, NULL, "%s", why);
  const char *messages = backend_messages(backend);
  size_t length = strlen(messages);
  while (length > 0 && messages[length - 1] == '\n') length--;
  if (length > 0) diag_note(diag, NO_SPAN, "%.*s", (int)length, messages);
  const char *help = backend_help(backend);
  if (help) diag_help(diag, "%s", help);
  return false;
}

/* ---- names ---- */
const char *with_suffix(Arena *arena, const char *path, const char *suffix) {
  const char *name = base_name(path), *dot = strrchr(name, '.');
  const int length = dot && dot != name ? (int)(dot - path) : (int)strlen(path);
  return arena_printf(arena, "%.*s%s", length, path, suffix);
}

static bool is_device(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

const char *header_path(const Compilation *c) {
  const Options *o = c->options;
  if (o->single_file || !o->output || is_device(o->output)) return NULL;
  if (o->kind == OUTPUT_HEADER) return o->output;
  return o->kind == OUTPUT_C || o->kind == OUTPUT_OBJECT || o->kind == OUTPUT_SHARED || o->kind == OUTPUT_WASM
             ? with_suffix(c->arena, o->output, ".h")
             : NULL;
}

const char *c_name(const Compilation *c) { return c->options->prefix ? c->options->prefix : c->graph->name; }
