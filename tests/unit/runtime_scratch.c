/* runtime_scratch.c: files of the runtime's tests. */
// SPDX-License-Identifier: Apache-2.0
#define _XOPEN_SOURCE 700
#include "runtime_scratch.h"
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int forget(const char *path, const struct stat *about, int kind, struct FTW *place) {
  (void)about;
  (void)kind;
  (void)place;
  return remove(path);
}

static const char *directory(void) {
  static char path[64];
  if (!path[0]) {
    snprintf(path, sizeof path, "unit-scratch-%ld", (long)getpid());
    mkdir(path, 0777);
  }
  return path;
}

static void clean(void) { nftw(directory(), forget, 8, FTW_DEPTH | FTW_PHYS); }

const char *scratch(const char *name) {
  static char paths[4][512];
  static int next;
  static int registered;
  if (!registered++) atexit(clean);
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", directory(), name);
  for (char *slash = strchr(path, '/'); (slash = strchr(slash + 1, '/'));) {
    *slash = 0;
    if (strncmp(name, "no/", 3) != 0) mkdir(path, 0777); /* "no/such/directory" must not be created */
    *slash = '/';
  }
  return path;
}

const char *scratch_bytes(const char *name, const void *bytes, size_t n) {
  const char *path = scratch(name);
  FILE *file = fopen(path, "wb");
  if (!file || (n > 0 && fwrite(bytes, 1, n, file) != n) || fclose(file) != 0) abort();
  return path;
}

const char *scratch_text(const char *name, const char *text) {
  return scratch_bytes(name, text, strlen(text));
}

void scratch_put_number(uint8_t *at, size_t value, int bytes) {
  for (int b = 0; b < bytes; b++) at[b] = (uint8_t)(value >> (8 * b));
}
