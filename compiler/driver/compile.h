/* compile.h: Compiler driver: runs the stages from source file to output. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_COMPILE_H
#define CNNC_COMPILE_H
#include "lir/lir.h"
#include "options.h"

int compile(Arena *, const Options *); /* the exit status */
/* Like compile, but writes no file; lowered: the programs, each NULL if there is none. */
int compile_dry(Arena *, const Options *, Programs *lowered);
#endif
