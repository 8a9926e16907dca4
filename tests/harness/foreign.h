/* foreign.h: generated code for other CPUs, compiled without their C library and run by qemu-user,
 * WebAssembly by node. */
// SPDX-License-Identifier: Apache-2.0
#ifndef TEST_FOREIGN_H
#define TEST_FOREIGN_H
#include "base/arena.h"
#include "target/target.h"

/* What is missing to run such code here, or NULL. */
const char *foreign_missing(Arena *, const Target *);
/* Compiles net.c and glue.c of a directory, where glue.c defines what bare.c wants, and runs them; false
 * after what failed has said so. */
bool foreign_run(Arena *, const Target *, const char *dir, const unsigned char *in, size_t in_bytes,
                 unsigned char *out, size_t out_bytes);
#endif
