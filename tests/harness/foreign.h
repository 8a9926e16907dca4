/* foreign.h: Runs code generated for other CPUs. The code is compiled without a C library and runs in QEMU;
 * WebAssembly runs in node. */
// SPDX-License-Identifier: Apache-2.0
#ifndef TEST_FOREIGN_H
#define TEST_FOREIGN_H
#include "base/arena.h"
#include "target/target.h"

/* The name of a missing tool, without which code for the target cannot be compiled or run; NULL if no tool is
 * missing. */
const char *foreign_missing(Arena *, const Target *);
/* Compiles and runs net.c and glue.c of a directory, where glue.c defines the functions for bare.c; false
 * after an error message. */
bool foreign_run(Arena *, const Target *, const char *dir, const unsigned char *in, size_t in_bytes,
                 unsigned char *out, size_t out_bytes);
#endif
