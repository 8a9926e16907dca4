/* library.c: --emit=library: the folder is written, and nothing in it that is not cnnc's is written over. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>
#include "compilation.h"

/* What was made for another library is not ours either: it would be left in half. */
static bool is_ours(Compilation *c, const char *path, bool *there) {
  size_t n;
  const char *why, *text = file_read(c->arena, path, &n, &why);
  *there = text || file_exists(path);
  return text && strstr(text, library_mark(c->arena, c_name(c))) != NULL;
}

static bool spares_others(Compilation *c, const char *path) {
  bool there;
  if (is_ours(c, path, &there) || !there) return true;
  return cannot_write(
      c, path,
      arena_printf(c->arena,
                   "it is there, and cnnc has not made it for the library %s; move it away, or "
                   "write the library to another folder",
                   c_name(c)));
}

static const char *program_file(const Compilation *c) {
  const char *name = base_name(c->options->input);
  return name ? name : c->options->input;
}

/* The command that makes the folder, wherever the files lie. */
static const char *command_of(const Compilation *c) {
  static const char *const levels[] = {
      [LEVEL_FULL] = "", [LEVEL_PLAIN] = " -O0", [LEVEL_QUICK] = " -O1", [LEVEL_SMALL] = " -Os"};
  const Options *o = c->options;
  Text text = {.arena = c->arena};
  text_put(&text, "cnnc %s", program_file(c));
  if (o->weights) text_put(&text, " --weights=%s", base_name(o->weights));
  for (int i = 0; i < o->defines.n; i++)
    text_put(&text, " -D %s=%s", o->defines.data[i].name, o->defines.data[i].value);
  if (o->prefix) text_put(&text, " --prefix=%s", o->prefix);
  if (o->batch > 1) text_put(&text, " --batch=%d", (int)o->batch);
  if (o->train) text_put(&text, " --train");
  text_put(&text, "%s%s%s", levels[o->level], o->exact ? " --exact" : "", o->no_fma ? " --no-fma" : "");
  for (int i = 0; i < o->targets.n; i++)
    text_put(&text, "%s%s", i ? "," : " --target=", o->targets.data[i]->name);
  if (o->cpu) text_put(&text, " --cpu=%s", o->cpu->name);
  if (o->flash) text_put(&text, " --flash=%" PRId64, o->flash);
  if (o->ram) text_put(&text, " --ram=%" PRId64, o->ram);
  if (o->flash_wait) text_put(&text, " --flash-wait=%" PRId64, o->flash_wait);
  text_put(&text, " --emit=library -o %s", c_name(c));
  return text.s;
}

static LibraryFacts facts_of(const Compilation *c) {
  const Options *o = c->options;
  return (LibraryFacts){.version = o->version_name ? o->version_name : "1.0.0",
                        .author = o->author ? o->author : "The author of the net",
                        .url = o->url ? o->url : "https://example.com",
                        .command = command_of(c)};
}

const char *library_file(const Compilation *c, const char *path) {
  return arena_printf(c->arena, "%s/%s", c->options->output, path);
}

static bool folder_of(Compilation *c, const char *path) {
  const char *why, *folder = arena_copy(c->arena, path, (size_t)(base_name(path) - 1 - path));
  return outputs_folder(c->outputs, folder, &why) || cannot_write(c, folder, why);
}

bool write_library(Compilation *c) {
  const char *name = c_name(c);
  if (library_name_taken(name))
    return cannot_write(c, library_file(c, arena_printf(c->arena, "src/%s.h", name)),
                        "a system's headers have this name: --prefix=NAME gives another");
  if (!lower(c)) return false;
  const LibraryFacts facts = facts_of(c);
  const LibraryFile *files = emit_library(emit_net(c->layout, &c->sources, &c->emit), &facts);
  stage_done(c, "print");
  bool fine = true;
  for (const LibraryFile *file = files; file->path; file++)
    fine = spares_others(c, library_file(c, file->path)) && fine;
  for (const LibraryFile *file = files; fine && file->path; file++) {
    const char *path = library_file(c, file->path);
    fine = folder_of(c, path) && add_output(c, path, &file->text);
  }
  return fine;
}
