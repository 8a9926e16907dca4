/* scratch.c: Temporary files of one run of the C compiler. */
// SPDX-License-Identifier: Apache-2.0
#define _XOPEN_SOURCE 700 /* nftw */
#include "backend/scratch.h"
#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "backend/process.h"

bool scratch_open(Scratch *scratch, Arena *arena, bool named, const char **why) {
  const char *temporary = getenv("TMPDIR");
  *scratch = (Scratch){.arena = arena};
  if (!named) return true;
  char *folder = arena_printf(arena, "%s/cnnc-XXXXXX", temporary && *temporary ? temporary : "/tmp");
  signals_hold();
  if (mkdtemp(folder)) return scratch->folder = folder, true;
  *why = arena_printf(arena, "cannot create a temporary folder for the compiler: %s", strerror(errno));
  return signals_release(), false;
}

const char *scratch_file(Scratch *scratch, const char **why) {
  if (scratch->folder) return arena_printf(scratch->arena, "%s/%d.o", scratch->folder, scratch->n++);
  FILE *file = command_file(scratch->arena, "", 0, why);
  if (!file) return NULL;
  vec_push(scratch->arena, scratch->open, file);
  return arena_printf(scratch->arena, "/dev/fd/%d", fileno(file));
}

bool scratch_write(Scratch *scratch, const char *name, const void *bytes, size_t n, const char **why) {
  const char *path = arena_printf(scratch->arena, "%s/%s", scratch->folder, name);
  FILE *file = fopen(path, "wb");
  const bool written = file && fwrite(bytes, 1, n, file) == n;
  if (file && fclose(file) == 0 && written) return true;
  return *why = arena_printf(scratch->arena, "%s cannot be written: %s", path, strerror(errno)), false;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place) {
  (void)status, (void)kind, (void)place;
  return remove(path), 0;
}

void scratch_close(Scratch *scratch) {
  enum { OPEN_FOLDERS = 16 };
  for (int i = 0; i < scratch->open.n; i++) fclose(scratch->open.data[i]);
  if (!scratch->folder) return;
  nftw(scratch->folder, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
  signals_release();
}
