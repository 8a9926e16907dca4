/* literals.c: Literals of generated C. */
// SPDX-License-Identifier: Apache-2.0
#include "emit/literals.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "emit/prelude.h"

/* ---- literals ---- */
static bool put_special(Text *out, double value, const char *suffix) {
  if (isnan(value)) text_put(out, "__builtin_nan%s(\"\")", suffix);
  else if (isinf(value)) text_put(out, "%s__builtin_inf%s()", value < 0 ? "-" : "", suffix);
  return isnan(value) || isinf(value);
}

void put_float(Text *out, float value) {
  if (put_special(out, (double)value, "f")) return;
  const char *s = text_float(out->arena, (double)value);
  text_put(out, "%s%sf", s, strpbrk(s, ".e") ? "" : ".0");
}

void put_hex_float(Text *out, float value) {
  if (!put_special(out, (double)value, "f")) text_hex_float(out, value);
}

void put_floats(Text *out, const float *value, int64_t n, const char *indent) {
  enum { A_LINE = 8 };
  for (int64_t i = 0; i < n; i++) {
    if (i % A_LINE == 0) text_put(out, "%s%s", i ? "\n" : "", indent);
    put_hex_float(out, value[i]);
    text_put(out, i + 1 < n ? (i % A_LINE == A_LINE - 1 ? "," : ", ") : "");
  }
  text_put(out, "\n");
}

/* Seventeen digits identify any double; fewer are printed if they suffice. The locale determines the decimal
 * separator of printf, so a '.' replaces the separator. */
void put_double(Text *out, double value) {
  if (put_special(out, value, "")) return;
  char s[40];
  for (int digits = 1; digits <= 17; digits++) {
    double back = 0;
    snprintf(s, sizeof s, "%.*g", digits, value);
    char *point = s + strspn(s, "-0123456789");
    if (*point && *point != 'e') *point = '.';
    if (text_number(s[0] == '-' ? s + 1 : s, &back) && back == fabs(value)) break;
  }
  text_put(out, "%s%s", s, strpbrk(s, ".e") ? "" : ".0");
}

void put_string(Text *out, const char *s) {
  const char *start = s, *end = s + strlen(s);
  text_put(out, "\"");
  while (s < end) {
    uint32_t code = 0;
    const int length = text_decode(s, (size_t)(end - s), &code);
    if (*s == '"' || *s == '\\' || (*s == '?' && s > start && s[-1] == '?'))
      text_put(out, "\\%c", *s); /* "??" might begin a trigraph */
    else if (*s == '\n') text_put(out, "\\n");
    else if (length == 0 || (unsigned char)*s < 0x20 || *s == 0x7f)
      text_put(out, "\\%03o", (unsigned)(unsigned char)*s);
    else text_bytes(out, s, (size_t)length);
    s += length ? length : 1;
  }
  text_put(out, "\"");
}

void put_comment(Text *out, const char *s, const char *prefix) {
  while (*s) {
    const size_t length = strcspn(s, "\n");
    text_put(out, "%s", prefix);
    for (size_t i = 0; i < length; i++) {
      const bool mark = (s[i] == '*' && s[i + 1] == '/') || (s[i] == '/' && s[i + 1] == '*');
      if ((unsigned char)s[i] >= 0x20) text_put(out, mark ? "%c " : "%c", s[i]);
    }
    text_put(out, "\n");
    s += length + (s[length] == '\n');
  }
}

void put_dims(Text *out, int rank, const int64_t *dim) {
  for (int i = 0; i < rank; i++) text_put(out, "[%" PRId64 "]", dim[i]);
}
