/* parse.c: Parser driver: checks the encoding, tracks brackets and braces, returns a file's declarations. */
// SPDX-License-Identifier: Apache-2.0
#include "syntax/parse.h"
#include <string.h>
#include "base/text.h"

/* ---- brackets ---- */

static bool is_bracket(char kind) { return kind == '(' || kind == '['; }

bool bracket_is_open(const Parser *p) { return p->depth > 0 && is_bracket(p->open[p->depth - 1].kind); }

void brackets_drop(Parser *p) {
  int kept = 0;
  for (int i = 0; i < p->depth; i++)
    if (!is_bracket(p->open[i].kind)) p->open[kept++] = p->open[i];
  p->depth = kept;
}

/* A brace inside ( or [ closes all open ( and [ around the brace: the grammar has no braces there, so closing
 * brackets are missing. */
static void brackets_cut(Parser *p) {
  if (!bracket_is_open(p)) return;
  p->dangling = p->open[p->depth - 1];
  while (bracket_is_open(p)) p->depth--;
}

bool bracket_open(Parser *p, Span span, char kind) {
  if (kind == '{') brackets_cut(p);
  if (p->depth == DEEPEST_NESTING) {
    Diag *diag = diag_report(p->diags, DIAG_too_deep, span, NULL,
                             "brackets and braces are nested more than %d deep", DEEPEST_NESTING);
    diag_note(diag, p->open[0].span, "the outermost bracket is opened here");
    p->given_up = true;
    return false;
  }
  p->open[p->depth++] = (Opening){span, kind};
  return true;
}

static int indentation_at(const Parser *p, uint32_t offset, bool *is_first) {
  const char *text = p->text->text;
  uint32_t begin = offset;
  while (begin > 0 && text[begin - 1] != '\n') begin--;
  uint32_t at = begin;
  while (text[at] == ' ' || text[at] == '\t') at++;
  *is_first = at == offset;
  return (int)(at - begin);
}

void bracket_close(Parser *p, Span span, char kind) {
  if (kind != '{') {
    if (p->depth > 0 && p->open[p->depth - 1].kind == kind) p->depth--;
    return;
  }
  brackets_cut(p);
  if (p->depth == 0) return;
  const Opening opening = p->open[--p->depth];
  bool opens_line, closes_line;
  const int opened = indentation_at(p, opening.span.start, &opens_line),
            closed = indentation_at(p, span.start, &closes_line);
  if (closes_line && opened != closed && !p->suspect.kind) p->suspect = opening;
}

/* ---- the text ---- */

/* Whether the text is UTF-8 without NULs. Reports the first invalid byte. */
static bool text_check(Parser *p) {
  const char *text = p->text->text;
  for (uint32_t at = 0; at < p->text->n;) {
    uint32_t code;
    const int length = text_decode(text + at, p->text->n - at, &code);
    const Span span = {p->source, at, at + 1};
    if (length == 0) {
      Diag *diag = diag_report(p->diags, DIAG_bad_character, span, NULL, "byte 0x%02x is not UTF-8",
                               (unsigned)(unsigned char)text[at]);
      diag_help(diag, "a program is UTF-8 text; is this another kind of file?");
      return false;
    }
    if (code == 0) {
      Diag *diag =
          diag_report(p->diags, DIAG_bad_character, span, NULL, "a source file must not contain NUL bytes");
      diag_help(diag, "a program is UTF-8 text; is this another kind of file?");
      return false;
    }
    at += (uint32_t)length;
  }
  return true;
}

File *parse_tokens(Arena *arena, Diags *diags, const Sources *sources, uint32_t source, Tokens *tokens) {
  const Source *text = sources_get(sources, source);
  Parser *p = NEW(arena, Parser);
  *p = (Parser){.arena = arena, .diags = diags, .sources = sources, .text = text, .source = source};
  p->tokens = tokens;
  if (text_check(p)) parser_run(p);
  File *file = NEW(arena, File);
  *file = (File){.path = text->path, .source = source, .n = p->decls.n, .decl = p->decls.data};
  return file;
}

File *parse_file(Arena *arena, Diags *diags, const Sources *sources, uint32_t source) {
  return parse_tokens(arena, diags, sources, source, NULL);
}
