/* names.c: Identifiers of generated C, and their scopes. */
// SPDX-License-Identifier: Apache-2.0
#include "lir/names.h"
#include <string.h>

/* Names that generated C must not define: keywords of C and C++ (C++ code may include the header), and
 * macros, functions and types of the C implementation. */
static const char *const keywords[] = {"alignas",
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

const char *name_letters(Arena *arena, const char *name) {
  char *s = arena_printf(arena, "%s%s", is_digit(name[0]) || !name[0] ? "_" : "", name);
  for (char *at = s; *at; at++)
    if (!is_letter(*at) && !is_digit(*at)) *at = '_';
  return s;
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
