/* bytes.h: what the commands of tests need: whole files of bytes, and variables of the environment. */
// SPDX-License-Identifier: Apache-2.0
#ifndef TEST_BYTES_H
#define TEST_BYTES_H
#include <stdbool.h>
#include <stddef.h>

bool bytes_write(const char *path, const unsigned char *bytes, size_t n);
bool bytes_read(const char *path, unsigned char *bytes, size_t n); /* false unless the file has just n */
const char *variable(const char *name, const char *otherwise);
#endif
