// nest_counted.c: whole results of a batch whose images are counted when the nest runs, and which goes
// through them in blocks.
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <string.h>
#include "nest/build.h"

enum { IMAGES = 9, BLOCK = 4, BLOCKS = 3, LENGTH = 8 };

/* A block is done where at least `of_block` images are left from its first on, an image where `of_image` are
 * left from it on. Right is 1 for both. */
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
  CU_ASSERT(proved(0, 1));  /* more blocks than there are, without an image */
  CU_ASSERT(!proved(1, 2)); /* not the last image */
  CU_ASSERT(!proved(2, 1)); /* not the image of a block that has only one */
}

CU_TestInfo suite_nest_counted[] = {{"results of the images that are there", test_counted},
                                    CU_TEST_INFO_NULL};
