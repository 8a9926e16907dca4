/* options_words.c: words on the command line, and what is said about wrong ones. */
// SPDX-License-Identifier: Apache-2.0
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "options_words.h"
#include "base/text.h"
#include "options.h"

const char *usage_command = "";

bool usage_error(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("cnnc: error: ", stderr);
  vfprintf(stderr, format, args);
  fprintf(stderr, "\ncnnc%s%s --help shows the options\n", *usage_command ? " " : "", usage_command);
  va_end(args);
  return false;
}

static void print_names(FILE *out, const char *const *names) {
  enum { WIDTH = 100 };
  int column = 0;
  for (; *names; names++) {
    const int length = (int)strlen(*names) + 2;
    if (column && column + length > WIDTH) {
      fputc('\n', out);
      column = 0;
    }
    column += fprintf(out, "  %s", *names);
  }
  fputc('\n', out);
}

bool unknown_word(const char *what, const char *word, const char *const *names) {
  const char *near = suggest(word, names);
  fprintf(stderr, "cnnc: error: unknown %s '%s'", what, word);
  if (near) fprintf(stderr, "; did you mean '%s'?", near);
  fputs("\nthere are\n", stderr);
  print_names(stderr, names);
  return false;
}

/* The name of the option that a word with any number of dashes most likely stands for, or NULL. */
static const char *near_option(Arena *arena, const OptionRow *rows, const char *word) {
  VEC(const char *) names = {0};
  word += strspn(word, "-");
  word = arena_copy(arena, word, strcspn(word, "="));
  for (const OptionRow *row = rows; row->code; row++) {
    if (row->name && strcmp(word, row->name) == 0) return row->name;
    if (row->name) vec_push(arena, names, row->name);
  }
  vec_push(arena, names, NULL);
  return suggest(word, names.data);
}

bool unknown_option(Arena *arena, const OptionRow *rows, const char *word) {
  const char *near = near_option(arena, rows, word);
  const int length = (int)strcspn(word, "=");
  return near ? usage_error("unknown option '%.*s'; did you mean '--%s'?", length, word, near)
              : usage_error("unknown option '%.*s'", length, word);
}

bool wrong_option(Arena *arena, const OptionRow *rows, int code, char **argv) {
  const char *word = argv[optind - 1];
  if (code == ':') return usage_error("%s wants a value", word);
  if (optopt >= 256) return usage_error("%.*s takes no value", (int)strcspn(word, "="), word);
  if (!optopt) return unknown_option(arena, rows, word);
  /* Letters behind one dash may be meant as a long option. getopt_long is in that word, or behind it. */
  for (int i = optind; i >= optind - 1; i--) {
    word = argv[i];
    if (word && word[0] == '-' && word[1] != '-' && strlen(word) > 2 && near_option(arena, rows, word))
      return unknown_option(arena, rows, word);
  }
  return usage_error("unknown option '-%c'", optopt);
}

/* An option is written in full: what getopt_long takes for one by its first letters may be a mistake. */
bool in_full(const char *word, const char *name) {
  return strncmp(word, "--", 2) != 0 || strcspn(word + 2, "=") == strlen(name);
}

bool read_word(const char *option, const char *value, const char *const *names, int *index) {
  for (*index = 0; names[*index]; ++*index)
    if (strcmp(names[*index], value) == 0) return true;
  char what[64];
  snprintf(what, sizeof what, "value of %s", option);
  return unknown_word(what, value, names);
}

bool read_diagnostics(const char *value, int *format) {
  static const char *const names[] = {"text", "json", "sarif", NULL};
  return read_word("--diagnostics", value, names, format);
}

bool read_color(const char *value, int *color) {
  static const char *const names[] = {"auto", "always", "never", NULL};
  return read_word("--color", value, names, color);
}

bool is_name(const char *word, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const char c = word[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (!letter && !(i > 0 && c >= '0' && c <= '9')) return false;
  }
  return n > 0;
}

bool read_define(Arena *arena, const char *value, Defines *defines) {
  const char *equals = strchr(value, '=');
  if (!equals || !is_name(value, (size_t)(equals - value)) || !equals[1])
    return usage_error("-D wants NAME=VALUE, not '%s'", value);
  const Define define = {arena_copy(arena, value, (size_t)(equals - value)), equals + 1};
  vec_push(arena, *defines, define);
  return true;
}
