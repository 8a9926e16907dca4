/* describe.c: Constant values as text, for messages. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "sema/context.h"

enum { MOST_ITEMS = 6, MOST_TEXT = 40 };

static void items_put(Arena *arena, Text *text, const Const *c, const char *between) {
  for (int i = 0; i < c->n; i++) {
    if (i) text_put(text, "%s", between);
    if (i == MOST_ITEMS && c->n > MOST_ITEMS + 1) {
      text_put(text, "...");
      break;
    }
    if (c->items[i].kind == CONST_LIST && text->n > MOST_TEXT) text_put(text, "[...]");
    else text_put(text, "%s", const_text(arena, &c->items[i]));
  }
}

static void string_put(Text *text, const char *s) {
  size_t n = 0;
  for (uint32_t code; s[n] && n < MOST_TEXT;) {
    const int length = text_decode(s + n, strlen(s + n), &code);
    n += length ? (size_t)length : 1;
  }
  Text quoted = {.arena = text->arena};
  text_json(&quoted, arena_copy(text->arena, s, n));
  text_put(text, "%.*s%s", (int)quoted.n - 1, quoted.s, s[n] ? "...\"" : "\"");
}

const char *const_text(Arena *arena, const Const *c) {
  Text text = {.arena = arena};
  switch (c->kind) {
  case CONST_INT: text_put(&text, "%lld", (long long)c->i); break;
  case CONST_FLOAT: text_put(&text, "%s", text_double(arena, c->f)); break;
  case CONST_BOOL: text_put(&text, "%s", c->i ? "true" : "false"); break;
  case CONST_STRING: string_put(&text, c->s); break;
  case CONST_DIMS: items_put(arena, &text, c, "x"); break;
  case CONST_RANGE:
    text_put(&text, "%s..", const_text(arena, &c->items[0]));
    if (c->items[1].kind != CONST_FLOAT || isfinite(c->items[1].f))
      text_put(&text, "%s", const_text(arena, &c->items[1]));
    break;
  case CONST_LIST:
    text_put(&text, "[");
    items_put(arena, &text, c, ", ");
    text_put(&text, "]");
    break;
  case CONST_CALL:
    text_put(&text, "%s(", c->s);
    items_put(arena, &text, c, ", ");
    text_put(&text, ")");
    break;
  case CONST_WORD: text_put(&text, "%s", c->s); break;
  case CONST_VALUE: text_put(&text, "a %s value", shape_text(arena, c->node->shape)); break;
  case CONST_NONE: text_put(&text, "nothing"); break;
  case CONST_POISON: text_put(&text, "?"); break;
  }
  return text.s;
}

const char *const_describe(Arena *arena, const Const *c) {
  const char *kind = "";
  switch (c->kind) {
  case CONST_STRING: kind = "the string "; break;
  case CONST_RANGE: kind = "the range "; break;
  case CONST_LIST: kind = "the list "; break;
  case CONST_VALUE:
    if (!c->node->shape.rank) return "a value of the net";
    return arena_printf(arena, "a value of the net (%s)", shape_text(arena, c->node->shape));
  case CONST_NONE:
  case CONST_DIMS:
  case CONST_INT:
  case CONST_FLOAT:
  case CONST_BOOL:
  case CONST_WORD:
  case CONST_CALL:
  case CONST_POISON: break;
  }
  return arena_printf(arena, "%s%s", kind, const_text(arena, c));
}

/* The names of a path, joined by dots, for the indices i with from <= i < to. */
const char *path_text(Arena *arena, const Expr *e, int from, int to) {
  Text text = {.arena = arena};
  text_put(&text, "%s", "");
  for (int i = from; i < to; i++) text_put(&text, "%s%s", i > from ? "." : "", e->part[i].s);
  return text.s;
}

const char *name_or_x(const Expr *e) { return e->kind == EXPR_PATH && e->nparts == 1 ? e->part[0].s : "x"; }

/* ---- lists of words, "valid same causal" ---- */

bool words_have(const char *words, const char *word) {
  const size_t n = strlen(word);
  for (const char *at = words; n && (at = strstr(at, word)) != NULL; at += n)
    if ((at == words || at[-1] == ' ') && (at[n] == 0 || at[n] == ' ')) return true;
  return false;
}

const char *const *words_split(Arena *arena, const char *words) {
  VEC(const char *) list = {0};
  while (words && *words) {
    const size_t n = strcspn(words, " ");
    if (n) vec_push(arena, list, arena_copy(arena, words, n));
    words += n + (words[n] == ' ');
  }
  vec_push(arena, list, NULL);
  return list.data;
}

const char *words_join(Arena *arena, const char *words, const char *last) {
  const char *const *list = words_split(arena, words);
  Text text = {.arena = arena};
  text_put(&text, "%s", "");
  for (int i = 0; list[i]; i++) {
    if (i && *last && !list[i + 1]) text_put(&text, " %s ", last);
    else if (i) text_put(&text, ", ");
    text_put(&text, "%s", list[i]);
  }
  return text.s;
}
