/* flags.c: Command-line parser for option tables, and errors about wrong options. */
// SPDX-License-Identifier: Apache-2.0
#include "flags.h"
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/text.h"

/* getopt_long's code for the long option of row i is LONG + i; the code of a short option is its letter. */
enum { LONG = 256 };

const char *usage_command = "";

/* ---- mistakes ---- */
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

/* The name of the option that is most similar to the word without its leading dashes; or NULL. */
static const char *near_option(Arena *arena, const Flag *table, const char *word) {
  WordList names = {0};
  word += strspn(word, "-");
  word = arena_copy(arena, word, strcspn(word, "="));
  for (const Flag *flag = table; flag->read; flag++) {
    if (flag->name && strcmp(word, flag->name) == 0) return flag->name;
    if (flag->name) vec_push(arena, names, flag->name);
  }
  vec_push(arena, names, NULL);
  return suggest(word, names.data);
}

static bool unknown_option(Arena *arena, const Flag *table, const char *word) {
  const char *near = near_option(arena, table, word);
  const int length = (int)strcspn(word, "=");
  return near ? usage_error("unknown option '%.*s'; did you mean '--%s'?", length, word, near)
              : usage_error("unknown option '%.*s'", length, word);
}

/* Reports an error that getopt_long returned as ':' or '?'. */
static bool wrong_option(Arena *arena, const Flag *table, int code, char **argv) {
  const char *word = argv[optind - 1];
  /* for a value that an option does not take, some C libraries return '?', others ':' */
  const bool valueless = optopt >= LONG && table[optopt - LONG].has_arg == no_argument;
  if (code == ':' && !valueless) return usage_error("%s needs a value", word);
  if (optopt >= LONG) return usage_error("%.*s takes no value", (int)strcspn(word, "="), word);
  if (!optopt) return unknown_option(arena, table, word);
  /* Letters after one dash may be meant as a long option. The word with these letters is argv[optind] or the
   * word before it. */
  for (int i = optind; i >= optind - 1; i--) {
    word = argv[i];
    if (!word || word[0] != '-' || word[1] == '-' || strlen(word) <= 2) continue;
    if (optopt == '-' ? strchr(word + 1, '-') != NULL : near_option(arena, table, word) != NULL)
      return unknown_option(arena, table, word);
  }
  return usage_error("unknown option '-%c'", optopt);
}

bool word_index(const char *option, const char *value, const char *const *names, int *index) {
  for (*index = 0; names[*index]; ++*index)
    if (strcmp(names[*index], value) == 0) return true;
  char what[64];
  snprintf(what, sizeof what, "value of %s", option);
  return unknown_word(what, value, names);
}

/* ---- readers ---- */
static const char *flag_title(const FlagUse *use) {
  const Flag *flag = use->flag;
  return flag->name ? arena_printf(use->arena, "--%s", flag->name)
                    : arena_printf(use->arena, "-%c", flag->letter);
}

bool flag_set(const FlagUse *use, void *member, const char *value) {
  (void)use, (void)value;
  return *(bool *)member = true;
}

bool flag_text(const FlagUse *use, void *member, const char *value) {
  (void)use;
  *(const char **)member = value;
  return true;
}

bool flag_file(const FlagUse *use, void *member, const char *value) {
  *(const char **)member = value;
  return *value || usage_error("%s needs a file name", flag_title(use));
}

bool flag_list(const FlagUse *use, void *member, const char *value) {
  WordList *words = member;
  vec_push(use->arena, *words, value);
  return true;
}

static const char *const *flag_values(const FlagUse *use) {
  WordList words = {0};
  for (const char *word = use->flag->values; *word; word += strspn(word, " ")) {
    const size_t n = strcspn(word, " ");
    vec_push(use->arena, words, arena_copy(use->arena, word, n));
    word += n;
  }
  vec_push(use->arena, words, NULL);
  return words.data;
}

bool flag_choice(const FlagUse *use, void *member, const char *value) {
  return word_index(flag_title(use), value, flag_values(use), member);
}

bool flag_word(const FlagUse *use, void *member, const char *value) {
  int index = 0;
  *(const char **)member = value;
  return word_index(flag_title(use), value, flag_values(use), &index);
}

static bool read_number(const FlagUse *use, void *member, const char *value, long least) {
  char *end;
  errno = 0;
  const long number = strtol(value, &end, 10);
  if (errno || *end || end == value || value[0] < '0' || value[0] > '9' || number < least || number > 65536)
    return usage_error("%s must be a number from %ld to 65536, not '%s'", flag_title(use), least, value);
  *(int64_t *)member = number;
  return true;
}

bool flag_number(const FlagUse *use, void *member, const char *value) {
  return read_number(use, member, value, 1);
}

bool flag_count(const FlagUse *use, void *member, const char *value) {
  return read_number(use, member, value, 0);
}

bool flag_bytes(const FlagUse *use, void *member, const char *value) {
  char *end;
  double bytes = strtod(value, &end);
  const bool plain = strspn(value, "0123456789.") == (size_t)(end - value);
  static const char suffix[] = "KMG";
  const char *found = *end ? strchr(suffix, *end) : NULL;
  for (int64_t i = 0; found && i <= found - suffix; i++) bytes *= 1024;
  if (end == value || !plain || !(bytes >= 1 && bytes <= 0x1p50) || (*end && (!found || end[1])))
    return usage_error("%s must be a number of bytes, such as 98304, 96K or 1.5M, not '%s'", flag_title(use),
                       value);
  *(int64_t *)member = (int64_t)bytes;
  return true;
}

bool flag_names_once(const FlagUse *use, const void *rows, int n, size_t size, const char *name) {
  for (int i = 0; i < n; i++) {
    const char *other = *(const char *const *)((const char *)rows + (size_t)i * size);
    if (name && other && strcmp(name, other) == 0)
      return usage_error("%s names '%s' twice", flag_title(use), name);
  }
  return true;
}

bool is_name(const char *word, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const char c = word[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (!letter && !(i > 0 && c >= '0' && c <= '9')) return false;
  }
  return n > 0;
}

bool flag_define(const FlagUse *use, void *member, const char *value) {
  Defines *defines = member;
  const char *equals = strchr(value, '=');
  if (!equals || !is_name(value, (size_t)(equals - value)) || !equals[1])
    return usage_error("-D must be NAME=VALUE, not '%s'", value);
  const Define define = {arena_copy(use->arena, value, (size_t)(equals - value)), equals + 1};
  vec_push(use->arena, *defines, define);
  return true;
}

bool flag_wants_color(int choice) {
  const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
  if (choice != 0) return choice == 1;
  return !(no && *no) && !(term && strcmp(term, "dumb") == 0) && isatty(STDERR_FILENO) == 1;
}

/* N or INPUT:N[,INPUT:N...] */
bool flag_stream(const FlagUse *use, void *member, const char *list) {
  Streaming *streaming = member;
  for (const char *at = list;; at++) {
    const size_t length = strcspn(at, ",");
    const char *one = arena_copy(use->arena, at, length), *colon = strrchr(one, ':');
    StreamUse rows = {colon ? arena_copy(use->arena, one, (size_t)(colon - one)) : NULL, 0};
    if (colon && !is_name(rows.input, strlen(rows.input)))
      return usage_error("--stream must be a number of rows or INPUT:ROWS, not '%s'", one);
    if (!flag_number(use, &rows.rows, colon ? colon + 1 : one)) return false;
    if (!FLAG_NAMES_ONCE(use, streaming->use, rows.input)) return false;
    for (int i = 0; !rows.input && i < streaming->use.n; i++)
      if (!streaming->use.data[i].input)
        return usage_error(
            "--stream has two numbers of rows for the first input: name the other input, as in "
            "--stream=3,INPUT:4");
    vec_push(use->arena, streaming->use, rows);
    at += length;
    if (!*at) return true;
  }
}

/* ---- command lines ---- */
static const Flag *flag_of_letter(const Flag *table, int letter) {
  while (table->letter != letter) table++;
  return table;
}

/* False: the word is an abbreviated long option, which getopt_long accepts. */
static bool in_full(const char *word, const char *name) {
  return strncmp(word, "--", 2) != 0 || strcspn(word + 2, "=") == strlen(name);
}

static bool names_file(const Flag *flag) {
  return flag->values && (strcmp(flag->values, "@file") == 0 || strcmp(flag->values, "@folder") == 0);
}

const char *flag_shell(Arena *arena, const FlagGiven *given) {
  const Flag *flag = given->flag;
  const char *value = given->value && names_file(flag) ? base_name(given->value) : given->value;
  const char *word = value ? text_shell(arena, value) : "";
  return flag->name ? arena_printf(arena, "--%s%s%s", flag->name, value ? "=" : "", word)
                    : arena_printf(arena, "-%c%s%s", flag->letter, flag->letter == 'O' ? "" : " ", word);
}

bool flags_read(Arena *arena, const Flag *table, void *options, FlagsGiven *given, int argc, char **argv) {
  Text letters = {.arena = arena};
  VEC(struct option) names = {0};
  text_put(&letters, ":"); /* for a missing value, getopt_long then returns ':', not '?' */
  for (const Flag *flag = table; flag->read; flag++) {
    const struct option name = {flag->name, flag->has_arg, NULL, LONG + (int)(flag - table)};
    if (flag->name) vec_push(arena, names, name);
    if (flag->letter) text_put(&letters, "%c%s", flag->letter, flag->has_arg == required_argument ? ":" : "");
  }
  vec_push(arena, names, (struct option){0});
  opterr = 0;
  for (int code; (code = getopt_long(argc, argv, letters.s, names.data, NULL)) != -1;) {
    if (code == ':' || code == '?') return wrong_option(arena, table, code, argv);
    const Flag *flag = code >= LONG ? table + code - LONG : flag_of_letter(table, code);
    const char *word = argv[optind - 1 - (optarg && optarg == argv[optind - 1])];
    if (code >= LONG && !in_full(word, flag->name)) return unknown_option(arena, table, word);
    const FlagUse use = {arena, flag, options, argc, argv};
    if (optarg && names_file(flag)) file_slashes(optarg);
    const FlagGiven one = {flag, optarg};
    if (!flag->read(&use, (char *)options + flag->member, optarg)) return false;
    if (given) vec_push(arena, *given, one);
  }
  for (int i = optind; i < argc; i++) file_slashes(argv[i]);
  return true;
}

/* ---- warnings ---- */
const char *const *flag_slugs(Arena *arena, bool warnings) {
  WordList words = {0};
  for (int i = 0; i < DIAG_COUNT; i++)
    if (!warnings || diag_info[i].level != DIAG_ERROR) vec_push(arena, words, diag_info[i].slug);
  vec_push(arena, words, NULL);
  return words.data;
}

bool flag_warning(const FlagUse *use, void *member, const char *text) {
  Arena *arena = use->arena;
  Sources sources = {.arena = arena};
  if (diags_option(diags_new(arena, &sources), text)) return flag_list(use, member, text);
  const char *slug = text;
  for (const char *const *prefix = (const char *const[]){"no-error=", "error=", "no-", NULL}; *prefix;
       prefix++)
    if (strncmp(text, *prefix, strlen(*prefix)) == 0) {
      slug = text + strlen(*prefix);
      break;
    }
  if (diag_find(slug) >= 0) return usage_error("'%s' is an error, not a warning: -W cannot set it", slug);
  return unknown_word("warning", slug, flag_slugs(arena, true));
}
