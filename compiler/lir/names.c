/* names.c: Identifiers of generated C, and their scopes. */
// SPDX-License-Identifier: Apache-2.0
#include "lir/names.h"
#include <string.h>

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

const char *name_letters(Arena *arena, const char *name) {
  char *s = arena_printf(arena, "%s%s", is_digit(name[0]) || !name[0] ? "_" : "", name);
  for (char *at = s; *at; at++)
    if (!is_letter(*at) && !is_digit(*at)) *at = '_';
  return s;
}

const char *name_of_values(Arena *arena, const char *name) {
  return arena_printf(arena, "%s_values", name_letters(arena, name));
}

bool name_may_be_macro(const char *name) {
  const char *at = name;
  while (*at && !(*at >= 'a' && *at <= 'z')) at++;
  return name[0] == '_' || !*at;
}

bool name_of_runtime(const char *name) { return !strncmp(name, "cnn_", 4) || !strncmp(name, "CNN_", 4); }

const char *name_upper(Arena *arena, const char *name) {
  char *s = arena_copy(arena, name, strlen(name));
  for (char *at = s; *at; at++)
    if (*at >= 'a' && *at <= 'z') *at = (char)(*at - 'a' + 'A');
  return s;
}

static bool taken_around(const Names *names, const char *name) {
  const size_t n = names->file ? strlen(names->prefix) : 0;
  return (names->file && !strncmp(name, names->prefix, n) && names_taken(names->file, name + n)) ||
         (names->macros && names_taken(names->macros, name));
}

bool names_taken(const Names *names, const char *name) {
  return table_find(&names->last, name) != NULL || taken_around(names, name);
}

static int *last_new(Names *names, const char *name) {
  int *last = NEW(names->arena, int);
  *last = 1;
  table_set(names->arena, &names->last, name, last);
  return last;
}

void names_reserve(Names *names, const char *name) {
  if (names_taken(names, name)) return;
  last_new(names, name);
}

const char *names_unique(Names *names, const char *name) {
  const char *unique = name;
  int *last = table_find(&names->last, name);
  if (!last && taken_around(names, name)) last = last_new(names, name);
  while (last && names_taken(names, unique)) unique = arena_printf(names->arena, "%s_%d", name, ++*last);
  names_reserve(names, unique);
  return unique;
}
