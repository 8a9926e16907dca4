/* routine.h: what operators share that call routines: C that is copied into generated code. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ROUTINE_H
#define CNNC_ROUTINE_H
#include "ops/engine/lower.h"

/* A routine takes arrays without gaps: a part of a joined value is copied first. */
Buf *lower_contiguous(Lower *, const char *name, Buf *in);
#endif
