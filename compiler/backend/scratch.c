/* scratch.c: Temporary files of one call of the backend. */
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include "backend/scratch.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "backend/process.h"
#include "base/file.h"

bool scratch_open(Scratch *scratch, Arena *arena, bool named, const char **why) {
  *scratch = (Scratch){.arena = arena};
  if (!named) return true;
  char *folder = arena_printf(arena, "%s/cnnc-XXXXXX", file_temporary(arena));
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

/* Removes a folder or a file. Links are removed, not followed. */
static void remove_tree(Arena *arena, const char *path) {
  if (unlink(path) == 0 || rmdir(path) == 0) return;
  DIR *folder = opendir(path);
  for (const struct dirent *entry; folder && (entry = readdir(folder));)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      remove_tree(arena, arena_printf(arena, "%s/%s", path, entry->d_name));
  if (folder) closedir(folder);
  rmdir(path);
}

void scratch_close(Scratch *scratch) {
  for (int i = 0; i < scratch->open.n; i++) fclose(scratch->open.data[i]);
  if (!scratch->folder) return;
  remove_tree(scratch->arena, scratch->folder);
  signals_release();
}
