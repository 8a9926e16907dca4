/* all.h: Selection of the combinations that a run tests. make check tests some combinations, which the seed
 * of the tests selects. With $NETCHECK_ALL, as in make check-long, all combinations are tested. */
// SPDX-License-Identifier: Apache-2.0
#ifndef TEST_ALL_H
#define TEST_ALL_H
#include <stdbool.h>
#include <stdlib.h>

static inline bool try_all(void) { return getenv("NETCHECK_ALL") != NULL; }

/* Whether combination `way` is tested in this run: one of `count` successive combinations is tested;
 * with $NETCHECK_ALL, all are tested. */
static inline bool try_turn(int way, int count) {
  const char *seed = getenv("CNNC_TEST_SEED");
  return try_all() || ((seed ? strtoull(seed, NULL, 10) : 1) + (unsigned)way) % (unsigned)count == 0;
}
#endif
