/* context.c: Syntactic context at the cursor, from the open brackets, the statement's first token, and the
 * last token. */
// SPDX-License-Identifier: Apache-2.0
#include "lsp/context.h"
#include <string.h>
#include "parser.h"

enum { DEEPEST = 256 };

typedef struct Bracket {
  int kind;
  int token;  /* index of the bracket's token */
  int commas; /* number of commas directly inside the bracket */
  bool train; /* whether it is the { of a train block */
} Bracket;

typedef struct Reading {
  Arena *arena;
  const Source *source;
  Tokens tokens;
  int n;     /* number of tokens before the word at the cursor */
  int first; /* index of the statement's first token */
  Bracket open[DEEPEST];
  int depth;
} Reading;

static int kind_at(const Reading *r, int i) { return i >= 0 && i < r->n ? r->tokens.data[i].kind : TOK_SEP; }

static const char *text_at(const Reading *r, int i) {
  if (i < 0 || i >= r->n) return "";
  const Span span = r->tokens.data[i].span;
  return arena_copy(r->arena, r->source->text + span.start, span.end - span.start);
}

static bool is_word(const Reading *r, Span span) {
  const char c = r->source->text[span.start];
  return span.end > span.start && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_');
}

static void brackets_read(Reading *r) {
  for (int i = 0; i < r->n; i++) {
    const int kind = r->tokens.data[i].kind;
    if (kind == TOK_LPAREN || kind == TOK_LBRACK || kind == TOK_LBRACE) {
      const Bracket bracket = {kind, i, 0, kind == TOK_LBRACE && kind_at(r, i - 1) == TOK_TRAIN};
      if (r->depth < DEEPEST) r->open[r->depth++] = bracket;
    }
    if (kind == TOK_RBRACE) /* } also closes brackets that were left open inside the braces */
      while (r->depth && r->open[r->depth - 1].kind != TOK_LBRACE) r->depth--;
    if (r->depth && (kind == TOK_RPAREN || kind == TOK_RBRACK || kind == TOK_RBRACE)) r->depth--;
    if (kind == TOK_COMMA && r->depth) r->open[r->depth - 1].commas++;
    if (kind == TOK_SEP || kind == TOK_LBRACE || kind == TOK_RBRACE) r->first = i + 1;
  }
}

/* WHERE_IMPORT in the path of an import, WHERE_NOWHERE in another string or in a comment, otherwise
 * WHERE_VALUE. An unclosed string ends with its line. */
static Where literal_at(const Reading *r, uint32_t offset, Context *c) {
  uint32_t line = offset;
  while (line > 0 && r->source->text[line - 1] != '\n') line--;
  uint32_t string = 0;
  bool open = false;
  for (uint32_t at = line; at < offset; at++) {
    const char letter = r->source->text[at];
    if (letter == '#' && !open) return WHERE_NOWHERE;
    if (letter == '\\' && open) at++;
    else if (letter == '"') open = !open, string = at + 1;
  }
  if (!open) return WHERE_VALUE;
  uint32_t at = line;
  while (r->source->text[at] == ' ' || r->source->text[at] == '\t') at++;
  if (strncmp(r->source->text + at, "import", 6) != 0) return WHERE_NOWHERE;
  c->word = arena_copy(r->arena, r->source->text + string, offset - string);
  c->word_start = string;
  return WHERE_IMPORT;
}

/* The innermost enclosing call; lists and parentheses are skipped. */
static const Bracket *call_around(const Reading *r) {
  for (int i = r->depth - 1; i >= 0 && r->open[i].kind != TOK_LBRACE; i--)
    if (r->open[i].kind == TOK_LPAREN && kind_at(r, r->open[i].token - 1) == TOK_NAME) return &r->open[i];
  return NULL;
}

static void given_read(const Reading *r, const Bracket *call, Context *c) {
  int depth = 0;
  for (int i = call->token + 1; i < r->n; i++) {
    const int kind = kind_at(r, i);
    depth += kind == TOK_LPAREN || kind == TOK_LBRACK;
    depth -= kind == TOK_RPAREN || kind == TOK_RBRACK;
    if (depth == 0 && kind == TOK_ASSIGN && c->ngiven < MOST_GIVEN) c->given[c->ngiven++] = text_at(r, i - 1);
  }
}

static Where within_call(const Reading *r, const Bracket *call, Context *c) {
  const int last = kind_at(r, r->n - 1), before = kind_at(r, call->token - 2);
  const int declared = kind_at(r, r->first);
  c->callee = text_at(r, call->token - 1);
  c->commas = call->commas;
  c->chained = before == TOK_ARROW || before == TOK_ASSIGN || call->token - 1 == r->first;
  given_read(r, call, c);
  if (declared == TOK_BLOCK) return c->callee = NULL, last == TOK_ASSIGN ? WHERE_VALUE : WHERE_NOWHERE;
  if (r->open[r->depth - 1].token != call->token) return WHERE_VALUE; /* in a list */
  if (last == TOK_ASSIGN) return c->name = text_at(r, r->n - 2), WHERE_CHOICE;
  return last == TOK_LPAREN || last == TOK_COMMA ? WHERE_ARGUMENT : WHERE_VALUE;
}

static Where within_train(const Reading *r, Context *c) {
  if (r->n == r->first) return WHERE_SETTING;
  if (kind_at(r, r->first + 1) == TOK_ASSIGN) c->name = text_at(r, r->first);
  const int last = kind_at(r, r->n - 1);
  const bool begins =
      last == TOK_ASSIGN || last == TOK_COMMA || last == TOK_LBRACK || last == TOK_PLUS || last == TOK_TIMES;
  return c->name && begins ? WHERE_KEY : WHERE_VALUE;
}

static const char *path_before(const Reading *r) {
  int first = r->n - 2;
  while (first >= 2 && kind_at(r, first - 1) == TOK_DOT) first -= 2;
  Text path = {.arena = r->arena};
  for (int i = first; i <= r->n - 2; i++) text_put(&path, "%s", text_at(r, i));
  return path.s ? path.s : "";
}

static Where within_body(const Reading *r) {
  const int last = kind_at(r, r->n - 1), first = kind_at(r, r->first);
  if (r->n == r->first) return r->depth ? WHERE_STATEMENT : WHERE_TOP;
  switch (last) {
  case TOK_ARROW: return WHERE_CHAIN;
  case TOK_ASSIGN: return first == TOK_NAME ? WHERE_START : WHERE_VALUE;
  case TOK_AS: return first == TOK_INPUT ? WHERE_TYPE : first == TOK_OUTPUT ? WHERE_OUTPUT : WHERE_NOWHERE;
  case TOK_INPUT:
  case TOK_CONST:
  case TOK_BLOCK:
  case TOK_NET: return WHERE_NOWHERE;
  default: return WHERE_VALUE;
  }
}

static Where where_at(const Reading *r, Context *c) {
  const Bracket *inner = r->depth ? &r->open[r->depth - 1] : NULL, *call = call_around(r);
  if (kind_at(r, r->n - 1) == TOK_DOT) return c->path = path_before(r), WHERE_MEMBER;
  if (call) return within_call(r, call, c);
  bool train = false;
  for (int i = r->depth - 1; i >= 0; i--)
    if (r->open[i].kind == TOK_LBRACE) {
      train = r->open[i].train;
      break;
    }
  if (train) return within_train(r, c);
  if (inner && inner->kind != TOK_LBRACE) return WHERE_VALUE;
  return within_body(r);
}

/* Whether a token is before the cursor. A line end is a token without characters: for such a token, the
 * newline must be before the cursor. */
static bool is_before(const Reading *r, Span span, uint32_t offset) {
  if (span.start < span.end) return span.end <= offset && span.start < offset;
  for (uint32_t at = span.start; at < offset; at++)
    if (r->source->text[at] == '\n') return true;
  return false;
}

Context context_at(Arena *arena, const Document *d, uint32_t offset) {
  Context c = {.word = "", .word_start = offset};
  Sources sources = {.arena = arena};
  Diags *diags = diags_new(arena, &sources);
  const uint32_t source = sources_add(&sources, d->path, d->text, d->n);
  Reading r = {.arena = arena, .source = sources_get(&sources, source)};
  parse_tokens(arena, diags, &sources, source, &r.tokens);
  if (offset > r.source->n) offset = (uint32_t)r.source->n;
  c.where = literal_at(&r, offset, &c);
  if (c.where != WHERE_VALUE) return c;
  while (r.n < r.tokens.n && is_before(&r, r.tokens.data[r.n].span, offset)) r.n++;
  const Token *word = r.n < r.tokens.n && r.tokens.data[r.n].span.start < offset ? &r.tokens.data[r.n]
                      : r.n && r.tokens.data[r.n - 1].span.end == offset         ? &r.tokens.data[r.n - 1]
                                                                                 : NULL;
  const bool number = word && (word->kind == TOK_NUMBER || word->kind == TOK_DIMS);
  if (word && (number || is_word(&r, word->span))) {
    if (word->span.end == offset) r.n--;
    c.word = arena_copy(arena, r.source->text + word->span.start, offset - word->span.start);
    c.word_start = word->span.start;
  }
  brackets_read(&r);
  c.where = where_at(&r, &c);
  if (number) c.where = WHERE_NOWHERE; /* numbers have no completion */
  return c;
}
