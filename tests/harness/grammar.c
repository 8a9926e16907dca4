/* grammar.c: Checks that tree-sitter's parser of .cnn (editors/tree-sitter/src/parser.c) accepts each file;
 * prints the other files with the line of the error. Usage: grammar FILE... It walks the parser's tables as
 * tree-sitter's library does, but builds no tree and does not recover from errors. The library need not be
 * installed. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include "tree_sitter/parser.h"

const TSLanguage *tree_sitter_cnn(void);

enum { MOST_BYTES = 1 << 22, MOST_DEPTH = 1 << 16 };

typedef struct Reader {
  TSLexer lexer; /* must be the first member: the parser's functions get its address */
  const char *text;
  size_t n, at, end; /* end: where the token ends, as marked by the parser */
  bool marked;
} Reader;

typedef struct Token {
  TSSymbol symbol;
  size_t start, end;
  bool keyword; /* a name with a keyword's spelling */
} Token;

static const TSLanguage *language;
static TSStateId stack[MOST_DEPTH];
static char text[MOST_BYTES];

/* ---- tokens ---- */
static void look(Reader *r) { r->lexer.lookahead = r->at < r->n ? (unsigned char)r->text[r->at] : 0; }

static size_t token_start; /* where the token starts: after skipped blanks */

static void advance(TSLexer *lexer, bool skip) {
  Reader *r = (Reader *)(void *)lexer;
  if (r->at < r->n) r->at++;
  if (skip) token_start = r->at;
  look(r);
}

static void mark_end(TSLexer *lexer) {
  Reader *r = (Reader *)(void *)lexer;
  r->end = r->at;
  r->marked = true;
}

static uint32_t column(TSLexer *lexer) { return (void)lexer, 0; }
static bool at_range_start(const TSLexer *lexer) { return (void)lexer, false; }
static bool at_end(const TSLexer *lexer) {
  const Reader *r = (const Reader *)(const void *)lexer;
  return r->at >= r->n;
}

static bool lex(Reader *r, size_t from, bool (*function)(TSLexer *, TSStateId), TSStateId state) {
  r->lexer = (TSLexer){0, 0, advance, mark_end, column, at_range_start, at_end};
  r->at = token_start = from;
  r->marked = false;
  look(r);
  if (!function(&r->lexer, state)) return false;
  if (!r->marked) r->end = r->at;
  return true;
}

/* ---- tables ---- */
static uint16_t entry_of(TSStateId state, TSSymbol symbol) {
  if (state < language->large_state_count)
    return language->parse_table[state * language->symbol_count + symbol];
  const uint16_t *at =
      language->small_parse_table + language->small_parse_table_map[state - language->large_state_count];
  for (uint16_t groups = *at++; groups; groups--) {
    const uint16_t value = *at++;
    for (uint16_t symbols = *at++; symbols; symbols--)
      if (*at++ == symbol) return value;
  }
  return 0;
}

/* The parser's action for this token; false: there is none. A grammar without `conflicts` has at most one
 * action per token, apart from actions for parts of a repetition, which are skipped here as in tree-sitter's
 * library. */
static bool action_of(TSStateId state, TSSymbol symbol, TSParseAction *action) {
  const TSParseActionEntry *entry = language->parse_actions + entry_of(state, symbol);
  bool found = false;
  for (int i = 1; i <= entry->entry.count; i++) {
    const TSParseAction *a = &entry[i].action;
    if (a->type == TSParseActionTypeShift && a->shift.repetition) continue;
    if (a->type == TSParseActionTypeRecover) continue;
    *action = *a;
    found = true;
  }
  return found;
}

static bool next_token(Reader *r, TSStateId state, size_t from, Token *token) {
  const TSSymbol name = language->keyword_capture_token;
  TSParseAction action;
  if (!lex(r, from, language->lex_fn, language->lex_modes[state].lex_state)) return false;
  *token = (Token){r->lexer.result_symbol, token_start, r->end, false};
  if (token->symbol != name) return true;
  if (lex(r, token->start, language->keyword_lex_fn, 0) && r->end == token->end &&
      action_of(state, r->lexer.result_symbol, &action)) {
    token->symbol = r->lexer.result_symbol;
    token->keyword = true;
  }
  return true;
}

/* ---- parsing ---- */
/* False: *place is the position of the error. */
static bool parse(Reader *r, size_t *place) {
  int depth = 0;
  Token token = {0};
  bool known = false;
  stack[0] = 1;
  *place = 0;
  for (size_t at = 0;;) {
    const TSStateId state = stack[depth];
    TSParseAction action;
    if (!known && !next_token(r, state, at, &token)) return *place = at, false;
    known = true;
    *place = token.start;
    if (!action_of(state, token.symbol, &action)) {
      if (!token.keyword || !action_of(state, language->keyword_capture_token, &action)) return false;
      token.symbol = language->keyword_capture_token;
    }
    if (action.type == TSParseActionTypeAccept) return true;
    if (action.type == TSParseActionTypeShift) {
      at = token.end;
      known = false;
      if (action.shift.extra) continue;
      if (depth + 1 == MOST_DEPTH) return false;
      stack[++depth] = action.shift.state;
      continue;
    }
    depth -= action.reduce.child_count;
    stack[depth + 1] = entry_of(stack[depth], action.reduce.symbol);
    depth++;
  }
}

static bool reads(const char *path) {
  Reader r = {.text = text};
  size_t place = 0;
  int line = 1;
  FILE *file = fopen(path, "rb");
  if (!file) return perror(path), false;
  r.n = fread(text, 1, sizeof text, file);
  fclose(file);
  if (parse(&r, &place)) return true;
  for (size_t i = 0; i < place; i++) line += text[i] == '\n';
  printf("%s:%d: not read by the grammar\n", path, line);
  return false;
}

int main(int argc, char **argv) {
  bool good = true;
  language = tree_sitter_cnn();
  for (int i = 1; i < argc; i++) good = reads(argv[i]) && good;
  return good ? 0 : 1;
}
