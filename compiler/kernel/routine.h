/* routine.h: what operators share that call routines: C that is copied into generated code. Where the oracle
 * compiles the same text, it does so in double, with float and int32_t defined as double. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ROUTINE_H
#define CNNC_ROUTINE_H
#include "kernel/lower.h"

/* What the texts of others use; each uses the one before: NAME_routine.h in ops/detection. */
extern const Routine box_routine, match_routine, delta_routine;
extern const Routine best_routine, suppress_routine; /* use none of them */

/* A routine takes arrays without gaps, of one row: a part of a joined value, and a row, are copied first. */
Buf *lower_contiguous(Lower *, const char *name, Buf *in);
#endif
