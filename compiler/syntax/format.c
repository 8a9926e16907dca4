/* format.c: Source formatter: only changes the blanks and line ends around tokens and comments. */
// SPDX-License-Identifier: Apache-2.0
#include "syntax/format.h"
#include <string.h>
#include "parser.h"

enum { INDENT = 4, BEFORE_COMMENT = 2, MOST_OPEN = 256 };

typedef struct Line {
  Text code;           /* without indentation; empty: a blank line or a comment line */
  int indent;          /* columns */
  const char *comment; /* a comment after the code, or the comment of a comment line; NULL: none */
  int comment_bytes;
  bool below; /* a comment line that continues the trailing comment above it */
} Line;

typedef struct Layout {
  Arena *arena;
  const Source *source;
  Tokens tokens;
  VEC(Line) lines;
  Line line; /* the current line */
  bool begun;
  /* state at the next token */
  char open[MOST_OPEN]; /* open brackets */
  int depth;
  bool starts;    /* the next token starts a statement */
  int first_kind; /* kind of the statement's first token */
  int base;       /* number of columns before the statement */
  int chain;      /* column where the text after the statement's = begins; 0: no = */
} Layout;

/* ---- words ---- */
static int display_columns(const char *s, size_t n) {
  int count = 0;
  for (size_t at = 0; at < n; count++) {
    uint32_t code;
    const int length = text_decode(s + at, n - at, &code);
    at += length ? (size_t)length : 1;
  }
  return count;
}

static bool is_opening(int kind) { return kind == TOK_LPAREN || kind == TOK_LBRACK || kind == TOK_LBRACE; }

static bool is_closing(int kind) { return kind == TOK_RPAREN || kind == TOK_RBRACK || kind == TOK_RBRACE; }

/* Tokens after which a binary operator or an index is possible. */
static bool ends_operand(int kind) {
  switch (kind) {
  case TOK_NAME:
  case TOK_NUMBER:
  case TOK_DIMS:
  case TOK_STRING:
  case TOK_RPAREN:
  case TOK_RBRACK:
  case TOK_TRUE:
  case TOK_FALSE:
  case TOK_IN: return true;
  default: return false;
  }
}

static bool within_brackets(const Layout *l) { return l->depth > 0 && l->open[l->depth - 1] != '{'; }

/* ---- blanks ---- */
static bool blank_before_bracket(const Layout *l, int before, int kind) {
  if (l->first_kind == TOK_INPUT && !within_brackets(l)) return true; /* input x: 3x3x1 as u8 (layout=chw) */
  if (before == TOK_DOT) return false;
  return kind == TOK_LPAREN ? before != TOK_NAME && !ends_operand(before) : !ends_operand(before);
}

/* Whether the token `here` is a unary minus. */
static bool is_unary_sign(const Layout *l, int here) {
  return l->tokens.data[here].kind == TOK_MINUS &&
         (here == 0 || !ends_operand(l->tokens.data[here - 1].kind));
}

static bool blank_before(const Layout *l, int here) {
  const int before = l->tokens.data[here - 1].kind, kind = l->tokens.data[here].kind;
  if (before == TOK_LPAREN || before == TOK_LBRACK || before == TOK_DOT || before == TOK_RANGE) return false;
  if (before == TOK_LBRACE && kind == TOK_RBRACE) return false;
  if (is_unary_sign(l, here - 1)) return false;
  switch (kind) {
  case TOK_RPAREN:
  case TOK_RBRACK:
  case TOK_COMMA:
  case TOK_DOT:
  case TOK_RANGE:
  case TOK_SEP: return false;
  case TOK_COLON: return l->first_kind != TOK_INPUT || within_brackets(l);
  case TOK_ASSIGN: return !within_brackets(l);
  case TOK_LPAREN:
  case TOK_LBRACK:
    return before != TOK_ASSIGN || !within_brackets(l) ? blank_before_bracket(l, before, kind) : false;
  default: return before != TOK_ASSIGN || !within_brackets(l);
  }
}

/* ---- lines ---- */
static void end_line(Layout *l) {
  if (!l->begun) return;
  vec_push(l->arena, l->lines, l->line);
  l->begun = false;
}

static void line_begin(Layout *l, int indent) {
  l->line = (Line){.code = {.arena = l->arena}, .indent = indent};
  l->begun = true;
}

static void blank_line(Layout *l) {
  end_line(l);
  const int n = l->lines.n;
  if (n == 0 || (!l->lines.data[n - 1].code.n && !l->lines.data[n - 1].comment)) return;
  line_begin(l, 0);
  end_line(l);
}

/* Indentation of a line whose first token has this kind; kind 0: a comment within a statement. */
static int indentation(const Layout *l, int kind) {
  const int depth = l->depth - (is_closing(kind) ? 1 : 0);
  if (l->starts || is_closing(kind) || within_brackets(l) || kind == TOK_ELSE) return depth * INDENT;
  return l->chain && (kind == TOK_ARROW || kind == 0) ? l->chain : l->base + INDENT;
}

/* ---- text between two tokens ---- */
static int source_column(const Layout *l, uint32_t at) {
  uint32_t begin = at;
  while (begin > 0 && l->source->text[begin - 1] != '\n') begin--;
  return display_columns(l->source->text + begin, at - begin);
}

typedef struct Gap {
  uint32_t at, end;
  int ends;           /* number of line ends since the last token or comment */
  int comment_column; /* column of the last trailing comment, or -1 */
} Gap;

static void take_comment(Layout *l, Gap *gap, int next_kind) {
  const char *text = l->source->text;
  uint32_t end = gap->at;
  while (end < gap->end && text[end] != '\n') end++;
  uint32_t last = end;
  while (last > gap->at && strchr(" \t\r", text[last - 1])) last--;
  const int column = source_column(l, gap->at);
  if (gap->ends == 0 && l->begun) gap->comment_column = column;
  else {
    if (gap->ends > 1) blank_line(l);
    const bool below = gap->ends == 1 && gap->comment_column == column;
    end_line(l);
    const bool goes_on = !l->starts && next_kind != TOK_RBRACE;
    line_begin(l, indentation(l, goes_on ? 0 : TOK_NAME));
    l->line.below = below;
    if (!below) gap->comment_column = -1;
  }
  l->line.comment = text + gap->at;
  l->line.comment_bytes = (int)(last - gap->at);
  gap->at = end;
  gap->ends = 0;
}

/* Lays out the comments and blank lines before a token. Returns true if the token begins a line. */
static bool take_gap(Layout *l, uint32_t from, uint32_t to, int next_kind) {
  Gap gap = {from, to, from == 0, -1};
  bool comment = false;
  while (gap.at < gap.end) {
    const char c = l->source->text[gap.at];
    if (c == '#') {
      take_comment(l, &gap, next_kind);
      comment = true;
      continue;
    }
    gap.ends += c == '\n';
    gap.at++;
  }
  if (next_kind == TOK_LBRACE && !comment && from > 0)
    return false; /* the { goes to the line of the token before it */
  if (gap.ends > 1 && next_kind != TOK_END) blank_line(l);
  return gap.ends > 0 || comment;
}

/* ---- tokens ---- */
static void statement_begins(Layout *l, int kind) {
  l->starts = false;
  l->first_kind = kind;
  l->base = l->depth * INDENT;
  l->chain = 0;
}

static void put_token(Layout *l, int here, bool first) {
  const Token *token = &l->tokens.data[here];
  const int kind = token->kind;
  if (first || !l->begun) {
    end_line(l);
    line_begin(l, indentation(l, kind));
  } else if (blank_before(l, here)) text_put(&l->line.code, " ");
  if (is_closing(kind)) l->depth--;
  if (l->starts && kind != TOK_RBRACE) statement_begins(l, kind);
  text_bytes(&l->line.code, l->source->text + token->span.start, token->span.end - token->span.start);
  if (kind == TOK_ASSIGN && !l->chain && !within_brackets(l))
    l->chain = l->line.indent + display_columns(l->line.code.s, l->line.code.n) + 1;
  if (is_opening(kind)) l->open[l->depth++] = kind == TOK_LBRACE ? '{' : '(';
  if (kind == TOK_LBRACE || kind == TOK_RBRACE) l->starts = true;
}

static void lay_out_lines(Layout *l) {
  uint32_t at = 0;
  l->starts = true;
  for (int i = 0; i < l->tokens.n; i++) {
    const Token *token = &l->tokens.data[i];
    if (token->span.start == token->span.end) { /* a line end that ends a statement, or the end of the file */
      l->starts = l->starts || token->kind == TOK_SEP;
      continue;
    }
    const bool first = take_gap(l, at, token->span.start, token->kind);
    put_token(l, i, first);
    if (token->kind == TOK_SEP) l->starts = true;
    at = token->span.end;
  }
  take_gap(l, at, (uint32_t)l->source->n, TOK_END);
  end_line(l);
}

/* ---- comments ---- */
static int code_end(const Line *line) {
  return line->code.n ? line->indent + display_columns(line->code.s, line->code.n) : 0;
}

/* The common column of the trailing comments in the block of lines from `first` on; *end is the first line
 * after the block. */
static int comment_column(const Layout *l, int first, int *end) {
  int column = 0, i = first;
  for (; i < l->lines.n && l->lines.data[i].comment; i++) {
    const Line *line = &l->lines.data[i];
    if (!line->code.n && !line->below) break;
    if (code_end(line) > column) column = code_end(line);
  }
  *end = i;
  return column + BEFORE_COMMENT;
}

static void put_formatted_line(Text *out, const Line *line, int column) {
  if (line->code.n) text_put(out, "%*s%s", line->indent, "", line->code.s);
  if (line->comment) {
    const int at = line->code.n || line->below ? column : line->indent;
    text_put(out, "%*s%.*s", at - code_end(line), "", line->comment_bytes, line->comment);
  }
  text_put(out, "\n");
}

static void put_formatted_lines(Text *out, const Layout *l) {
  text_put(out, "%s", "");
  int last = l->lines.n;
  while (last > 0 && !l->lines.data[last - 1].code.n && !l->lines.data[last - 1].comment) last--;
  for (int i = 0, end = 0, column = 0; i < last; i++) {
    if (i >= end) column = comment_column(l, i, &end);
    put_formatted_line(out, &l->lines.data[i], column);
    if (end <= i) end = i + 1;
  }
}

/* ---- check of the result ---- */
static void put_comments(Text *out, const Source *source, const Tokens *tokens) {
  uint32_t at = 0;
  for (int i = 0; i <= tokens->n; i++) {
    const uint32_t to = i < tokens->n ? tokens->data[i].span.start : (uint32_t)source->n;
    for (; at < to; at++) {
      if (source->text[at] != '#') continue;
      const char *line_end = memchr(source->text + at, '\n', to - at);
      uint32_t end = line_end ? (uint32_t)(line_end - source->text) : to, last = end;
      while (strchr(" \t\r", source->text[last - 1])) last--;
      text_put(out, "%.*s\n", (int)(last - at), source->text + at);
      at = end - 1;
    }
    if (i < tokens->n && tokens->data[i].span.end > at) at = tokens->data[i].span.end;
  }
}

static void put_meaning(Text *out, File *file, const Source *source, const Tokens *tokens) {
  Ast tree = {.main = file};
  vec_push(out->arena, tree.files, file);
  ast_dump(out, &tree);
  put_comments(out, source, tokens);
}

static bool means_the_same(Arena *arena, const Text *was, const char *path, const Text *now) {
  Sources sources = {.arena = arena};
  Diags *diags = diags_new(arena, &sources);
  Tokens tokens = {0};
  const uint32_t source = sources_add(&sources, path, now->s, now->n);
  File *file = parse_tokens(arena, diags, &sources, source, &tokens);
  Text meaning = {.arena = arena};
  put_meaning(&meaning, file, sources_get(&sources, source), &tokens);
  return diags_errors(diags) == 0 && strcmp(was->s, meaning.s) == 0;
}

Formatted format_source(Text *out, Arena *arena, Diags *diags, Sources *sources, uint32_t source) {
  const int before = diags_errors(diags);
  Layout layout = {.arena = arena, .source = sources_get(sources, source)};
  File *file = parse_tokens(arena, diags, sources, source, &layout.tokens);
  if (diags_errors(diags) > before) return FORMAT_MISTAKES;
  Text meaning = {.arena = arena};
  put_meaning(&meaning, file, layout.source, &layout.tokens);
  lay_out_lines(&layout);
  put_formatted_lines(out, &layout);
  return means_the_same(arena, &meaning, layout.source->path, out) ? FORMATTED : FORMAT_CHANGED;
}
