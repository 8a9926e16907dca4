/* int8_draw.h: A file of random int8 weights, and compatible scales, for a float net. */
// SPDX-License-Identifier: Apache-2.0
#ifndef TEST_INT8_DRAW_H
#define TEST_INT8_DRAW_H
#include "graph/graph.h"

/* some_wide: values without precision=i16 in the program may be int16, too. False: the file cannot be
 * written. */
bool int8_draw(Arena *, const Graph *, const char *path, const char *rounding, uint64_t seed, bool some_wide);
#endif
