/* routine.h: Common code of operators that call runtime functions. The C text of these functions is copied
 * into generated code. For the interpreters, an operator has its own implementation, or compiles the same
 * text in double precision, with float and int32_t defined as double. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ROUTINE_H
#define CNNC_ROUTINE_H
#include "kernel/lower.h"

/* Functions in ops/detection/NAME_routine.h that several runtime functions call. match_routine calls
 * box_routine, and delta_routine calls match_routine. */
extern const Routine box_routine, match_routine, delta_routine;
extern const Routine best_routine, suppress_routine; /* these call no other runtime functions */

/* A buffer in which the elements of one row are contiguous, as runtime functions require: `in`, or a copy
 * named `name` if `in` has a leading axis or gaps between elements. */
Buf *lower_contiguous(Lower *, const char *name, Buf *in);
#endif
