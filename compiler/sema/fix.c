/* fix.c: Application of the fixes of all messages to the program's files (--fix). The program is then checked
 * again, because one mistake may hide another. */
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include "fix.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "syntax/ast.h"

enum { MOST_ROUNDS = 20 }; /* ends the loop if two fixes undo each other */

typedef struct Changed {
  const char *path;
  int places;
} Changed;

typedef struct Fixing {
  Arena *arena;
  const FixInput *input;
  VEC(Changed) changed;
  const char **path, **why; /* the file that could not be written, and the reason */
} Fixing;

/* Checks the program as it is on disk. Sets *fixed to the texts of the files that change, with the
 * fixes of diags_fix applied, and returns the number of these files. */
static int fixes_find(const Fixing *f, Sources *sources, FixedSource **fixed) {
  const FixInput *in = f->input;
  Diags *diags = diags_new(f->arena, sources);
  diags_options(diags, &in->warnings);
  const Ast *program =
      program_read(f->arena, diags, sources, in->path, in->directories.n, in->directories.data);
  if (!program) return 0;
  const char *labels_file = NULL;
  const SemaOptions options = {
      .ndirs = in->directories.n, .dirs = in->directories.data, .labels_file = &labels_file};
  sema_build(f->arena, diags, sources, program, in->defines.data, in->defines.n, &options);

  bool *may_change = NEW_ARRAY(f->arena, bool, sources->list.n + 1);
  for (int i = 0; i < program->files.n; i++) {
    const File *file = program->files.data[i];
    may_change[file->source] = !file->found_by_option;
  }
  return diags_fix(diags, may_change, fixed);
}

static void changed_add(Fixing *f, const char *path, int places) {
  for (int i = 0; i < f->changed.n; i++)
    if (strcmp(f->changed.data[i].path, path) == 0) {
      f->changed.data[i].places += places;
      return;
    }
  vec_push(f->arena, f->changed, ((Changed){path, places}));
}

static bool may_write(const char *path, const char **why) {
  struct stat status;
  if (stat(path, &status) != 0 || !S_ISREG(status.st_mode)) return *why = "it is not a regular file", false;
  if (access(path, W_OK) != 0) return *why = "it is not writable", false;
  return true;
}

static bool fixes_write(Fixing *f, const Sources *sources, int n, const FixedSource *fixed) {
  Outputs *outputs = outputs_new(f->arena);
  for (int i = 0; i < n; i++) {
    *f->path = sources_get(sources, fixed[i].file)->path;
    if (may_write(*f->path, f->why) && outputs_add(outputs, *f->path, fixed[i].text, fixed[i].n, f->why))
      continue;
    outputs_abandon(outputs);
    return false;
  }
  if (!outputs_commit(outputs, f->path, f->why)) return false;
  for (int i = 0; i < n; i++) changed_add(f, sources_get(sources, fixed[i].file)->path, fixed[i].fixes);
  return true;
}

bool fix_program(Arena *arena, const FixInput *input, const char **path, const char **why) {
  Fixing fixing = {.arena = arena, .input = input, .path = path, .why = why}, *f = &fixing;
  bool written = true;
  for (int round = 0; round < MOST_ROUNDS && written; round++) {
    Sources sources = {.arena = arena};
    FixedSource *fixed = NULL;
    const int n = fixes_find(f, &sources, &fixed);
    if (n == 0) break;
    written = fixes_write(f, &sources, n, fixed);
  }
  for (int i = 0; i < f->changed.n && input->prints; i++) {
    const Changed *changed = &f->changed.data[i];
    fprintf(stderr, "%s: fixed in %d place%s\n", changed->path, changed->places,
            changed->places == 1 ? "" : "s");
  }
  return written;
}
