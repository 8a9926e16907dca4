/* mistake.c: Messages for syntax errors: the token found, and the expected tokens. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/text.h"
#include "parser.h"
#include "syntax/mistake.h"

enum { MOST_EXPECTED = 5, LONGEST_SHOWN = 40 };

static bool is_in_list(const char *word, int n, const char *const *list) {
  for (int i = 0; i < n; i++)
    if (strcmp(list[i], word) == 0) return true;
  return false;
}

bool expects(const Expected *e, const char *token) { return is_in_list(token, e->n, e->name); }

static Expected expected_from(int n, const char *const *name) {
  Expected e = {.n = n, .name = name};
  e.value = expects(&e, "number") && expects(&e, "string");
  e.operators = !e.value && expects(&e, "'*'");
  e.any_word = !e.value && expects(&e, "name") && expects(&e, "'as'");
  e.statement = !e.value && !e.any_word && expects(&e, "'repeat'");
  e.chain = !e.value && !e.any_word && !e.statement && expects(&e, "name") && expects(&e, "'in'");
  e.file = !e.value && !e.any_word && expects(&e, "'import'");
  return e;
}

#define IN(word, list) is_in_list(word, (int)(sizeof(list) / sizeof *(list)), list)

static const char *const words[] = {
#define KEYWORD(word, token) "'" #word "'",
#include "keywords.def"
#undef KEYWORD
};

/* ---- the token found ---- */

static const char *shown(const Parser *p, Span span) {
  const uint32_t n = span.end - span.start;
  return arena_printf(p->arena, "'%.*s%s'", n > LONGEST_SHOWN ? LONGEST_SHOWN : (int)n,
                      p->text->text + span.start, n > LONGEST_SHOWN ? "..." : "");
}

static const char *found(const Parser *p, Span span) {
  if (p->token == TOK_END) return "end of file";
  if (p->token == TOK_STRING) return "string";
  if (p->token == TOK_SEP && span.start == span.end) return "end of line";
  return shown(p, span);
}

static bool is_keyword(const Parser *p, Span span) { return IN(shown(p, span), words); }

/* ---- expected tokens ---- */

/* Prints the names as `a, b or c`. */
static void put_names(Text *text, int n, const char *const *name) {
  for (int i = 0; i < n; i++) text_put(text, "%s%s", i == 0 ? "" : i == n - 1 ? " or " : ", ", name[i]);
}

/* The expected tokens as text; NULL if there are none to print, or too many. Tokens that begin an expression
 * are printed as `a value`; operators are omitted. */
static const char *expectation(const Parser *p, const Expected *e) {
  static const char *const begins_value[] = {"name", "number", "dimensions", "string", "'['", "'('", "'-'"};
  static const char *const goes_on[] = {"'+'",  "'-'", "'*'",  "'/'",   "'%'",  "'**'", "'=='",
                                        "'!='", "'<'", "'<='", "'>'",   "'>='", "'..'", "'?'",
                                        "'['",  "'('", "'.'",  "'and'", "'or'"};
  const char *list[MOST_EXPECTED];
  int n = 0;
  if (e->file) return "'import', 'const', 'block' or 'net'";
  if (e->value) list[n++] = "a value";
  if (e->statement) list[n++] = "a statement";
  if (e->chain) list[n++] = "an operator, block or value";
  for (int i = 0; i < e->n; i++) {
    const char *name = e->name[i];
    const bool is_name = strcmp(name, "name") == 0, is_end = strcmp(name, "end of line") == 0;
    if (e->value && (IN(name, begins_value) || IN(name, words))) continue;
    if ((e->statement || e->chain) && (is_name || IN(name, words))) continue;
    if (e->any_word && IN(name, words)) continue;
    if (e->operators && IN(name, goes_on)) continue;
    if (strcmp(name, "'.'") == 0 || strcmp(name, "end of file") == 0) continue;
    if (is_end && (e->statement || e->any_word)) continue;
    if (strcmp(name, "'}'") == 0 && expects(e, "end of line") && !e->statement && !e->any_word) continue;
    if (n == MOST_EXPECTED) return NULL;
    list[n++] = is_name ? (p->before_token == TOK_ARROW ? "an operator or block" : "a name")
                : strcmp(name, "string") == 0 ? "a string"
                                              : name;
  }
  if (n == 0) return NULL;
  Text text = {.arena = p->arena};
  put_names(&text, n, list);
  return text.s;
}

/* ---- brackets ---- */

/* The bracket that was probably left open: the bracket that a brace closed (see brackets_cut) or, if there is
 * none, the innermost open bracket before the token found. */
static Opening open_bracket(const Parser *p, Span span) {
  if (p->dangling.kind) return p->dangling;
  for (int i = p->depth - 1; i >= 0; i--)
    if (p->open[i].kind != '{' && p->open[i].span.start != span.start) return p->open[i];
  return (Opening){NO_SPAN, 0};
}

/* Whether the error is probably a missing closing bracket. */
static bool wants_closing(const Parser *p, Span span, const Expected *e) {
  switch (p->token) {
  case TOK_ARROW:
  case TOK_LBRACE:
  case TOK_RBRACE:
  case TOK_SEP:
  case TOK_END:
  case TOK_RPAREN:
  case TOK_RBRACK: return true;
  default: break;
  }
  const uint32_t line = (uint32_t)sources_place(p->sources, span.file, span.start).line;
  const bool first_on_line =
      line != (uint32_t)sources_place(p->sources, p->before.file, p->before.start).line;
  return first_on_line ||
         ((expects(e, "')'") || expects(e, "']'")) && !expects(e, "','") && !expects(e, "name"));
}

static void brackets_put(const Parser *p, Diag *diag, Span span, const Expected *e) {
  const Opening bracket = open_bracket(p, span);
  if (bracket.kind) {
    if (wants_closing(p, span, e)) diag_note(diag, bracket.span, "this bracket is still open");
  } else if (p->token == TOK_END && p->suspect.kind) {
    diag_note(diag, p->suspect.span, "the '}' of this '{' has a different indentation: is a '}' missing?");
  } else if (p->token == TOK_END && p->depth > 0) {
    diag_note(diag, p->open[p->depth - 1].span, "this '{' is still open");
  }
}

/* Whether the word is followed by '=', like a name that is defined: true = dense(4). */
bool is_assigned(const Parser *p, Span span) {
  const char *text = p->text->text;
  size_t at = span.end;
  while (at < p->text->n && (text[at] == ' ' || text[at] == '\t')) at++;
  return at < p->text->n && text[at] == '=' && !(at + 1 < p->text->n && text[at + 1] == '=');
}

/* Whether a keyword is used where only a new name is possible. */
static bool names_keyword(const Parser *p, Span span, const Expected *e) {
  if (p->token == TOK_ASSIGN) return is_keyword(p, p->before);
  if (is_keyword(p, span) && is_assigned(p, span) && p->depth > 0 && p->open[p->depth - 1].kind == '{')
    return true;
  if (!expects(e, "name") || e->value || e->statement || e->any_word || !is_keyword(p, span)) return false;
  return p->before_token != TOK_ARROW && p->before_token != TOK_ASSIGN;
}

void syntax_mistake(Parser *p, Span span, int n, const char *const *names) {
  const Expected e = expected_from(n, names);
  /* Errors that follow from an earlier error are not reported. */
  const bool consequence = p->outside && e.file;
  p->outside |= p->depth == 0 && (e.file || expects(&e, "'{'"));
  const bool follows = consequence || p->given_up || (p->token == TOK_END && diags_errors(p->diags) > 0) ||
                       (p->foreign.end > 0 && span.start == p->foreign.start);
  if (!follows && names_keyword(p, span, &e)) {
    const Span word = p->token == TOK_ASSIGN ? p->before : span;
    Diag *diag = diag_report(p->diags, DIAG_reserved_name, word, NULL,
                             "%s is a keyword and cannot be a name here", shown(p, word));
    keyword_advise(p, diag, word);
  } else if (!follows) {
    const char *expected = expectation(p, &e);
    Diag *diag = diag_report(p->diags, DIAG_syntax, span, NULL, "unexpected %s%s%s", found(p, span),
                             expected ? ", expected " : "", expected ? expected : "");
    brackets_put(p, diag, span, &e);
    syntax_advise(p, diag, span, &e);
  }
  if (is_stray_comma(p, &e)) p->token = TOK_CNN_error; /* a comma token would continue the statement */
  p->dangling = (Opening){NO_SPAN, 0};
  brackets_drop(p);
}

/* ---- characters ---- */

void word_report(Parser *p, Span span) {
  Diag *diag = diag_report(p->diags, DIAG_bad_character, span, NULL, "%s is not a name", shown(p, span));
  diag_help(diag,
            "names consist of the letters a to z and A to Z, digits and '_'; other letters are allowed in "
            "strings and comments only");
  brackets_drop(p);
}

void character_report(Parser *p, Span span) {
  const unsigned char c = (unsigned char)p->text->text[span.start];
  if (c < 0x20 || c == 0x7f)
    diag_report(p->diags, DIAG_bad_character, span, NULL, "a control character (0x%02x)", (unsigned)c);
  else diag_report(p->diags, DIAG_bad_character, span, NULL, "'%c' has no meaning here", c);
  brackets_drop(p);
}
