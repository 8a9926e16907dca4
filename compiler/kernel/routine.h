/* routine.h: Operators that call runtime functions: C that is copied into generated code. The oracle
 * compiles the same text in double precision, with float and int32_t defined as double. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ROUTINE_H
#define CNNC_ROUTINE_H
#include "kernel/lower.h"

/* Texts used by others; each uses the previous one: NAME_routine.h in ops/detection. */
extern const Routine box_routine, match_routine, delta_routine;
extern const Routine best_routine, suppress_routine; /* independent of those */

/* A runtime function expects contiguous arrays of one row: a part of a joined value, or one row of it, is
 * copied first. */
Buf *lower_contiguous(Lower *, const char *name, Buf *in);
#endif
