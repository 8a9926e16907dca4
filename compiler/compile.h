/* compile.h: the way of a program, from the file to what is written. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_COMPILE_H
#define CNNC_COMPILE_H
#include "options.h"

int compile(Arena *, const Options *); /* the exit status */
#endif
