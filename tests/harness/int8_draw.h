/* int8_draw.h: a file of random weights of 8 bits, and scales that go together, for a net of floats. */
// SPDX-License-Identifier: Apache-2.0
#ifndef TEST_INT8_DRAW_H
#define TEST_INT8_DRAW_H
#include "graph/graph.h"

/* some_wide: some values get 16 bits, not only those of which the program says so. False: it cannot be
 * written. */
bool int8_draw(Arena *, const Graph *, const char *path, const char *rounding, uint64_t seed, bool some_wide);
#endif
