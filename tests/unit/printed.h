/* printed.h: compiles printed C with the compilers at hand and loads it, for the tests of nests and of the
 * prelude. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_TEST_PRINTED_H
#define CNNC_TEST_PRINTED_H
#include <stdbool.h>
#include "base/text.h"
#include "emit/prelude.h"

enum { COMPILERS = 2 };
const char *printed_compiler(int i);       /* $CC or cc, $CLANG or clang; NULL if it does not run */
const char *printed_attribute(int *lanes); /* the target attribute for the widest vectors of this CPU, "" if
                                              the baseline is all there is; and their lanes */

/* A whole file: what a generated one has above its functions, then `body`. Compiled with all warnings as
 * errors and the flags given; a handle for dlsym, or NULL: then what the compiler said was printed as TAP
 * comments. */
void printed_file(Text *out, const PreludeNeeds *, const char *suffix, const char *attribute,
                  const char *body);
void *printed_load(const char *compiler, const char *flags, const char *text);

/* Runs a test in a process of its own: loaded code that crashes, or leaves threads of OpenMP behind, is then
 * no matter. */
bool printed_in_child(bool (*test)(void *), void *data);
#endif
