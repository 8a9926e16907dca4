/* quantise.h: `cnnc quantize`. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_QUANTISE_H
#define CNNC_QUANTISE_H
#include "base/arena.h"

int quantise(Arena *, int argc, char **argv); /* argv[0] is the command; the exit status */
#endif
