/* all.h: make check tests a share of all combinations; with $NETCHECK_ALL, as in make check-long, all. */
// SPDX-License-Identifier: Apache-2.0
#ifndef TEST_ALL_H
#define TEST_ALL_H
#include <stdbool.h>
#include <stdlib.h>

static inline bool try_all(void) { return getenv("NETCHECK_ALL") != NULL; }
#endif
