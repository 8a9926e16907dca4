/* same.c: one function for tiles, and other parts of nests, whose C is the same.
 *
 * Layers that are not the same code may have tiles that are: convolutions of equal shape, one with a residual
 * behind it. A nest is printed without looking at others, so the texts are compared: two functions that
 * differ in their own names alone, and call the same functions, do the same. Each nest is proved with its own
 * numbers, which stand in the text. */
// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <string.h>
#include "emit/module.h"

static size_t same_identifier(const char *at) {
  size_t n = 0;
  while (isalnum((unsigned char)at[n]) || at[n] == '_') n++;
  return n;
}

typedef struct Rename {
  const char *from, *to;
} Rename;
typedef VEC(Rename) Renames;

static const char *new_name(const Renames *renames, const char *name, size_t n) {
  for (int i = 0; i < renames->n; i++) {
    const Rename *rename = &renames->data[i];
    if (strlen(rename->from) == n && memcmp(rename->from, name, n) == 0) return rename->to;
  }
  return NULL;
}

static const char *same_renamed(Arena *arena, const char *text, const Renames *renames) {
  Text out = {.arena = arena};
  const char *done = text;
  for (const char *at = text; *at;) {
    const size_t n = same_identifier(at);
    const char *name = n ? new_name(renames, at, n) : NULL;
    if (name) {
      text_bytes(&out, done, (size_t)(at - done));
      text_put(&out, "%s", name);
      done = at + n;
    }
    at += n ? n : 1;
  }
  text_put(&out, "%s", done);
  return out.s;
}

/* What a function is called: the last word in front of its parameters. */
static char *name_of(Arena *arena, const char *text) {
  const char *end = strchr(text, '('), *at = end;
  while (same_identifier(at - 1)) at--;
  return arena_copy(arena, at, (size_t)(end - at));
}

/* The part; or "" if another is the same: then that one's name takes the place of this one's from here on. */
static const char *shared(Arena *arena, Table *parts, const char *part, Renames *renames) {
  char *name = name_of(arena, part);
  Renames nameless = {0};
  const Rename own = {name, ""};
  vec_push(arena, nameless, own);
  const char *key = same_renamed(arena, part, &nameless), *same = table_find(parts, key);
  if (!same) {
    table_set(arena, parts, key, name);
    return part;
  }
  const Rename other = {name, same};
  vec_push(arena, *renames, other);
  return "";
}

const char *same_share(Arena *arena, Table *parts, const char *function) {
  static const char end[] = "\n}\n\n";
  Text out = {.arena = arena};
  Renames renames = {0};
  const char *text = function;
  while (strncmp(text, "//", 2) == 0) text = strchr(text, '\n') + 1;
  text_bytes(&out, function, (size_t)(text - function));
  for (const char *next; (next = strstr(text, end) + strlen(end)) && *next; text = next) {
    const char *part = arena_copy(arena, text, (size_t)(next - text));
    text_put(&out, "%s", shared(arena, parts, same_renamed(arena, part, &renames), &renames));
  }
  text_put(&out, "%s", same_renamed(arena, text, &renames)); /* is called from outside: it keeps its name */
  return out.s;
}
