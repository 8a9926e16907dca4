// nest_overlap.c: Results that overlap operands. Each nest runs with its result and its operand in
// the same memory, at a sample of the permitted offsets and at the first offset that is not permitted.
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>
#include "base/number.h"
#include "nest/build.h"
#include "nest_cases.h"
#include "nest_kernels.h"

enum { SIZE = 4 }; /* bytes of an element */

static Buf *buf_named(const Nest *nest, const char *name) {
  for (int i = 0; i < nest->nbufs; i++)
    if (!strcmp(nest->buf[i]->name, name)) return nest->buf[i];
  return NULL;
}

/* Runs the nest on given numbers, with the result `behind` elements after its operand. */
static double *run_at(Arena *arena, const Nest *nest, const Buf *in, const Buf *out, int64_t behind) {
  Run run = {.mem = NEW_ARRAY(arena, double *, nest->nbufs)};
  const int64_t before = larger(-behind, 0),
                n = before + buf_elements(in) + larger(behind, 0) + buf_elements(out);
  double *memory = cases_numbers(arena, n, 7);
  const double *given = cases_numbers(arena, buf_elements(in), 9);
  for (int i = 0; i < nest->nbufs; i++)
    if (nest->buf[i]->place < STACK)
      run.mem[i] = cases_numbers(arena, buf_elements(nest->buf[i]), (unsigned)(100 + i));
  run.mem[in->id] = memory + before;
  run.mem[out->id] = run.mem[in->id] + behind;
  memcpy(run.mem[in->id], given, (size_t)buf_elements(in) * sizeof *given);
  CU_ASSERT_TRUE(nest_run(nest, &run));
  return run.mem[out->id];
}

static bool right_at(Arena *arena, const Nest *nest, const Buf *in, const Buf *out, int64_t behind) {
  const double *want = run_at(arena, nest, in, out, buf_elements(in)),
               *got = run_at(arena, nest, in, out, behind);
  return !memcmp(got, want, (size_t)buf_elements(out) * sizeof *got);
}

/* Computes the permitted offsets in elements. *tight: true if the result is wrong one step after the
 * largest permitted offset, or if this offset is at or past the operand's end. Returns false if no overlap is
 * permitted. */
static bool allowed(Nest *nest, int64_t *most, int64_t *step, bool *tight) {
  Buf *in = buf_named(nest, "in"), *out = buf_named(nest, "out");
  CU_ASSERT_TRUE_FATAL(cases_prove(nest));
  const bool any = nest_overlap(nest, in, out, most, step);
  *most = floor_divide(*most, SIZE);
  *step = larger(*step / SIZE, 1);
  if (!any) return false;
  Arena *arena = arena_new();
  const int64_t all = buf_elements(in) + buf_elements(out);
  in->overlaps = out->overlaps = true;
  for (int64_t d = floor_divide(*most, *step) * *step; d > -all; d -= larger(all / 40 / *step, 1) * *step)
    if (!right_at(arena, nest, in, out, d)) {
      printf("# %s: wrong %d elements behind\n", nest->name, (int)d);
      CU_FAIL("a result over an operand that is still read");
    }
  *tight = *most >= buf_elements(in) ||
           !right_at(arena, nest, in, out, floor_divide(*most, *step) * *step + *step);
  in->overlaps = out->overlaps = false;
  arena_free(arena);
  return true;
}

static void expect(Nest *nest, int64_t most, int64_t step) {
  int64_t found, steps;
  bool tight;
  CU_ASSERT_TRUE_FATAL(allowed(nest, &found, &steps, &tight));
  if (found != most || steps != step) printf("# %s: %d, %d\n", nest->name, (int)found, (int)steps);
  CU_ASSERT_EQUAL(found, most);
  CU_ASSERT_EQUAL(steps, step);
  CU_ASSERT_TRUE(tight);
}

static void refuse(Nest *nest) {
  int64_t most, step;
  bool tight;
  CU_ASSERT_FALSE(allowed(nest, &most, &step, &tight));
}

/* ---- nests with one feature each ---- */
enum { N = 12, C = 3 };

static void test_elements(void) {
  Arena *arena = arena_new();
  Nest *b = nest_new(arena, "copy", "each element");
  Buf *in = NEST_BUF(b, INPUT, "in", N), *out = NEST_BUF(b, OUTPUT, "out", N);
  nest_fn(b, "copy", false);
  NEST_FOR(b, i, N) nest_store(b, nest_at(b, out, i), add(nest_load(b, nest_at(b, in, i), 1), num(b, 1)));
  expect(b, 0, 1);

  b = nest_new(arena, "behind", "each element, and the one after it");
  in = NEST_BUF(b, INPUT, "in", N + 1), out = NEST_BUF(b, OUTPUT, "out", N);
  nest_fn(b, "behind", false);
  NEST_FOR(b, i, N)
    nest_store(b, nest_at(b, out, i),
               add(nest_load(b, nest_at(b, in, i), 1), nest_load(b, nest_at(b, in, i + 1), 1)));
  expect(b, 0, 1);

  b = nest_new(arena, "half", "every second element");
  in = NEST_BUF(b, INPUT, "in", 2 * N), out = NEST_BUF(b, OUTPUT, "out", N);
  nest_fn(b, "half", false);
  NEST_FOR(b, i, N) nest_store(b, nest_at(b, out, i), nest_load(b, nest_at(b, in, i * 2), 1));
  expect(b, 1, 1);

  b = nest_new(arena, "twice", "each element twice");
  in = NEST_BUF(b, INPUT, "in", N), out = NEST_BUF(b, OUTPUT, "out", 2 * N);
  nest_fn(b, "twice", false);
  NEST_FOR(b, i, N)
    for (int k = 0; k < 2; k++)
      nest_store(b, nest_at(b, out, i * 2 + k), mul(nest_load(b, nest_at(b, in, i), 1), num(b, k + 2)));
  expect(b, -N, 1); /* each iteration loads in[i] again after the first of the two stores */
  arena_free(arena);
}

static void test_whole(void) {
  Arena *arena = arena_new();
  Nest *b = nest_new(arena, "reversed", "from the last to the first");
  Buf *in = NEST_BUF(b, INPUT, "in", N), *out = NEST_BUF(b, OUTPUT, "out", N);
  nest_fn(b, "reversed", false);
  NEST_FOR(b, i, N)
    nest_store(b, nest_at(b, out, i * -1 + (N - 1)), nest_load(b, nest_at(b, in, i * -1 + (N - 1)), 1));
  refuse(b);

  b = nest_new(arena, "turned", "the last becomes the first");
  in = NEST_BUF(b, INPUT, "in", N), out = NEST_BUF(b, OUTPUT, "out", N);
  nest_fn(b, "turned", false);
  NEST_FOR(b, i, N) nest_store(b, nest_at(b, out, i), nest_load(b, nest_at(b, in, i * -1 + (N - 1)), 1));
  expect(b, -(N - 1), 1);

  b = nest_new(arena, "sums", "all of it, for each element");
  in = NEST_BUF(b, INPUT, "in", N), out = NEST_BUF(b, OUTPUT, "out", C);
  nest_fn(b, "sums", false);
  NEST_FOR(b, c, C) nest_store(b, nest_at(b, out, c), num(b, 0));
  NEST_FOR(b, i, N)
    NEST_FOR(b, c, C) nest_accumulate(b, nest_at(b, out, c), nest_load(b, nest_at(b, in, i), 1), num(b, 2));
  refuse(b);
  arena_free(arena);
}

/* The nests compute channel by channel, each over all pixels. */
static void test_channels(void) {
  Arena *arena = arena_new();
  Nest *b = nest_new(arena, "channels", "a channel after the other");
  Buf *in = NEST_BUF(b, INPUT, "in", N, C), *out = NEST_BUF(b, OUTPUT, "out", N, C);
  nest_fn(b, "channels", false);
  NEST_FOR(b, c, C)
    NEST_FOR(b, i, N) nest_store(b, nest_at(b, out, i, c), nest_load(b, nest_at(b, in, i, c), 1));
  expect(b, 0, C);

  b = nest_new(arena, "windows", "a channel after the other, three pixels at a time");
  in = NEST_BUF(b, INPUT, "in", N + 2, C), out = NEST_BUF(b, OUTPUT, "out", N, C);
  nest_fn(b, "windows", false);
  NEST_FOR(b, c, C)
    NEST_FOR(b, i, N / 2) {
      Val sum[2];
      for (int k = 0; k < 2; k++)
        sum[k] = nest_let(b, k ? "second" : "first",
                          add(nest_load(b, nest_at(b, in, i * 2 + k, c), 1),
                              nest_load(b, nest_at(b, in, i * 2 + k + 2, c), 1)));
      for (int k = 0; k < 2; k++) nest_store(b, nest_at(b, out, i * 2 + k, c), sum[k]);
    }
  expect(b, 0, C);

  b = nest_new(arena, "shuffled", "a channel from its neighbor");
  in = NEST_BUF(b, INPUT, "in", N, C), out = NEST_BUF(b, OUTPUT, "out", N, C);
  nest_fn(b, "shuffled", false);
  NEST_FOR(b, i, N) nest_store(b, nest_at(b, out, i, 0), num(b, 1));
  NEST_FOR(b, c, C - 1)
    NEST_FOR(b, i, N) nest_store(b, nest_at(b, out, i, c + 1), nest_load(b, nest_at(b, in, i, c), 1));
  expect(b, -(N - 1) * C - 1, 1);
  arena_free(arena);
}

/* ---- handwritten C ---- */
static void run_turned(double *const *buf, const double *number) {
  for (int i = 0; i < (int)number[0]; i++) buf[1][i] = buf[0][(int)number[0] - 1 - i];
}

/* A runtime function may read its operand after it has written its result. The proof does not know this
 * order. */
static void test_routine(void) {
  static const Routine turned = {.name = "turned",
                                 .text = "",
                                 .nbufs = 2,
                                 .nnumbers = 1,
                                 .elem = {F32, F32},
                                 .writes = {false, true},
                                 .whole = {true},
                                 .run = run_turned};
  Arena *arena = arena_new();
  Nest *b = nest_new(arena, "routine", "the last becomes the first, by a routine");
  Buf *in = NEST_BUF(b, INPUT, "in", N), *out = NEST_BUF(b, OUTPUT, "out", N);
  nest_fn(b, "routine", false);
  nest_routine(b, &turned, (Buf *const[]){in, out}, (const double[]){N});
  refuse(b);
  arena_free(arena);
}

/* ---- kernels ---- */
static int draw(uint64_t *state, int n) {
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (int)((*state >> 33) % (uint64_t)n);
}

/* Random convolutions: no permitted offset is wrong; for most reference schedules the permitted offset is
 * maximal. */
static void test_convolutions(void) {
  int plain = 0, tight_plain = 0, direct = 0;
  for (int seed = 1; seed <= 60; seed++) {
    Arena *arena = arena_new();
    uint64_t state = (uint64_t)seed;
    Conv conv = {.h = 3 + draw(&state, 8),
                 .w = 3 + draw(&state, 8),
                 .ci = 4 << draw(&state, 2),
                 .co = 4 << draw(&state, 2),
                 .k = 1 + draw(&state, 3),
                 .s = 1 + draw(&state, 2),
                 .px = 1 + draw(&state, 3),
                 .nv = 1,
                 .cb = 4,
                 .lanes = 4};
    conv.p = draw(&state, 2) ? conv.k / 2 : 0;
    int64_t most, step;
    bool tight = false;
    if (allowed(conv_plain(arena, "plain", &conv), &most, &step, &tight)) {
      plain++;
      tight_plain += tight;
    }
    direct += allowed(conv_direct(arena, "direct", conv), &most, &step, &tight);
    arena_free(arena);
  }
  if (plain < 50 || tight_plain < 40 || direct < 10)
    printf("# plain: %d, of which %d tight; direct: %d\n", plain, tight_plain, direct);
  CU_ASSERT_TRUE(plain >= 50 && tight_plain >= 40 && direct >= 10);
}

static void test_others(void) {
  Arena *arena = arena_new();
  int64_t most, step;
  bool tight;
  CU_ASSERT_TRUE(allowed(max_pool2(arena, "pool", 8, 8, 16), &most, &step, &tight));
  CU_ASSERT_TRUE(most >= 0);
  allowed(dense(arena, "dense", 64, 64, 2, 4, true), &most, &step, &tight);
  allowed(conv_winograd(arena, "winograd", 16, 32, 32, 1, 1), &most, &step, &tight);
  arena_free(arena);
}

CU_TestInfo suite_nest_overlap[] = {{"element by element", test_elements},
                                    {"reverse order, sums of all elements", test_whole},
                                    {"channel by channel", test_channels},
                                    {"handwritten C", test_routine},
                                    {"convolutions", test_convolutions},
                                    {"pools, dense layers, Winograd", test_others},
                                    CU_TEST_INFO_NULL};
