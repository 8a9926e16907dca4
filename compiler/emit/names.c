/* names.c: identifiers and literals of generated C. */
// SPDX-License-Identifier: Apache-2.0
#include "emit/names.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "emit/prelude.h"

/* ---- names ---- */
static const char *const keywords[] = {/* of C and C++, which reads the header */
                                       "alignas",
                                       "alignof",
                                       "and",
                                       "and_eq",
                                       "asm",
                                       "auto",
                                       "bitand",
                                       "bitor",
                                       "bool",
                                       "break",
                                       "case",
                                       "catch",
                                       "char",
                                       "class",
                                       "compl",
                                       "const",
                                       "const_cast",
                                       "constexpr",
                                       "continue",
                                       "decltype",
                                       "default",
                                       "delete",
                                       "do",
                                       "double",
                                       "dynamic_cast",
                                       "else",
                                       "enum",
                                       "explicit",
                                       "export",
                                       "extern",
                                       "false",
                                       "float",
                                       "for",
                                       "friend",
                                       "goto",
                                       "if",
                                       "inline",
                                       "int",
                                       "long",
                                       "mutable",
                                       "namespace",
                                       "new",
                                       "noexcept",
                                       "not",
                                       "not_eq",
                                       "nullptr",
                                       "operator",
                                       "or",
                                       "or_eq",
                                       "private",
                                       "protected",
                                       "public",
                                       "register",
                                       "reinterpret_cast",
                                       "restrict",
                                       "return",
                                       "short",
                                       "signed",
                                       "sizeof",
                                       "static",
                                       "static_assert",
                                       "static_cast",
                                       "struct",
                                       "switch",
                                       "template",
                                       "this",
                                       "thread_local",
                                       "throw",
                                       "true",
                                       "try",
                                       "typedef",
                                       "typeid",
                                       "typename",
                                       "typeof",
                                       "union",
                                       "unsigned",
                                       "using",
                                       "virtual",
                                       "void",
                                       "volatile",
                                       "wchar_t",
                                       "while",
                                       "xor",
                                       "xor_eq",
                                       "linux",
                                       "unix",
                                       "NULL",
                                       "memcpy",
                                       "memset",
                                       "_Alignas",
                                       "_Alignof",
                                       "_Atomic",
                                       "_Bool",
                                       "_Complex",
                                       "_Generic",
                                       "_Imaginary",
                                       "_Noreturn",
                                       "_Static_assert",
                                       "_Thread_local",
                                       "int8_t",
                                       "int16_t",
                                       "int32_t",
                                       "int64_t",
                                       "uint8_t",
                                       "uint16_t",
                                       "uint32_t",
                                       "uint64_t",
                                       "size_t",
                                       "intptr_t",
                                       "uintptr_t",
                                       "ptrdiff_t",
                                       NULL};

static bool listed(const char *const *list, const char *name) {
  for (; *list; list++)
    if (strcmp(*list, name) == 0) return true;
  return false;
}

bool name_of_c(const char *name) { return listed(keywords, name); }

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

const char *name_identifier(Arena *arena, const char *name) {
  char *s = arena_printf(arena, "%s%s", is_digit(name[0]) || !name[0] ? "_" : "", name);
  for (char *at = s; *at; at++)
    if (!is_letter(*at) && !is_digit(*at)) *at = '_';
  return name_of_c(s) || prelude_has_name(s) ? arena_printf(arena, "%s_", s) : s;
}

bool name_of_runtime(const char *name) { return !strncmp(name, "cnn_", 4) || !strncmp(name, "CNN_", 4); }

const char *name_upper(Arena *arena, const char *name) {
  char *s = arena_copy(arena, name, strlen(name));
  for (char *at = s; *at; at++)
    if (*at >= 'a' && *at <= 'z') *at = (char)(*at - 'a' + 'A');
  return s;
}

static bool taken_around(const Names *names, const char *name) {
  const size_t n = names->file ? strlen(names->prefix) : 0;
  return (names->file && !strncmp(name, names->prefix, n) && names_taken(names->file, name + n)) ||
         (names->macros && names_taken(names->macros, name));
}

bool names_taken(const Names *names, const char *name) {
  return table_find(&names->last, name) != NULL || taken_around(names, name);
}

static int *last_new(Names *names, const char *name) {
  int *last = NEW(names->arena, int);
  *last = 1;
  table_set(names->arena, &names->last, name, last);
  return last;
}

void names_reserve(Names *names, const char *name) {
  if (names_taken(names, name)) return;
  last_new(names, name);
}

const char *names_unique(Names *names, const char *name) {
  const char *unique = name;
  int *last = table_find(&names->last, name);
  if (!last && taken_around(names, name)) last = last_new(names, name);
  while (last && names_taken(names, unique)) unique = arena_printf(names->arena, "%s_%d", name, ++*last);
  names_reserve(names, unique);
  return unique;
}

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
  if (put_special(out, (double)value, "f")) return;
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  const int exponent = (int)(bits >> 23 & 255);
  const uint32_t fraction = bits & 0x7fffff;
  const char *sign = bits >> 31 ? "-" : "";
  if (exponent == 0 && fraction == 0) {
    text_put(out, "%s0.0f", sign);
    return;
  }
  char digits[8];
  snprintf(digits, sizeof digits, "%06" PRIx32, fraction << 1);
  int n = 6;
  while (n > 0 && digits[n - 1] == '0') n--;
  text_put(out, "%s0x%d%s%.*sp%df", sign, exponent ? 1 : 0, n ? "." : "", n, digits,
           exponent ? exponent - 127 : -126);
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

/* Seventeen digits tell any double from its neighbors; fewer are printed when they do as well. The decimal
 * point is the locale's, so it is put back. */
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
