// merge.c: Function merging: functions with identical code, or whose code differs only in numbers, become one
// function. If numbers of an original function are put in place of the parameters of the merged function, the
// merged function has the text of the original function.
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "emit/nest.h"
#include "lir/layout.h"
#include "nest/build.h"
#include "nest_cases.h"

static Functions functions_of(const char *target) {
  Functions functions = {.target = target_find(target), .suffix = "_x"};
  CU_ASSERT_PTR_NOT_NULL_FATAL(functions.target);
  return functions;
}

static void make_flat(Nest *nest) { /* sets `flat` as the layout does for functions that may be merged */
  for (int i = 0; i < nest->nbufs; i++)
    if (nest->buf[i]->place != VIEW && nest->buf[i]->place != REGS) nest->buf[i]->flat = true;
}

/* ---- the same code ---- */
/* rows: number of rows of the input, of which four are read. */
static Nest *scaled_rows(Arena *arena, const char *name, const char *buffer, int64_t rows, double factor) {
  Nest *b = nest_new(arena, name, name);
  Buf *in = NEST_BUF(b, INPUT, buffer, rows, 8), *out = NEST_BUF(b, OUTPUT, "out", 4, 8);
  NestFn *tile = nest_fn(b, "tile", true);
  Ix row = nest_arg(b, "row");
  NEST_FOR(b, c, 8)
    nest_store(b, nest_at(b, out, row, c), mul(nest_get(b, nest_at(b, in, row, c)), num(b, 2)));
  nest_fn(b, name, false);
  NEST_FOR(b, y, 4) nest_call(b, tile, y);
  NEST_FOR(b, x, 8) nest_store(b, nest_at(b, out, 3, x), num(b, factor));
  CU_ASSERT_FATAL(cases_prove(b));
  nest_simplify(b);
  return b;
}

static NestFunction *merged(Functions *functions, Nest *nest) {
  return merge_equal(nest->arena, functions, nest, false, nest->name, NULL);
}

static void test_equal(void) {
  Arena *arena = arena_new();
  Functions functions = functions_of("generic");
  const NestFunction *first = merged(&functions, scaled_rows(arena, "first", "in", 4, 1));
  CU_ASSERT_STRING_EQUAL(first->name, "first_x");
  CU_ASSERT_PTR_EQUAL(merged(&functions, scaled_rows(arena, "second", "in", 4, 1)), first);
  CU_ASSERT_PTR_EQUAL(merged(&functions, scaled_rows(arena, "renamed", "other", 4, 1)), first);
  CU_ASSERT_PTR_EQUAL(merged(&functions, scaled_rows(arena, "longer", "in", 6, 1)), first);
  CU_ASSERT_EQUAL(functions.all.n, 1);
  CU_ASSERT_EQUAL(functions.codes.n, 2);
  /* the constant differs, so this is a second function, but both call the same tile function */
  const NestFunction *other = merged(&functions, scaled_rows(arena, "other", "in", 4, 3));
  CU_ASSERT_PTR_NOT_EQUAL(other, first);
  CU_ASSERT_EQUAL(functions.all.n, 2);
  CU_ASSERT_EQUAL(functions.codes.n, 3);
  CU_ASSERT_EQUAL(other->instances->instances.data[0]->code, first->instances->instances.data[0]->code);
  CU_ASSERT_STRING_EQUAL(other->instances->instances.data[0]->name, "first_tile");
  arena_free(arena);
}

/* restrict is part of the code: a function whose result may overlap an operand differs from a function whose
 * result may not overlap. */
static void test_overlapping(void) {
  Arena *arena = arena_new();
  Functions functions = functions_of("generic");
  Nest *over = scaled_rows(arena, "over", "in", 4, 1);
  const NestFunction *first = merged(&functions, scaled_rows(arena, "first", "in", 4, 1));
  over->buf[0]->overlaps = true;
  CU_ASSERT_PTR_NOT_EQUAL(merged(&functions, over), first);
  arena_free(arena);
}

/* ---- the same except for numbers ---- */
typedef struct Sizes {
  int64_t rows, columns, channels, step, most;
  int zero;
  int apart; /* the factors of `high` and `low` differ by this number */
} Sizes;

/* A nest with numbers in every possible position: limits of loops, coefficients and constants of indices,
 * strides, ranges of conditions, views, adjacent words, values (one is used twice), an array on the stack. */
static Nest *sized(Arena *arena, const char *name, const Sizes *s) {
  Nest *b = nest_new(arena, name, name);
  Buf *in = NEST_BUF_OF(b, INPUT, "in", I8, s->rows, s->columns, s->channels),
      *words = NEST_BUF_OF(b, WEIGHTS, "words", I32, s->rows, 2 * s->columns),
      *out = NEST_BUF_OF(b, OUTPUT, "out", I32, s->rows, s->columns, s->channels);
  nest_fn(b, name, false);
  NEST_FOR(b, y, s->rows) {
    Buf *line = NEST_BUF_OF(b, STACK, "line", I32, s->columns + 3);
    NEST_FOR(b, i, s->columns + 3) nest_store(b, nest_at(b, line, i), num_i32(b, s->zero));
    NEST_FOR(b, x, s->columns) {
      NEST_IF(b, nest_within(b, s->step * x + y, 2, s->most))
        nest_store(b, nest_at(b, line, x + 1),
                   convert(nest_get(b, nest_at(b, in, s->rows - 1 - y, x, 0)), I32));
      Val low = nest_let(b, "low", nest_get(b, nest_at(b, words, y, 2 * x)));
      Val high = nest_let(b, "high", nest_get(b, nest_at(b, words, y, 2 * x + 1)));
      Buf *view = NEST_VIEW(b, "view", out, y, x, 0);
      const Val zero = num_i32(b, s->zero - 7), again = s->apart ? num_i32(b, s->zero - 7 + s->apart) : zero;
      NEST_FOR(b, c, s->channels)
        nest_store(b, nest_at(b, view, 0, 0, c),
                   add(nest_get(b, nest_at(b, line, x + 2)),
                       add(mul(low, zero), sub(mul(high, again), nest_index_value(b, s->step * x + c)))));
    }
  }
  CU_ASSERT_FATAL(cases_prove(b));
  nest_simplify(b);
  make_flat(b);
  return b;
}

static const char *without_blanks(Arena *arena, const char *text) {
  char *out = arena_copy(arena, text, strlen(text)), *to = out;
  for (const char *at = out; *at; at++)
    if (!strchr(" \n", *at)) *to++ = *at;
  *to = 0;
  return out;
}

/* The text of a merged function, with the sizes of `function` in place of the parameters size1, size2 ... */
static const char *with_sizes(Arena *arena, const char *text, const NestFunction *function) {
  Text out = {.arena = arena};
  for (const char *at = text; *at;) {
    char *end;
    const bool size = strncmp(at, "size", 4) == 0 && at[4] >= '1' && at[4] <= '9';
    const long k = size ? strtol(at + 4, &end, 10) : 0;
    if (!size || k > function->sizes.n) text_bytes(&out, at, 1);
    else text_put(&out, "%" PRId64, function->sizes.data[k - 1]);
    at = size && k <= function->sizes.n ? end : at + 1;
  }
  return out.s;
}

/* The C text of a function. sizes: with parameters in place of numbers. */
static const char *printed_function(Arena *arena, const NestFunction *function, const Functions *functions,
                                    bool sizes) {
  Text text = {.arena = arena};
  PreludeNeeds needs = {0};
  const NestPrint print = {.names = {"", "", "", .helium = false},
                           .lanes_max = 1,
                           .apart = true,
                           .load2 = functions->target->dsp,
                           .merged = sizes ? &function->numbers : NULL,
                           .needs = &needs};
  const NestText parts =
      emit_nest_function(arena, function->instances, function->instances->instances.data[0], &print);
  put_nest_text(&text, &parts);
  return text.s;
}

/* The parameters and the body of a function, from the first parenthesis on. The first `sizes` parameters and
 * all blanks are omitted. */
static const char *body_of(Arena *arena, const char *text, int sizes) {
  const char *at = strchr(strstr(text, "KERNEL"), '(') + 1;
  for (int i = 0; i < sizes; i++) at = strchr(at, ',') + 1;
  return without_blanks(arena, at);
}

static void check_text(Arena *arena, const Functions *functions, const NestFunction *function) {
  const NestFunction *into = function->into;
  const char *text = printed_function(arena, into, functions, true);
  CU_ASSERT_PTR_NOT_NULL(strstr(text, "noclone"));
  const char *got = body_of(arena, with_sizes(arena, text, function), function->sizes.n),
             *own = body_of(arena, printed_function(arena, function, functions, false), 0);
  /* the declarations of the array are compared separately */
  const char *a = strstr(got, "int32_tline["), *b = strstr(own, "int32_tline[");
  CU_ASSERT_FATAL(a && b);
  CU_ASSERT(a - got == b - own && memcmp(got, own, (size_t)(a - got)) == 0);
  CU_ASSERT(strtol(strchr(a, '[') + 1, NULL, 10) >= strtol(strchr(b, '[') + 1, NULL, 10));
  CU_ASSERT_STRING_EQUAL(strchr(a, ']'), strchr(b, ']'));
}

static const Sizes some[] = {{6, 5, 4, 3, 9, 2, 0}, {8, 7, 12, 2, 11, -128, 0}, {9, 11, 3, 5, 30, 2, 0}};
enum { SOME = sizeof some / sizeof *some };

static void test_similar(void) {
  Arena *arena = arena_new();
  Functions functions = functions_of("armv7e-m");
  NestFunction *function[SOME];
  int64_t alone = 0;
  for (int i = 0; i < SOME; i++) {
    function[i] = merged(&functions, sized(arena, arena_printf(arena, "layer%d", i), &some[i]));
    if (function[i]->stack > alone) alone = function[i]->stack;
  }
  CU_ASSERT_EQUAL(functions.all.n, SOME);
  merge_similar(arena, &functions);
  for (int i = 0; i < SOME; i++) {
    CU_ASSERT_PTR_EQUAL(function[i]->into, function[0]);
    CU_ASSERT_FATAL(function[i]->sizes.n > 0 && function[i]->sizes.n == function[0]->sizes.n);
    check_text(arena, &functions, function[i]);
  }
  CU_ASSERT(strstr(printed_function(arena, function[0], &functions, true), "LOAD2(") != NULL);
  CU_ASSERT_EQUAL(function[0]->stack, alone + 8 * function[0]->sizes.n);
  arena_free(arena);
}

/* Numbers that are equal in both functions stay in the code. Here one size differs; two numbers depend on it,
 * and become parameters. */
static void test_one_size(void) {
  Arena *arena = arena_new();
  Functions functions = functions_of("armv7e-m");
  Sizes other = some[0];
  other.zero = 100;
  NestFunction *a = merged(&functions, sized(arena, "a", &some[0])),
               *b = merged(&functions, sized(arena, "b", &other));
  merge_similar(arena, &functions);
  CU_ASSERT_PTR_EQUAL(b->into, a);
  CU_ASSERT_EQUAL_FATAL(a->sizes.n, 2);
  CU_ASSERT(a->sizes.data[0] == 2 && a->sizes.data[1] == -5);
  CU_ASSERT(b->sizes.data[0] == 100 && b->sizes.data[1] == 93);
  arena_free(arena);
}

/* A coefficient of 1 is not printed in C, so no parameter can replace it: the functions stay separate.
 * Without merge_similar, all functions that differ in a number stay separate. */
static void test_dissimilar(void) {
  Arena *arena = arena_new();
  for (int i = 0; i < 2; i++) {
    Functions functions = functions_of(i ? "armv7e-m" : "generic");
    Sizes other = some[0];
    if (i) other.step = 1;
    else other.zero = 100;
    NestFunction *a = merged(&functions, sized(arena, "a", &some[0])),
                 *b = merged(&functions, sized(arena, "b", &other));
    if (i) merge_similar(arena, &functions);
    CU_ASSERT_PTR_EQUAL(a->into, a);
    CU_ASSERT_PTR_EQUAL(b->into, b);
    CU_ASSERT(!a->merged && a->sizes.n == 0);
  }
  arena_free(arena);
}

/* One function uses the same value twice where the other function uses two different values. If the function
 * with one value comes first, the functions stay separate. */
static void test_two_values(void) {
  Arena *arena = arena_new();
  for (int first = 0; first < 2; first++) {
    Functions functions = functions_of("armv7e-m");
    Sizes two = some[0];
    two.apart = 3;
    NestFunction *a = merged(&functions, sized(arena, "a", first ? &two : &some[0])),
                 *b = merged(&functions, sized(arena, "b", first ? &some[0] : &two));
    merge_similar(arena, &functions);
    CU_ASSERT_PTR_EQUAL(b->into, first ? a : b);
    if (first) check_text(arena, &functions, b);
  }
  arena_free(arena);
}

/* If the result of one function may overlap an operand, the merged function has no restrict. */
static void test_similar_overlapping(void) {
  Arena *arena = arena_new();
  Functions functions = functions_of("armv7e-m");
  Nest *over = sized(arena, "over", &some[1]);
  over->buf[0]->overlaps = over->buf[2]->overlaps = true;
  NestFunction *a = merged(&functions, sized(arena, "a", &some[0])), *b = merged(&functions, over);
  CU_ASSERT(!a->nest->buf[0]->overlaps);
  merge_similar(arena, &functions);
  CU_ASSERT_PTR_EQUAL(b->into, a);
  CU_ASSERT(a->nest->buf[0]->overlaps && !a->nest->buf[1]->overlaps && a->nest->buf[2]->overlaps);
  arena_free(arena);
}

CU_TestInfo suite_merge[] = {{"equal code", test_equal},
                             {"overlaps", test_overlapping},
                             {"sizes as parameters", test_similar},
                             {"one number", test_one_size},
                             {"functions that differ too much", test_dissimilar},
                             {"one value where the other function has two", test_two_values},
                             {"sizes and overlaps", test_similar_overlapping},
                             CU_TEST_INFO_NULL};
