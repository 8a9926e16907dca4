/* bytes.h: Helpers of the test commands: whole files, and environment variables. */
// SPDX-License-Identifier: Apache-2.0
#ifndef TEST_BYTES_H
#define TEST_BYTES_H
#include <stdbool.h>
#include <stddef.h>

bool bytes_write(const char *path, const unsigned char *bytes, size_t n);
bool bytes_read(const char *path, unsigned char *bytes, size_t n); /* false unless the file has exactly n
                                                                      bytes */
const char *variable(const char *name, const char *otherwise);
#endif
