/* fix.h: --fix: applies suggested fixes to the files of a program. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FIX_H
#define CNNC_FIX_H
#include "options.h"

/* Applies fixes until none is left, in the program and its imports except those found through -I. Each file
 * is written atomically. False: `path` could not be written, for the reason `why`. */
bool fix_program(Arena *, const Options *, const char **path, const char **why);
#endif
