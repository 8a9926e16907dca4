// bytes.c: Reading and writing of whole files; environment variables.
// SPDX-License-Identifier: Apache-2.0
#include "bytes.h"
#include <stdio.h>
#include <stdlib.h>

bool bytes_write(const char *path, const unsigned char *bytes, size_t n) {
  FILE *file = fopen(path, "wb");
  if (!file) return false;
  const bool written = fwrite(bytes, 1, n, file) == n;
  return fclose(file) == 0 && written;
}

bool bytes_read(const char *path, unsigned char *bytes, size_t n) {
  FILE *file = fopen(path, "rb");
  if (!file) return false;
  const bool whole = fread(bytes, 1, n, file) == n && fgetc(file) == EOF;
  return fclose(file) == 0 && whole;
}

const char *variable(const char *name, const char *otherwise) {
  const char *value = getenv(name);
  return value && *value ? value : otherwise;
}
