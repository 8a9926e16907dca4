/* literal.c: Values of literals: numbers, dimensions, strings. */
// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <math.h>
#include <string.h>
#include "base/text.h"
#include "syntax/parse.h"

/* ---- numbers ---- */

/* The value of n digits, or -1 if it does not fit in int64_t. */
static int64_t digits_value(const char *digits, size_t n) {
  int64_t value = 0;
  for (size_t i = 0; i < n; i++) {
    const int digit = digits[i] - '0';
    if (value > (INT64_MAX - digit) / 10) return -1;
    value = 10 * value + digit;
  }
  return value;
}

static const Expr *integer(Parser *p, const char *digits, size_t n, Span span) {
  const int64_t value = digits_value(digits, n);
  if (value < 0) {
    diag_report(p->diags, DIAG_overflow, span, NULL, "%.*s%s does not fit in a 64-bit integer",
                n > 40 ? 40 : (int)n, digits, n > 40 ? "..." : "");
    return expr_poison(p, span);
  }
  Expr *e = expr_new(p, EXPR_INT, span);
  e->i = value;
  return e;
}

const Expr *literal_integer(Parser *p, const char *digits, Span span) {
  return integer(p, digits, strlen(digits), span);
}

const Expr *literal_float(Parser *p, const char *digits, Span span) {
  double value = 0;
  text_number(digits, &value);
  if (isinf(value)) {
    diag_report(p->diags, DIAG_overflow, span, NULL, "this number is too large for a float");
    return expr_poison(p, span);
  }
  Expr *e = expr_new(p, EXPR_FLOAT, span);
  e->f = value;
  return e;
}

const Expr *literal_dims(Parser *p, const char *digits, Span span) {
  ExprList sizes = {0};
  for (uint32_t at = span.start; at < span.end;) {
    const size_t n = strspn(digits + (at - span.start), "0123456789");
    vec_push(p->arena, sizes.v,
             integer(p, digits + (at - span.start), n, (Span){span.file, at, at + (uint32_t)n}));
    at += (uint32_t)n + 1;
  }
  Expr *e = expr_new(p, EXPR_DIMS, span);
  e->n = sizes.v.n;
  e->items = sizes.v.data;
  return e;
}

static void dimensions_rule(Diag *diag) {
  diag_help(diag,
            "dimensions have digits and the letter x only, as in 5x5; with names or expressions write a "
            "list: [h, w]");
}

/* Adds help. For 28X28, the help is to write 28x28; for 28xside, to write [28, side]; for other words, it is
 * the general rule. */
static void dimensions_help(const Parser *p, Diag *diag, const char *word, Span span) {
  Text dims = {.arena = p->arena}, list = {.arena = p->arena};
  bool digits_only = true;
  for (const char *at = word;;) {
    const size_t n = strcspn(at, "xX\u00d7");
    if (n == 0) return dimensions_rule(diag);
    const size_t digits = strspn(at, "0123456789");
    if (digits > 0 && digits < n) return dimensions_rule(diag); /* 5a is neither a number nor a name */
    digits_only &= digits > 0;
    text_put(&dims, "%s%.*s", at > word ? "x" : "", (int)n, at);
    text_put(&list, "%s%.*s", at > word ? ", " : "[", (int)n, at);
    at += n;
    if (!*at) break;
    if (!strchr("xX", *at) && strncmp(at, "\u00d7", 2) != 0) return dimensions_rule(diag);
    at += strncmp(at, "\u00d7", 2) == 0 ? 2 : 1;
  }
  if (digits_only) diag_help(diag, "dimensions are digits with the letter x between them: %.80s", dims.s);
  else diag_help(diag, "dimensions are digits only; with names write %.80s]", list.s);
  diag_fix(diag, span, "%s%s", digits_only ? dims.s : list.s, digits_only ? "" : "]");
}

static void separators_fix(const Parser *p, Diag *diag, const char *word, Span span) {
  Text digits = {.arena = p->arena};
  for (; *word; word++)
    if (*word != '_') text_bytes(&digits, word, 1);
  diag_fix(diag, span, "%s", digits.s);
}

static bool in_path(char c) { return isalnum((unsigned char)c) || c == '_' || c == '.'; }

/* Adds help if the span is part of a layer's name, as in weights=conv.0.first. */
static bool layer_name_help(const Parser *p, Diag *diag, Span span) {
  static const char weights[] = "weights";
  const char *text = p->text->text;
  Span name = span;
  while (name.start > 0 && in_path(text[name.start - 1])) name.start--;
  while (name.end < p->text->n && in_path(text[name.end])) name.end++;
  size_t at = name.start;
  while (at > 0 && strchr(" \t=", text[at - 1])) at--;
  if (at == name.start || at < strlen(weights)) return false;
  if (name.start == span.start || memcmp(text + at - strlen(weights), weights, strlen(weights)) != 0)
    return false;
  const char *quoted = arena_printf(p->arena, "\"%.*s\"", (int)(name.end - name.start), text + name.start);
  diag_help(diag, "write a name with numbers as a string: weights=%.80s", quoted);
  diag_fix(diag, name, "%s", quoted);
  return true;
}

const Expr *literal_bad(Parser *p, const char *word, Span span) {
  const size_t n = strlen(word), digits = strspn(word, "0123456789");
  Diag *diag =
      diag_report(p->diags, DIAG_bad_number, span, NULL, "'%.*s%s' is neither a number nor dimensions",
                  n > 40 ? 40 : (int)n, word, n > 40 ? "..." : "");
  const char *rest = word + digits;
  p->foreign = span; /* a syntax error at this token follows from this error */
  if (*word == '.' && layer_name_help(p, diag, span)) return expr_poison(p, span);
  if (*word == '.') {
    diag_help(diag, "a point needs digits on both sides: 0%.40s", word);
    const char before = span.start > 0 ? p->text->text[span.start - 1] : ' ';
    if (strchr(" \t\n(,[=", before)) diag_fix(diag, (Span){span.file, span.start, span.start}, "0");
  } else if (strchr("xX*", *rest) || strncmp(rest, "\u00d7", 2) == 0) {
    dimensions_help(p, diag, word, span);
  } else if (*rest == '_' && strspn(rest, "_0123456789") == strlen(rest)) {
    diag_help(diag, "digits are written without separators");
    separators_fix(p, diag, word, span);
  } else if (*rest == 'e' || *rest == 'E') diag_help(diag, "an exponent is written as in 1e-3");
  return expr_poison(p, span);
}

/* ---- strings ---- */

static int hex_value(const char *s, size_t left) {
  int value = 0;
  for (size_t i = 0; i < 4; i++) {
    const char c = i < left ? s[i] : ' ';
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return -1;
    value = 16 * value + digit;
  }
  return value;
}

static void escape_report(Parser *p, Span at, const char *why) {
  Diag *diag = diag_report(p->diags, DIAG_bad_escape, at, NULL, "%s", why);
  diag_help(diag, "the escapes are \\\" \\\\ \\n \\t and \\uXXXX; a backslash is written \\\\");
}

/* The character of the \u escape at s (after the backslash), or 0 after an error. used: length of the
 * escape in bytes, without the backslash. */
static uint32_t unicode_escape(Parser *p, const char *s, size_t left, Span span, size_t *used) {
  const int high = hex_value(s + 1, left - 1);
  *used = high < 0 ? 1 : 5;
  span.end = span.start + 1 + (uint32_t)*used;
  if (high < 0) return escape_report(p, span, "\\u must be followed by four hexadecimal digits"), 0;
  if (high == 0) return escape_report(p, span, "a string cannot contain the character \\u0000"), 0;
  if (high < 0xd800 || high > 0xdfff) return (uint32_t)high;
  const bool paired = high < 0xdc00 && left >= 11 && s[5] == '\\' && s[6] == 'u';
  const int low = paired ? hex_value(s + 7, left - 7) : -1;
  if (low < 0xdc00 || low > 0xdfff)
    return escape_report(
               p, span,
               "this is half of a surrogate pair: the escapes \\uD800 to \\uDFFF must come in pairs"),
           0;
  *used = 11;
  return 0x10000 + ((uint32_t)(high - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
}

const Expr *literal_string(Parser *p, Span span) {
  const char *s = p->text->text + span.start + 1;
  const size_t n = span.end - span.start - 2;
  char *out = arena_alloc(p->arena, n + 1);
  size_t length = 0;
  for (size_t i = 0; i < n; i++) {
    const Span at = {span.file, span.start + 1 + (uint32_t)i, span.start + 3 + (uint32_t)i};
    const unsigned char c = (unsigned char)s[i];
    if ((c < 0x20 && c != '\t') || c == 0x7f) {
      diag_report(p->diags, DIAG_bad_character, (Span){at.file, at.start, at.start + 1}, NULL,
                  "a string contains a control character (0x%02x)", (unsigned)c);
    } else if (c != '\\') {
      out[length++] = (char)c;
    } else {
      size_t used = 1;
      i++;
      if (s[i] == 'n') out[length++] = '\n';
      else if (s[i] == 't') out[length++] = '\t';
      else if (s[i] == '"' || s[i] == '\\') out[length++] = s[i];
      else if (s[i] == 'u') {
        const uint32_t code = unicode_escape(p, s + i, n - i, at, &used);
        if (code) length += (size_t)text_encode(out + length, code);
      } else {
        uint32_t code;
        const int bytes = text_decode(s + i, n - i, &code);
        escape_report(p, (Span){at.file, at.start, at.start + 1 + (uint32_t)bytes}, "this escape is unknown");
        used = (size_t)bytes;
      }
      i += used - 1;
    }
  }
  Expr *e = expr_new(p, EXPR_STRING, span);
  e->s = out;
  e->length = length;
  return e;
}

const Expr *literal_single_quoted(Parser *p, Span span) {
  Diag *diag = diag_report(p->diags, DIAG_bad_character, (Span){span.file, span.start, span.start + 1}, NULL,
                           "a single quote has no meaning here");
  diag_help(diag, "write strings in double quotes: \"...\"");
  if (!memchr(p->text->text + span.start, '"', span.end - span.start)) {
    diag_fix(diag, (Span){span.file, span.start, span.start + 1}, "\"");
    diag_fix(diag, (Span){span.file, span.end - 1, span.end}, "\"");
  }
  return literal_string(p, span);
}

void literal_unterminated(Parser *p, Span span) {
  const char *text = p->text->text;
  while (span.end > span.start + 1 && (text[span.end - 1] == '\r' || text[span.end - 1] == ' ')) span.end--;
  Diag *diag =
      diag_report(p->diags, DIAG_unterminated_string, span, NULL, "this string has no closing quote");
  diag_help(diag, "a string ends on its line; a new line inside is written \\n");
  brackets_drop(p); /* so that the damaged statement ends with this line */
}
