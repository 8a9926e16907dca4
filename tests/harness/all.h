/* all.h: make check tests only a part of all combinations. With $NETCHECK_ALL, as in make check-long, all are
 * tested. */
// SPDX-License-Identifier: Apache-2.0
#ifndef TEST_ALL_H
#define TEST_ALL_H
#include <stdbool.h>
#include <stdlib.h>

static inline bool try_all(void) { return getenv("NETCHECK_ALL") != NULL; }
#endif
