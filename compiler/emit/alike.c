/* alike.c: one function for nests whose code differs in numbers alone.
 *
 * Layers of one kind have the same statements, and their sizes are numbers in them. Where flash is short,
 * such layers share a function: the numbers in which they differ become its first parameters. Each nest is
 * proved with its own numbers, and a call passes just these, so nothing is left to prove of the function.
 *
 * The texts are compared, not the nests, for it is the text that has to be the same. An array on the stack
 * gets the largest of its sizes: only the first dimension of an array may differ. */
// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "emit/module.h"

enum {
  WORTH = 600, /* characters of a function from which on a call with more arguments is shorter than it */
  MOST = 24,   /* parameters */
  LINE = 10    /* of them in a line */
};
static const char kernel[] = "KERNEL ";

typedef struct Number {
  size_t from, to; /* of the text */
  int64_t value;
  bool size; /* of an array on the stack */
} Number;

typedef struct Code {
  Printed *function;
  const char *text;
  VEC(Number) numbers;
} Code;

typedef struct Group {
  VEC(Code *) codes;
} Group;
typedef VEC(Group *) Groups;

/* ---- a text without its numbers ---- */
static bool of_name(char c) { return isalnum((unsigned char)c) || c == '_' || c == '.'; }

/* Is the minus in front of a number its sign? */
static bool is_sign(const char *text, size_t at) {
  if (!at || text[at] != '-') return false;
  while (at && isspace((unsigned char)text[at - 1])) at--;
  return at && strchr("(,=[?:+-*/<>&|", text[at - 1]);
}

/* `int32_t name[12][2];`: nothing is computed in such a line. */
static bool declares(const char *text, size_t at) {
  while (at && text[at - 1] != '\n') at--;
  const size_t n = strcspn(text + at, "\n");
  return n && text[at + n - 1] == ';' && !memchr(text + at, '=', n) && !memchr(text + at, '(', n);
}

/* Of the line, the first one? */
static bool comes_first(const Code *code, size_t from) {
  const Number *before = code->numbers.n ? &code->numbers.data[code->numbers.n - 1] : NULL;
  return !before || memchr(code->text + before->to, '\n', from - before->to);
}

/* Finds the numbers, and gives the text with a mark for each that may be a parameter. */
static const char *skeleton(Arena *arena, Code *code) {
  const char *text = code->text;
  Text out = {.arena = arena};
  size_t done = 0;
  for (size_t at = 0; text[at]; at++) {
    if (!isdigit((unsigned char)text[at]) || (at && of_name(text[at - 1]))) continue;
    char *end;
    const bool sign = is_sign(text, at - (at > 0)), declared = declares(text, at);
    Number number = {.from = at - sign, .size = declared, .value = strtoll(text + at - sign, &end, 10)};
    number.to = (size_t)(end - text);
    at = number.to - 1;
    const bool fixed = declared && !comes_first(code, number.from);
    if (of_name(*end) || number.value > INT32_MAX || number.value < INT32_MIN || fixed) continue;
    vec_push(arena, code->numbers, number);
    text_bytes(&out, text + done, number.from - done);
    text_put(&out, declared ? "@" : "#");
    done = number.to;
  }
  text_put(&out, "%s", text + done);
  return out.s;
}

/* The function alone, without the comment above it; NULL: there are several, or it is not worth it. */
static const char *single(const Printed *function) {
  const char *at = strstr(function->code, kernel);
  if (!at || strlen(at) < WORTH || strstr(at + 1, kernel) || strstr(at, "UNROLL")) return NULL;
  for (const char *line = function->code; line < at; line = strchr(line, '\n') + 1)
    if (strncmp(line, "//", 2) != 0) return NULL;
  return at;
}

/* ---- one for several ---- */
/* Numbers that are equal in each of the functions are one parameter. */
static int parameter_of(const Group *group, int number, const int *first, int n) {
  for (int i = 0; i < n; i++) {
    bool same = true;
    for (int c = 0; c < group->codes.n && same; c++) {
      const Code *code = group->codes.data[c];
      same = code->numbers.data[number].value == code->numbers.data[first[i]].value;
    }
    if (same) return i;
  }
  return n;
}

static bool differs(const Group *group, int number) {
  for (int c = 1; c < group->codes.n; c++)
    if (group->codes.data[c]->numbers.data[number].value != group->codes.data[0]->numbers.data[number].value)
      return true;
  return false;
}

static int64_t largest(const Group *group, int number) {
  int64_t most = 0;
  for (int c = 0; c < group->codes.n; c++) {
    const int64_t value = group->codes.data[c]->numbers.data[number].value;
    if (value > most) most = value;
  }
  return most;
}

/* The body with the parameters' names. first: by parameter, the first number that it stands for. */
static const char *shared_text(Arena *arena, const Group *group, const char *name, int *first, int *n) {
  const Code *code = group->codes.data[0];
  Text out = {.arena = arena};
  size_t done = 0;
  for (int i = 0; i < code->numbers.n; i++) {
    const Number *number = &code->numbers.data[i];
    if (!differs(group, i)) continue;
    text_bytes(&out, code->text + done, number->from - done);
    done = number->to;
    if (number->size) {
      text_put(&out, "%" PRId64, largest(group, i));
      continue;
    }
    const int parameter = parameter_of(group, i, first, *n);
    if (parameter == MOST) return NULL;
    if (parameter == *n) first[(*n)++] = i;
    text_put(&out, "%s%d", name, parameter + 1);
  }
  text_put(&out, "%s", code->text + done);
  return out.s;
}

static const char *parameters(Arena *arena, const char *name, int n) {
  Text out = {.arena = arena};
  for (int i = 0; i < n; i++)
    text_put(&out, "int %s%d,%s", name, i + 1, i == n - 1 || i % LINE == LINE - 1 ? "\n    " : " ");
  return n ? out.s : "";
}

static void call_with(Arena *arena, const Code *code, const char *name, const int *first, int n) {
  Text out = {.arena = arena};
  text_put(&out, "%s(", name);
  for (int i = 0; i < n; i++) text_put(&out, "%" PRId64 ", ", code->numbers.data[first[i]].value);
  code->function->call = out.s;
}

/* Of the largest, and its parameters: those of the call, and once more where registers are few. */
static int64_t stack_of(const Group *group, int parameters) {
  enum { BYTES = 8 };
  int64_t most = 0;
  for (int c = 0; c < group->codes.n; c++) {
    const int64_t stack = group->codes.data[c]->function->stack;
    if (stack < 0) return -1;
    if (stack > most) most = stack;
  }
  return most + BYTES * parameters;
}

/* gcc would make a function of its own for each set of numbers. */
static const char not_again[] =
    "#if defined(__GNUC__) && !defined(__clang__)\n__attribute__((noclone))\n#endif\n";

/* What takes their place is the first of them; the others are called no more. */
static bool share(Arena *arena, const Group *group) {
  Printed *function = group->codes.data[0]->function;
  const char *name = "size";
  int first[MOST], n = 0;
  while (strstr(group->codes.data[0]->text, name)) name = arena_printf(arena, "%s_", name);
  const char *text = shared_text(arena, group, name, first, &n), *list = text ? strchr(text, '(') : NULL;
  if (!list) return false;
  const char *called = arena_copy(arena, function->call, strcspn(function->call, "("));
  const int64_t stack = stack_of(group, n);
  for (int c = 0; c < group->codes.n; c++) {
    call_with(arena, group->codes.data[c], called, first, n);
    group->codes.data[c]->function->stack = stack;
  }
  Text out = {.arena = arena};
  text_put(&out, "%s%svoid %s(%s%s", not_again, kernel, called, parameters(arena, name, n), list + 1);
  function->text = out.s;
  return true;
}

static Groups groups_of(Arena *arena, const Section *section) {
  Groups groups = {0};
  Table of = {0};
  for (int i = 0; i < section->functions.n; i++) {
    Code *code = NEW(arena, Code);
    code->function = section->functions.data[i];
    code->text = single(code->function);
    if (!code->text) continue;
    const char *key = skeleton(arena, code);
    Group *group = table_find(&of, key);
    if (!group) {
      group = NEW(arena, Group);
      vec_push(arena, groups, group);
      table_set(arena, &of, key, group);
    }
    vec_push(arena, group->codes, code);
  }
  return groups;
}

static void leave_out(Section *section, const Printed *function) {
  int n = 0;
  for (int i = 0; i < section->functions.n; i++)
    if (section->functions.data[i] != function) section->functions.data[n++] = section->functions.data[i];
  section->functions.n = n;
}

void alike_share(Net *net, Section *section) {
  const Groups groups = groups_of(net->arena, section);
  for (int g = 0; g < groups.n; g++) {
    const Group *group = groups.data[g];
    if (group->codes.n < 2 || !share(net->arena, group)) continue;
    for (int c = 1; c < group->codes.n; c++) {
      const Printed *other = group->codes.data[c]->function;
      vec_push(net->arena, group->codes.data[0]->function->also, other->comment);
      for (int i = 0; i < other->also.n; i++)
        vec_push(net->arena, group->codes.data[0]->function->also, other->also.data[i]);
      leave_out(section, other);
    }
  }
}
