/* fix.h: --fix: application of a program's fixes to its files. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FIX_H
#define CNNC_FIX_H
#include "options.h"

/* Applies fixes until none is left, in the program's own files: the program and its imports, but not files
 * found through -I. Each file is written atomically. False: `path` could not be written, with the reason in
 * `why`. */
bool fix_program(Arena *, const Options *, const char **path, const char **why);
#endif
