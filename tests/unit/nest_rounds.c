// nest_rounds.c: Parallel loops: accesses in opposite directions, and loops whose iterations are merged into
// one range.
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <string.h>
#include "nest/build.h"

enum { ROUNDS = 3, LENGTH = 6 };

/* Iteration t stores element t and reads element last - t. */
static bool proved(int64_t last) {
  Arena *arena = arena_new();
  Proof proof;
  Nest *b = nest_new(arena, "turned", "");
  Buf *out = NEST_BUF(b, UPDATE, "out", LENGTH);
  nest_fn(b, "turned", false);
  NEST_PARALLEL(b, t, ROUNDS) nest_store(b, nest_at(b, out, t), nest_load(b, nest_at(b, out, last - t), 1));
  const bool good = nest_prove(b, &proof);
  CU_ASSERT(good || strstr(proof.error, "parallel iterations"));
  arena_free(arena);
  return good;
}

static void test_turned(void) {
  CU_ASSERT(proved(2 * ROUNDS - 1)); /* reads elements 3 to 5: no iteration stores them */
  /* reads elements 1 to 3: the third iteration reads an element that the second iteration stores */
  CU_ASSERT(!proved(ROUNDS));
  CU_ASSERT(!proved(ROUNDS - 1)); /* reads elements 0 to 2 */
}

/* Loops of 3 and 4 iterations, one directly inside the other, which store element first*u + second*n. */
static Nest *joined(Arena *arena, int64_t first, int64_t second) {
  Nest *b = nest_new(arena, "joined", "");
  Buf *out = NEST_BUF(b, UPDATE, "out", 4 * ROUNDS);
  nest_fn(b, "joined", false);
  NEST_PARALLEL(b, u, ROUNDS)
    NEST_PARALLEL(b, n, 4) nest_store(b, nest_at(b, out, first * u + second * n), num(b, 1));
  return b;
}

static void test_joined(void) {
  Arena *arena = arena_new();
  Proof proof;
  CU_ASSERT(nest_prove(joined(arena, 4, 1), &proof));
  CU_ASSERT(nest_prove(joined(arena, 1, 3), &proof));
  const int64_t meet[][2] = {{4, 0}, {0, 1}, {1, 1}, {2, 1}, {1, 2}};
  for (size_t i = 0; i < sizeof meet / sizeof *meet; i++)
    CU_ASSERT(!nest_prove(joined(arena, meet[i][0], meet[i][1]), &proof) &&
              strstr(proof.error, "parallel iterations"));
  arena_free(arena);
}

/* The interpreter reports conflicts between any two iterations of the merged range, like the prover. */
static void test_joined_runs(void) {
  Arena *arena = arena_new();
  const struct {
    int64_t first, second;
    bool meet;
  } runs[] = {{4, 1, false}, {1, 3, false}, {4, 0, true}, {0, 1, true}, {1, 2, true}};
  for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
    double out[4 * ROUNDS] = {0}, *buffers[] = {out};
    Run run = {.mem = buffers};
    const bool good = nest_run(joined(arena, runs[i].first, runs[i].second), &run);
    CU_ASSERT_EQUAL(good, !runs[i].meet);
    CU_ASSERT(good || strstr(run.error, "parallel iterations meet"));
  }
  arena_free(arena);
}

CU_TestInfo suite_nest_rounds[] = {{"iterations in opposite directions", test_turned},
                                   {"loops that are merged into one range", test_joined},
                                   {"conflicts that the interpreter reports", test_joined_runs},
                                   CU_TEST_INFO_NULL};
