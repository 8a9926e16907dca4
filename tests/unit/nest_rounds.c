// nest_rounds.c: rounds of a parallel loop that go through a buffer in opposite directions.
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <string.h>
#include "nest/build.h"

enum { ROUNDS = 3, LENGTH = 6 };

/* Round t stores element t and reads element last - t. */
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
  CU_ASSERT(proved(2 * ROUNDS - 1)); /* elements 3 to 5: behind all that is stored */
  CU_ASSERT(!proved(ROUNDS));        /* 1 to 3: the third round reads what the second one stores */
  CU_ASSERT(!proved(ROUNDS - 1));    /* 0 to 2 */
}

CU_TestInfo suite_nest_rounds[] = {{"rounds towards each other", test_turned}, CU_TEST_INFO_NULL};
