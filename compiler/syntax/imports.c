/* imports.c: Reader of a program and all its imports, each file once, depth first. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/file.h"
#include "base/text.h"
#include "syntax/ast.h"

enum { DEEPEST_IMPORTS = 100 };

typedef enum FileState { FILE_BEING_READ, FILE_READ } FileState;

typedef struct ReadFile {
  const char *identity;
  FileState state;
  File *file;
  const Import *through;
} ReadFile; /* through: the import statement of this file that is being processed */

typedef struct Importer {
  Arena *arena;
  Diags *diags;
  Sources *sources;
  int ndirs;
  const char *const *dirs;
  const OpenTexts *open;
  Ast *program;
  VEC(ReadFile *) known;
  int depth;
} Importer;

static ReadFile *known_find(const Importer *r, const char *identity) {
  for (int i = 0; i < r->known.n; i++)
    if (strcmp(r->known.data[i]->identity, identity) == 0) return r->known.data[i];
  return NULL;
}

/* The unsaved text that replaces a file, or NULL. */
static const char *open_text(Importer *r, const char *path, size_t *n) {
  return r->open ? r->open->find(r->open->context, file_identity(r->arena, path), n) : NULL;
}

static bool is_imported(Importer *r, const char *path) {
  size_t n;
  return file_exists(path) || open_text(r, path, &n);
}

/* The path of an import: next to the importing file, in a directory of -I, or installed with cnnc. NULL after
 * an error. */
static const char *import_find(Importer *r, const File *from, const Import *import, bool *by_option) {
  const char *beside = file_beside(r->arena, from->path, import->path);
  *by_option = from->found_by_option;
  if (*import->path && is_imported(r, beside)) return beside;
  for (int i = 0; *import->path && import->path[0] != '/' && i < r->ndirs; i++) {
    const char *path = arena_printf(r->arena, "%s/%s", r->dirs[i], import->path);
    if (is_imported(r, path)) return *by_option = true, path;
  }
  const char *library = *import->path && import->path[0] != '/' ? file_library(r->arena, import->path) : NULL;
  if (library) return *by_option = true, library;
  Diag *diag =
      diag_report(r->diags, DIAG_import_not_found, import->span, NULL, "cannot find '%s'", import->path);
  if (*import->path) {
    diag_fact(diag, "looked for %s", beside);
    for (int i = 0; import->path[0] != '/' && i < r->ndirs; i++)
      diag_fact(diag, "looked for %s/%s", r->dirs[i], import->path);
    diag_help(diag, "cnnc searches the importing file's folder, then the directories of -I, then its own "
                    "files");
  }
  return NULL;
}

static void report_import_cycle(Importer *r, const Import *import, const ReadFile *start) {
  Diag *diag = diag_report(r->diags, DIAG_import_cycle, import->span, NULL,
                           "with this import, '%s' imports itself", start->file->path);
  bool within =
      false; /* r->known lists files in the order in which reading began, so the cycle begins at `start` */
  for (int i = 0; i < r->known.n; i++) {
    const ReadFile *reading = r->known.data[i];
    within = within || reading == start;
    if (within && reading->state == FILE_BEING_READ && reading->through != import)
      diag_note(diag, reading->through->span, "'%s' is imported here", reading->through->path);
  }
}

static const NetDecl *file_net(const File *file) {
  for (int i = 0; i < file->n; i++)
    if (file->decl[i]->kind == DECL_NET) return file->decl[i]->net;
  return NULL;
}

static ReadFile *file_follow(Importer *r, const char *path, bool by_option, const char *text, size_t n);

static void import_follow(Importer *r, ReadFile *from, Import *import) {
  bool by_option;
  const char *path = import_find(r, from->file, import, &by_option);
  if (!path) return;
  from->through = import;
  ReadFile *reading = known_find(r, file_identity(r->arena, path));
  if (reading && reading->state == FILE_BEING_READ) {
    report_import_cycle(r, import, reading);
    return;
  }
  if (!reading) {
    if (r->depth == DEEPEST_IMPORTS) {
      diag_report(r->diags, DIAG_too_deep, import->span, NULL, "imports are nested more than %d files deep",
                  DEEPEST_IMPORTS);
      return;
    }
    size_t n;
    const char *why, *text = open_text(r, path, &n);
    if (!text) text = file_read(r->arena, path, &n, &why);
    if (!text) {
      diag_report(r->diags, DIAG_file_unreadable, import->span, NULL, "cannot read '%s': %s", path, why);
      return;
    }
    reading = file_follow(r, path, by_option, text, n);
  }
  import->file = reading->file;
  const NetDecl *net = file_net(reading->file);
  if (!net) return;
  Diag *diag = diag_report(r->diags, DIAG_not_a_library, import->span, NULL,
                           "'%s' contains a net and cannot be imported", import->path);
  diag_note(diag, net->name.span, "the net is here");
  diag_help(diag, "move the constants and blocks that both files need into a file without a net");
}

static ReadFile *file_follow(Importer *r, const char *path, bool by_option, const char *text, size_t n) {
  ReadFile *reading = NEW(r->arena, ReadFile);
  *reading = (ReadFile){.identity = file_identity(r->arena, path), .state = FILE_BEING_READ};
  vec_push(r->arena, r->known, reading);
  const uint32_t source = sources_add(r->sources, path, text, n);
  reading->file = parse_file(r->arena, r->diags, r->sources, source);
  reading->file->found_by_option = by_option;
  r->depth++;
  for (int i = 0; i < reading->file->n; i++)
    if (reading->file->decl[i]->kind == DECL_IMPORT)
      import_follow(r, reading, reading->file->decl[i]->import);
  r->depth--;
  reading->state = FILE_READ;
  vec_push(r->arena, r->program->files, reading->file);
  r->sources->list.data[source - 1]->rank = r->program->files.n;
  return reading;
}

Ast *program_read(Arena *arena, Diags *diags, Sources *sources, const char *path, int ndirs,
                  const char *const *dirs) {
  Importer reader = {.arena = arena,
                     .diags = diags,
                     .sources = sources,
                     .ndirs = ndirs,
                     .dirs = dirs,
                     .program = NEW(arena, Ast)};
  size_t n;
  const char *why;
  const char *text = file_read(arena, path, &n, &why);
  if (!text) {
    Diag *diag = diag_report(diags, DIAG_file_unreadable, NO_SPAN, NULL, "cannot read '%s': %s", path, why);
    const char *meant = arena_printf(arena, "%s.cnn", path);
    if (file_exists(meant)) diag_help(diag, "did you mean '%s'?", meant);
    return NULL;
  }
  reader.program->main = file_follow(&reader, path, false, text, n)->file;
  return reader.program;
}

Ast *program_of(Arena *arena, Diags *diags, Sources *sources, const char *path, const char *text, size_t n,
                int ndirs, const char *const *dirs, const OpenTexts *open) {
  Importer reader = {.arena = arena,
                     .diags = diags,
                     .sources = sources,
                     .ndirs = ndirs,
                     .dirs = dirs,
                     .open = open,
                     .program = NEW(arena, Ast)};
  reader.program->main = file_follow(&reader, path, false, text, n)->file;
  return reader.program;
}
