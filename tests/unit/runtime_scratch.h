/* runtime_scratch.h: a directory for the files of the runtime's tests, in the directory where the tests run;
 * removed at exit. */
// SPDX-License-Identifier: Apache-2.0
#ifndef RUNTIME_SCRATCH_H
#define RUNTIME_SCRATCH_H
#include <stddef.h>
#include <stdint.h>

const char *scratch(const char *name); /* path of a file in the directory; valid for the next three calls.
                                          Missing parent directories are created, except below "no/" */
const char *scratch_bytes(const char *name, const void *bytes,
                          size_t n); /* writes a file, and returns its path */
const char *scratch_text(const char *name, const char *text);
void scratch_put_number(uint8_t *at, size_t value, int bytes); /* little-endian */
#endif
