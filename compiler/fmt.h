/* fmt.h: the command `cnnc fmt`. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FMT_H
#define CNNC_FMT_H
#include "base/arena.h"

/* `fmt [-w|--check] FILE...`: the status of the process. argv[0] is the command's name. */
int fmt(Arena *, int argc, char **argv);
#endif
