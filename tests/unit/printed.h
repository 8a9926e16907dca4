/* printed.h: Compiles printed C with the available compilers and loads it, for the tests of nests and of
 * the prelude. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_TEST_PRINTED_H
#define CNNC_TEST_PRINTED_H
#include <stdbool.h>
#include "base/text.h"
#include "emit/prelude.h"

enum { COMPILERS = 2 };
/* i = 0: $CC, cc or gcc; i = 1: $CLANG, clang, clang-22 or clang-19; returns NULL if none of them runs. */
const char *printed_compiler(int i);
const char *printed_attribute(int *lanes); /* the target attribute for the widest vectors of this CPU, ""
                                              for the baseline; *lanes: lanes of these vectors */

/* printed_file: writes a whole file, the prelude of generated files and then `body`. printed_load: compiles a
 * file with the given flags and all warnings as errors; returns a handle for dlsym, or NULL after printing
 * the compiler's output as TAP comments. */
void printed_file(Text *out, const PreludeNeeds *, const char *suffix, const char *attribute,
                  const char *body);
void *printed_load(const char *compiler, const char *flags, const char *text);

/* Runs a test in a child process, so that loaded code may crash or leave OpenMP threads running. */
bool printed_in_child(bool (*test)(void *), void *data);
#endif
