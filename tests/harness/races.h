/* races.h: Runs generated code with threads under ThreadSanitizer. Archer, a library of clang, reports
 * OpenMP's barriers to ThreadSanitizer. */
// SPDX-License-Identifier: Apache-2.0
#ifndef TEST_RACES_H
#define TEST_RACES_H
#include <stdbool.h>
#include <stddef.h>
#include "base/arena.h"

typedef enum Races { RACES_NONE, RACES_SEEN, RACES_FAILED } Races;
enum { NO_BARRIER = -1 };

/* The name of a missing tool, without which races cannot be detected; NULL if no tool is missing. */
const char *races_missing(Arena *);
/* Compiles net.c and glue.c of a directory, where glue.c defines the functions for racer.c. flags: the
 * compiler's flags for threads, such as " -fopenmp". */
bool races_compile(Arena *, const char *dir, const char *flags);
/* Runs the compiled code with a number of threads, which wait at every barrier of net.c except barrier
 * `without`. With NO_BARRIER they wait at every barrier, and the function sets `out` and prints
 * ThreadSanitizer's reports. */
Races races_run(Arena *, const char *dir, int threads, int without, const unsigned char *in, size_t in_bytes,
                unsigned char *out, size_t out_bytes);
#endif
