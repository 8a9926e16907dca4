// nest_counted.c: Proofs of a nest that computes a batch in blocks of images; the number of images is a
// parameter of the nest.
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <string.h>
#include "nest/build.h"

enum { IMAGES = 9, BLOCK = 4, BLOCKS = 3, LENGTH = 8 };

/* Whether the prover accepts this nest. The nest computes a block if at least `of_block` images are left at
 * the block's start. It computes an image of the block if at least `of_image` images are left, this image
 * included. The correct value of both parameters is 1. */
static bool proved(int64_t of_block, int64_t of_image) {
  Arena *arena = arena_new();
  Proof proof;
  Nest *b = nest_new(arena, "blocks", "");
  Buf *out = NEST_BUF(b, OUTPUT, "out", IMAGES, LENGTH);
  nest_fn(b, "blocks", false);
  const Ix count = nest_size_arg(b, "count", 1, IMAGES);
  NEST_FOR(b, k, BLOCKS)
    NEST_IF(b, nest_at_least(b, count - BLOCK * k, of_block))
      NEST_FOR(b, r, BLOCK) {
        const Ix image = BLOCK * k + r;
        NEST_IF(b, cond_and(nest_below(b, image, IMAGES), nest_at_least(b, count - image, of_image)))
          nest_store(b, nest_at(b, out, image, 0), splat(num(b, 1), LENGTH));
      }
  const bool good = nest_prove(b, &proof);
  CU_ASSERT(good || strstr(proof.error, "not every element"));
  arena_free(arena);
  return good;
}

static void test_counted(void) {
  CU_ASSERT(proved(1, 1));
  CU_ASSERT(proved(0, 1));  /* computes blocks that have no image, but writes nothing there */
  CU_ASSERT(!proved(1, 2)); /* omits the last image */
  CU_ASSERT(!proved(2, 1)); /* omits a block that has only one image */
}

CU_TestInfo suite_nest_counted[] = {{"only results of existing images", test_counted}, CU_TEST_INFO_NULL};
