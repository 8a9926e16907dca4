/* scratch.h: Temporary files of one call of the backend. Private to backend/. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_BACKEND_SCRATCH_H
#define CNNC_BACKEND_SCRATCH_H
#include <stdbool.h>
#include <stdio.h>
#include "base/arena.h"

/* Without `named`, the temporary files have no names. Commands open them as /dev/fd/N, and nothing remains,
 * even if cnnc is killed. With `named`, the files are in a temporary folder, because /dev/fd/N does not work
 * with some compilers and systems (names_files). The folder is removed at the end, also after SIGHUP, SIGINT
 * and SIGTERM. */
typedef struct Scratch {
  Arena *arena;
  const char *folder; /* NULL: the files have no names */
  VEC(FILE *) open;
  int n;
} Scratch;
bool scratch_open(Scratch *, Arena *, bool named, const char **why);
/* The path of a new, empty temporary file. With `named`, the caller must create the file.
 * NULL, with the reason, on failure. */
const char *scratch_file(Scratch *, const char **why);
/* Writes a file with this name to `folder`, which must not be NULL. */
bool scratch_write(Scratch *, const char *name, const void *bytes, size_t n, const char **why);
void scratch_close(Scratch *);
#endif
