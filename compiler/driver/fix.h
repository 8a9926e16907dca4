/* fix.h: --fix: the fixes of a program's messages, applied to its files. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FIX_H
#define CNNC_FIX_H
#include "options.h"

/* Applies fixes until none is left, in the program's own files: the program and its imports, but not what -I
 * finds. Each file is written whole or not at all. False: `path` could not be written, and `why`. */
bool fix_program(Arena *, const Options *, const char **path, const char **why);
#endif
