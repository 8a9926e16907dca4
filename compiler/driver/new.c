/* new.c: `cnnc new`: creates a folder with a net, a Makefile and a C program that calls the net, from the
 * templates in new/. */
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include "command.h"
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "base/template.h"
#include "emit/emit.h"
#include "compile.h"
#include "import.h"
#include "flags.h"

static const struct {
  const char *name, *text;
} template_table[] = {
#include "driver/new_texts.inc"
    {NULL, NULL},
};

typedef struct NewProject {
  Arena *arena;
  const char *cnnc, *folder, *name, *model; /* model NULL: the default net */
  WordList warnings;
  bool help;
  Outputs *outputs;
  Diags *diags;
} NewProject;

#define AT(member) offsetof(NewProject, member)
static const Flag new_options[] = {
    {"from", 0, required_argument, flag_text, AT(model), "--from=MODEL.onnx",
     "import the net and its weights from a model, as cnnc import does", "@file"},
    FLAG_WARNINGS(AT(warnings)),
    FLAG_HELP(AT(help)),
    FLAG_END,
};

/* ---- the command line ---- */
static bool read_new_line(NewProject *b, int argc, char **argv) {
  if (!flags_read(b->arena, new_options, b, NULL, argc, argv)) return false;
  if (b->help) return true;
  if (optind == argc) return usage_error("missing name: cnnc new NAME [--from=MODEL.onnx]");
  if (argc - optind > 1) return usage_error("more than one name: cnnc new creates one folder at a time");
  if (b->model && !*b->model) return usage_error("--from needs an ONNX model");
  const size_t n = strlen(argv[optind]);
  b->folder = arena_copy(b->arena, argv[optind], n);
  for (size_t i = n; i > 1 && b->folder[i - 1] == '/'; i--)
    b->folder = arena_copy(b->arena, b->folder, i - 1);
  const char *last = base_name(b->folder);
  if (!*last || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
    return usage_error("'%s' is not a valid name of a new folder", argv[optind]);
  return true;
}

/* A name for the net, from the folder's name. The name of a system header or of a target of the Makefile gets
 * the prefix net_. */
static const char *project_net_name(Arena *arena, const char *folder) {
  static const char *const targets[] = {"embed", "run", "clean", "Makefile", NULL};
  const char *name = import_net_name(arena, folder);
  bool taken = library_name_taken(name);
  for (int i = 0; targets[i]; i++) taken = taken || strcmp(name, targets[i]) == 0;
  return taken ? arena_printf(arena, "net_%s", name) : name;
}

/* The command that calls cnnc in the Makefile: the path of this cnnc. If cnnc was found on PATH, or its path
 * has characters that a Makefile would have to quote: just "cnnc". */
static const char *cnnc_command(Arena *arena, const char *cnnc) {
  const char *path = strchr(cnnc, '/') ? file_identity(arena, cnnc) : "cnnc";
  const bool plain =
      !path[strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-")];
  return plain ? path : "cnnc";
}

/* ---- the files ---- */
static const char *project_path(const NewProject *b, const char *file) {
  return arena_printf(b->arena, "%s/%s", b->folder, file);
}

static const char *filled(const NewProject *b, const char *name, const Blank *blanks) {
  Text out = {.arena = b->arena};
  int i = 0;
  while (strcmp(template_table[i].name, name) != 0) i++;
  template_put(&out, template_table[i].text, blanks);
  return arena_copy(b->arena, out.s, out.n - 1); /* without the last newline */
}

static bool add_project_file(const NewProject *b, const char *file, const char *text) {
  const char *path = project_path(b, file), *why = NULL;
  text = arena_printf(b->arena, "%s\n", text);
  return outputs_add(b->outputs, path, text, strlen(text), &why) || diag_cannot_write(b->diags, path, why);
}

static bool add_files(const NewProject *b) {
  const char *name = b->name, *model = b->model;
  const Blank names[] = {{"NAME", name},
                         {"MODEL", model ? base_name(model) : ""},
                         {"CNNC", cnnc_command(b->arena, b->cnnc)},
                         {NULL, NULL}};
  const char *row = arena_printf(b->arena, "| `%s.safetensors` | its weights |", name),
             *made = arena_printf(b->arena, " %s", name);
  const Blank blanks[] = {
      names[0],
      names[2],
      {"TRAINING", model ? "" : arena_printf(b->arena, "%s\n", filled(b, "training.mk.in", names))},
      {"MADE", model ? "" : made},
      {"WEIGHTS_ROW", model ? row : ""},
      {"STEPS", model ? "generates C, and builds ./embed with it"
                      : "trains the net, generates C, and builds ./embed with it"},
      {"MORE", filled(b, model ? "model.md.in" : "own.md.in", names)},
      {NULL, NULL}};
  if (!model && !add_project_file(b, arena_printf(b->arena, "%s.cnn", name), filled(b, "net.cnn.in", names)))
    return false;
  return add_project_file(b, "Makefile", filled(b, "makefile.in", blanks)) &&
         add_project_file(b, "README.md", filled(b, "readme.md.in", blanks));
}

static int import_into(const NewProject *b) {
  VEC(char *) words = {0};
  vec_push(b->arena, words, arena_printf(b->arena, "import"));
  vec_push(b->arena, words, arena_printf(b->arena, "--name=%s", b->name));
  vec_push(b->arena, words, arena_printf(b->arena, "-o%s/%s", b->folder, b->name));
  for (int i = 0; i < b->warnings.n; i++)
    vec_push(b->arena, words, arena_printf(b->arena, "-W%s", b->warnings.data[i]));
  vec_push(b->arena, words, arena_printf(b->arena, "--"));
  vec_push(b->arena, words, arena_printf(b->arena, "%s", b->model));
  vec_push(b->arena, words, NULL);
  optind = 0; /* resets getopt_long */
  return import_command.run(b->arena, b->cnnc, words.n - 1, words.data);
}

/* Generates embed.c, a program that calls the net. */
static int write_embed_example(const NewProject *b) {
  Options options = OPTIONS_DEFAULT;
  options.kind = OUTPUT_EXAMPLE;
  options.level = LEVEL_PLAIN;
  options.input = project_path(b, arena_printf(b->arena, "%s.cnn", b->name));
  options.output = project_path(b, "embed.c");
  vec_push(b->arena, options.targets, target_find("generic"));
  options.warnings = b->warnings;
  vec_push(b->arena, options.warnings,
           "no-unread-input"); /* a build with the Makefile reports this warning */
  return compile(b->arena, &options);
}

static int make_project(const NewProject *b) {
  const char *path = NULL, *why = NULL;
  if (!file_folder_free(b->folder, &why)) return diag_cannot_write(b->diags, b->folder, why), 1;
  if (!outputs_folder(b->outputs, b->folder, &why)) return diag_cannot_write(b->diags, b->folder, why), 1;
  const int status = b->model ? import_into(b) : 0;
  if (status) return outputs_abandon(b->outputs), status;
  if (!add_files(b)) return outputs_abandon(b->outputs), 1;
  if (!outputs_commit(b->outputs, &path, &why)) return diag_cannot_write(b->diags, path, why), 1;
  return write_embed_example(b);
}

static int new_project(Arena *arena, const char *cnnc, int argc, char **argv) {
  const Sources sources = {.arena = arena};
  NewProject b = {
      .arena = arena, .cnnc = cnnc, .outputs = outputs_new(arena), .diags = diags_new(arena, &sources)};
  if (!read_new_line(&b, argc, argv)) return 2;
  if (b.help) return command_help(arena, &new_command);
  b.name = project_net_name(arena, b.folder);
  const int status = make_project(&b);
  diags_print(b.diags, stderr, DIAG_TEXT, flag_wants_color(0));
  if (status == 0)
    printf("%s: created a net, a Makefile and a C program. Next: make -C %s run\n", b.folder,
           text_shell(arena, b.folder));
  return status;
}

const Command new_command = {
    "new",
    "NAME [--from=MODEL.onnx]",
    "creates a project folder",
    "Creates the folder NAME with a net, a C program that uses it, a Makefile and a README. `make run` there "
    "trains the net on synthetic images (without --from), then builds and runs the program.",
    "Exit status: 0; 1 if the folder is not empty or a model cannot be imported (nothing is written); 2 for "
    "a usage error; 3 for a bug in cnnc.",
    new_options,
    NULL,
    new_project,
};
