/* compile.h: Compiler driver: runs the stages from source file to output. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_COMPILE_H
#define CNNC_COMPILE_H
#include "base/file.h"
#include "lir/lir.h"
#include "options.h"

typedef struct Compiled {
  Programs programs; /* a member is NULL if there is no such program */
  WordList inputs;   /* the files that were read: the program, its imports, labels, weights ... */
} Compiled;

int compile(Arena *, const Options *); /* the exit status */
/* Like compile, but the caller commits `outputs`; after an error, this function abandons them. If `outputs`
 * is NULL, the function creates and commits its own outputs. */
int compile_into(Arena *, const Options *, Outputs *outputs, Compiled *);
/* Like compile, but abandons the outputs. *lowered: the programs, as in Compiled. */
int compile_dry(Arena *, const Options *, Programs *lowered);
/* Reports that the program has no net. Returns false. */
bool diag_no_net(Diags *);
#endif
