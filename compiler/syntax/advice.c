/* advice.c: Help for common syntax errors. Most of these errors are habits from other languages. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/text.h"
#include "parser.h"
#include "syntax/mistake.h"

enum { LONGEST_LIST = 40 };

/* ---- the text around a token ---- */

static bool found_word(const Parser *p, Span span, const char *word) {
  return span.end - span.start == strlen(word) && memcmp(p->text->text + span.start, word, strlen(word)) == 0;
}

static bool found_one(const Parser *p, Span span, const char *const *list) {
  for (; *list; list++)
    if (found_word(p, span, *list)) return true;
  return false;
}

static uint32_t skip_blanks(const Parser *p, uint32_t at) {
  while (at < p->text->n && strchr(" \t\r", p->text->text[at])) at++;
  return at;
}

/* The next character that is not a blank; at the end of the text, a newline. */
static char next_character(const Parser *p, uint32_t at) {
  at = skip_blanks(p, at);
  return at < p->text->n ? p->text->text[at] : '\n';
}

static bool line_has(const Parser *p, uint32_t at, char c) {
  for (; at < p->text->n && p->text->text[at] != '\n'; at++)
    if (p->text->text[at] == c) return true;
  return false;
}

static bool same_line(const Parser *p, Span a, Span b) {
  return sources_place(p->sources, a.file, a.start).line == sources_place(p->sources, b.file, b.start).line;
}

static Span empty_at(Span span, uint32_t offset) { return (Span){span.file, offset, offset}; }
static Span from_to(Span span, uint32_t start, uint32_t end) { return (Span){span.file, start, end}; }

static bool is_word_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* ---- inputs ---- */

static bool advise_input(const Parser *p, Diag *diag, Span span, const Expected *e) {
  const int token = p->token;
  const bool shape = token == TOK_DIMS || token == TOK_NUMBER || token == TOK_LBRACK;
  const bool colon = e->n == 1 && expects(e, "':'");
  if (p->before_token == TOK_INPUT && (shape || token == TOK_LPAREN)) {
    diag_help(diag, "an input needs a name: input image: 28x28x1");
    if (shape) diag_fix(diag, empty_at(span, span.start), "%s", token == TOK_NUMBER ? "x: " : "image: ");
    return true;
  }
  if (!colon || (token != TOK_ASSIGN && !shape)) return false;
  diag_help(diag, "put ':' between the name of an input and its shape: input image: 28x28x1");
  diag_fix(diag, from_to(span, p->before.end, token == TOK_ASSIGN ? span.end : p->before.end), ":");
  return true;
}

/* ---- commas ---- */

bool is_stray_comma(const Parser *p, const Expected *e) {
  return p->token == TOK_COMMA && !bracket_is_open(p) && expects(e, "end of line");
}

static bool advise_comma(const Parser *p, Diag *diag, Span span, const Expected *e) {
  if (!is_stray_comma(p, e)) return false;
  const bool last = strchr("\n#}", next_character(p, span.end));
  if (last) diag_help(diag, "remove the comma at the end of the line");
  else diag_help(diag, "separate statements and settings with a newline or ';'");
  diag_fix(diag, span, "%s", last ? "" : ";");
  return true;
}

/* ---- chains ---- */

/* Help for a keyword of another language before a statement: let x = ... */
static bool advise_keyword_elsewhere(const Parser *p, Diag *diag, Span span) {
  static const char *const results[] = {"return", "yield", NULL}, *const definitions[] = {"let",  "var",
                                                                                          "auto", "val",
                                                                                          "def",  NULL};
  const bool result = found_one(p, p->before, results),
             definition = found_one(p, p->before, definitions) && is_assigned(p, span);
  if (found_word(p, p->before, "for")) return diag_help(diag, "write: repeat COUNT as i { ... }"), true;
  if (found_word(p, p->before, "while")) return diag_help(diag, "write: repeat COUNT { ... }"), true;
  if (found_word(p, p->before, "elif")) return diag_help(diag, "write: else if CONDITION { ... }"), true;
  if (result)
    diag_help(diag, "the last value of a block or net is its result, without '%.*s'",
              (int)(p->before.end - p->before.start), p->text->text + p->before.start);
  else if (definition) diag_help(diag, "write a value's name without a keyword: NAME = ...");
  else return false;
  diag_fix(diag, from_to(span, p->before.start, span.start), "%s", "");
  return true;
}

static bool advise_arrow(const Parser *p, Diag *diag, Span span, const Expected *e) {
  const bool word = p->token == TOK_NAME && (p->before_token == TOK_NAME || p->before_token == TOK_RPAREN);
  if (!word || !expects(e, "'->'") || bracket_is_open(p) || !same_line(p, p->before, span)) return false;
  if (p->before_token == TOK_NAME && advise_keyword_elsewhere(p, diag, span)) return true;
  if (p->before_token == TOK_NAME && is_assigned(p, span)) {
    diag_help(diag, "a name is one word: letters, digits and '_'");
    diag_fix(diag, from_to(span, p->before.end, span.start), "_");
    return true;
  }
  diag_help(diag, "operators are joined by '->'; another statement begins on a new line or after ';'");
  diag_fix(diag, empty_at(span, p->before.end), " ->");
  return true;
}

/* Help for missing parentheses: maxpool 2. */
static bool advise_brackets(const Parser *p, Diag *diag, Span span, const Expected *e) {
  const bool number = p->token == TOK_NUMBER || p->token == TOK_DIMS;
  if (!number || p->before_token != TOK_NAME || !expects(e, "'->'") || !expects(e, "'('") ||
      !same_line(p, p->before, span))
    return false;
  const int n = (int)(span.end - span.start);
  diag_help(diag, "write arguments in parentheses: %.*s(%.*s)", (int)(p->before.end - p->before.start),
            p->text->text + p->before.start, n, p->text->text + span.start);
  if (strchr("\n#}-;", next_character(p, span.end)))
    diag_fix(diag, from_to(span, p->before.end, span.end), "(%.*s)", n, p->text->text + span.start);
  return true;
}

/* Start of the call whose ')' is the character before `end`; `end` if the call has a string or is on several
 * lines. */
static uint32_t call_start(const Parser *p, uint32_t end) {
  const char *text = p->text->text;
  uint32_t at = end;
  int depth = 0;
  do {
    at--;
    if (text[at] == '\n' || text[at] == '"' || text[at] == '#') return end;
    depth += (text[at] == ')') - (text[at] == '(');
  } while (at > 0 && depth > 0);
  while (at > 0 && (is_word_letter(text[at - 1]) || text[at - 1] == '.')) at--;
  return at;
}

/* Help for a call in the style of Keras: conv(16, 3x3)(image). */
static bool advise_application(const Parser *p, Diag *diag, Span span, const Expected *e) {
  if (p->token != TOK_LPAREN || p->before_token != TOK_RPAREN || !expects(e, "'->'")) return false;
  diag_help(diag, "the input of an operator precedes it: image -> conv(16, 3x3)");
  const char *text = p->text->text;
  const uint32_t name = skip_blanks(p, span.end), call = call_start(p, p->before.end);
  uint32_t end = name;
  while (end < p->text->n && (is_word_letter(text[end]) || text[end] == '.')) end++;
  uint32_t before = call;
  while (before > 0 && strchr(" \t", text[before - 1])) before--;
  const bool first = before == 0 || strchr("\n={;", text[before - 1]);
  if (end == name || call == p->before.end || !first || next_character(p, end) != ')') return true;
  diag_fix(diag, empty_at(span, call), "%.*s -> ", (int)(end - name), text + name);
  diag_fix(diag, from_to(span, span.start, skip_blanks(p, end) + 1), "%s", "");
  return true;
}

/* Help for a tuple instead of a list: (3, 3). */
static bool advise_list(const Parser *p, Diag *diag, Span span, const Expected *e) {
  if (p->token != TOK_COMMA || e->value || !expects(e, "')'") || expects(e, "','") || !bracket_is_open(p))
    return false;
  const Span open = p->open[p->depth - 1].span;
  const char *text = p->text->text;
  int depth = 0;
  for (uint32_t at = span.end; at < p->text->n && !strchr("\n\"=", text[at]); at++) {
    depth += (text[at] == '(') - (text[at] == ')');
    if (depth >= 0) continue;
    if (at - open.end <= LONGEST_LIST)
      diag_help(diag, "write a list in square brackets: [%.*s]", (int)(at - open.end), text + open.end);
    else diag_help(diag, "write a list in square brackets: [...]");
    diag_fix(diag, open, "[");
    diag_fix(diag, from_to(span, at, at + 1), "]");
    return true;
  }
  diag_help(diag, "write a list in square brackets: [...]");
  return true;
}

/* Help for a float without digits after the point: 1./255. */
static bool advise_point(const Parser *p, Diag *diag, Span span) {
  if (p->token != TOK_DOT || p->before_token != TOK_NUMBER) return false;
  const char *number = p->text->text + p->before.start;
  const int n = (int)(p->before.end - p->before.start);
  const bool whole = (int)strspn(number, "0123456789") >= n && p->before.end == span.start;
  diag_help(diag, "a point needs digits on both sides: %.*s.0", whole ? n : 1, whole ? number : "5");
  const char after = span.end < p->text->n ? p->text->text[span.end] : '\n';
  if (whole && !is_word_letter(after) && after != '.') diag_fix(diag, empty_at(span, span.end), "0");
  return true;
}

/* ---- declarations of a file ---- */

static bool advise_file(const Parser *p, Diag *diag, Span span, const Expected *e) {
  static const char *const blocks[] = {"def", "function", "fn", "func", "fun", "macro", "module", NULL};
  static const char *const nets[] = {"model",      "network", "Model", "Network", "Net",
                                     "Sequential", "class",   "cnn",   "graph",   NULL};
  static const char *const constants[] = {"let", "var", "val", "define", "set", "final", "constexpr", NULL};
  if (!e->file) return false;
  const bool braces = line_has(p, span.end, '{');
  if (p->token == TOK_RBRACE) return diag_help(diag, "no '{' is open here"), true;
  if (found_one(p, span, blocks)) {
    diag_help(diag, "write: block NAME(parameters) { ... }");
    if (braces) diag_fix(diag, span, "block");
  } else if (found_one(p, span, nets)) {
    diag_help(diag, "write: net NAME { ... }");
    if (braces && strncmp(p->text->text + span.start, "class", 5) != 0) diag_fix(diag, span, "net");
  } else if (found_one(p, span, constants)) {
    diag_help(diag, "write: const NAME = ...");
    diag_fix(diag, span, "const");
  } else if (p->token == TOK_NAME && is_assigned(p, span)) {
    diag_help(diag, "outside nets and blocks only constants have names: const NAME = ...");
    diag_fix(diag, empty_at(span, span.start), "const ");
  } else {
    diag_help(diag, "statements must be inside a net or a block");
  }
  return true;
}

/* ---- keywords as names ---- */

void keyword_advise(const Parser *p, Diag *diag, Span keyword) {
  const bool labels = found_word(p, keyword, "labels"), output = found_word(p, keyword, "output");
  if ((!labels && !output) || !is_assigned(p, keyword)) return;
  const uint32_t after = skip_blanks(p, keyword.end) + 1, name = skip_blanks(p, after);
  uint32_t end = name;
  while (end < p->text->n && is_word_letter(p->text->text[end])) end++;
  const bool plain = end > name && strchr("\n#};,", next_character(p, end));
  diag_help(diag, labels ? "write labels without '=': labels [\"cat\", \"dog\"]"
                         : "an output statement names values, without '=': output scores");
  if (labels || plain) diag_fix(diag, from_to(keyword, keyword.end, name), " ");
}

/* ---- hints without a fix ---- */

static bool is_comparison(int token) {
  return token == TOK_EQ || token == TOK_NE || token == TOK_LT || token == TOK_LE || token == TOK_GT ||
         token == TOK_GE;
}

static const char *helpful(const Parser *p, Span span, const Expected *e) {
  const int token = p->token, before = p->before_token;
  const bool in_shape = !e->value && expects(e, "'as'") && expects(e, "'('");
  if (token == TOK_ASSIGN && expects(e, "'=='"))
    return "'==' compares; '=' gives a name to a value or an argument";
  if (token == TOK_ASSIGN && expects(e, "'->'"))
    return "only a plain name can be given to a value: NAME = chain";
  if (token == TOK_EQ && expects(e, "'='")) return "'=' names a value; '==' compares";
  if (is_comparison(token) && e->operators) return "comparisons do not chain: write a < b and b < c";
  if (token == TOK_ELSE) return "an 'else' follows the '}' of its 'if'";
  if (token == TOK_COLON && expects(e, "'{'")) return "a body needs braces: { ... }";
  if (token == TOK_COLON && expects(e, "'='"))
    return "write NAME = value; only the name of an input is followed by ':'";
  if (before == TOK_ARROW) return "'->' must be followed by an operator or block";
  if (token == TOK_DOT && expects(e, "'->'")) return "a value such as e.c1 can only begin a chain";
  if (before == TOK_ASSIGN && e->chain &&
      (token == TOK_NUMBER || token == TOK_DIMS || token == TOK_STRING || token == TOK_LBRACK))
    return "this names a value of the net; a constant is defined by const NAME = ...";
  if (expects(e, "'->'") &&
      (token == TOK_PLUS || token == TOK_MINUS || token == TOK_TIMES || token == TOK_DIVIDE))
    return "values of the net are combined by operators: a -> add(b), subtract, multiply, divide";
  if (token == TOK_ARROW && expects(e, "')'"))
    return "close the bracket before '->'; a chain cannot be an argument";
  if (token == TOK_ARROW && e->operators)
    return "write the chain as a separate statement, NAME = chain, and use the name here";
  if (token == TOK_NAME && (before == TOK_NUMBER || found_word(p, span, "x")) &&
      p->text->text[span.start] == 'x')
    return "dimensions are written without blanks, 5x5; with names or expressions write a list: [h, w]";
  if (in_shape && token != TOK_NAME)
    return "a shape is 28x28x1, a number, a name, or a list of expressions: [2*n, n, 3]";
  if (before == TOK_IMPORT) return "write a path in quotes: import \"blocks.cnn\"";
  if (expects(e, "'{'") && !e->operators) return "a body needs braces: { ... }";
  if (before == TOK_RBRACE && expects(e, "end of line")) return "separate statements with a newline or ';'";
  return NULL;
}

void syntax_advise(const Parser *p, Diag *diag, Span span, const Expected *e) {
  if (advise_input(p, diag, span, e) || advise_comma(p, diag, span, e) || advise_arrow(p, diag, span, e))
    return;
  if (advise_brackets(p, diag, span, e) || advise_application(p, diag, span, e) ||
      advise_list(p, diag, span, e) || advise_point(p, diag, span))
    return;
  if (advise_file(p, diag, span, e)) return;
  const char *help = helpful(p, span, e);
  if (help) diag_help(diag, "%s", help);
}
