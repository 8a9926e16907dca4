/* foreign.h: Runs generated code for other CPUs: compiled without a C library, run by qemu-user;
 * WebAssembly by node. */
// SPDX-License-Identifier: Apache-2.0
#ifndef TEST_FOREIGN_H
#define TEST_FOREIGN_H
#include "base/arena.h"
#include "target/target.h"

/* The tool that is missing to compile or run such code, or NULL. */
const char *foreign_missing(Arena *, const Target *);
/* Compiles and runs net.c and glue.c of a directory, where glue.c defines the functions for bare.c; false
 * after an error message. */
bool foreign_run(Arena *, const Target *, const char *dir, const unsigned char *in, size_t in_bytes,
                 unsigned char *out, size_t out_bytes);
#endif
