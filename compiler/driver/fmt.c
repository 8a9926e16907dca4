/* fmt.c: `cnnc fmt`: formats programs. */
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include "command.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/file.h"
#include "syntax/format.h"
#include "options.h"
#include "flags.h"

typedef struct FmtRun {
  Arena *arena;
  bool write, check, help; /* if neither `write` nor `check` is set, the result is printed */
  int diagnostics, color;
  WordList warnings;
  Sources sources;
  Diags *diags;
  Outputs *outputs;
  bool differs; /* --check: a file would change */
  bool broken;  /* formatting would change the meaning of a program */
} FmtRun;

#define AT(member) offsetof(FmtRun, member)
static const Flag fmt_options[] = {
    {"write", 'w', no_argument, flag_set, AT(write), "-w, --write",
     "write the formatted programs to their files instead of printing them", NULL},
    {"check", 0, no_argument, flag_set, AT(check), "--check",
     "only list the files that would change: status 1 if there are any", NULL},
    FLAG_WARNINGS(AT(warnings)),
    FLAG_DIAGNOSTICS(AT(diagnostics)),
    FLAG_COLOR(AT(color)),
    FLAG_HELP(AT(help)),
    FLAG_END,
};

/* The id of the source, or 0 after an error. */
static uint32_t read_source(FmtRun *f, const char *path) {
  const bool input = strcmp(path, "-") == 0;
  size_t n = 0;
  const char *why = NULL, *text = file_read(f->arena, input ? "/dev/stdin" : path, &n, &why);
  if (!text) {
    diag_report(f->diags, DIAG_file_unreadable, NO_SPAN, NULL, "cannot read '%s': %s", path, why);
    return 0;
  }
  return sources_add(&f->sources, input ? "standard input" : path, text, n);
}

static void put_formatted(FmtRun *f, const char *path, const Source *source, const Text *text) {
  const char *why = NULL;
  const bool differs = source->mark || text->n != source->n || memcmp(text->s, source->text, text->n) != 0;
  if (!f->write && !f->check) fwrite(text->s, 1, text->n, stdout);
  else if (!differs) return;
  else if (f->check) {
    fprintf(stderr, "%s: not formatted: cnnc fmt -w %s\n", path, path);
    f->differs = true;
  } else if (strcmp(path, "-") == 0) fwrite(text->s, 1, text->n, stdout);
  else if (!outputs_add(f->outputs, path, text->s, text->n, &why)) diag_cannot_write(f->diags, path, why);
}

static void fmt_file(FmtRun *f, const char *path) {
  const uint32_t source = read_source(f, path);
  if (source == 0) return;
  Text text = {.arena = f->arena};
  switch (format_source(&text, f->arena, f->diags, &f->sources, source)) {
  case FORMATTED: put_formatted(f, path, sources_get(&f->sources, source), &text); break;
  case FORMAT_MISTAKES: break;
  case FORMAT_CHANGED:
    fprintf(stderr, "cnnc: internal error: formatting would change the meaning of %s\n", path);
    f->broken = true;
    break;
  }
}

static int fmt(Arena *arena, const char *cnnc, int argc, char **argv) {
  (void)cnnc;
  FmtRun f = {.arena = arena, .sources = {.arena = arena}, .outputs = outputs_new(arena)};
  if (!flags_read(arena, fmt_options, &f, NULL, argc, argv)) return 2;
  if (f.help) return command_help(arena, &fmt_command);
  if (f.write && f.check) return usage_error("-w and --check are mutually exclusive"), 2;
  if (optind == argc) return usage_error("missing program: cnnc fmt [-w | --check] FILE.cnn..."), 2;
  f.diags = diags_new(arena, &f.sources);
  diags_options(f.diags, &f.warnings);
  for (int i = optind; i < argc; i++) fmt_file(&f, argv[i]);
  const char *path = NULL, *why = NULL;
  if (!outputs_commit(f.outputs, &path, &why)) diag_cannot_write(f.diags, path, why);
  diags_print(f.diags, stderr, (DiagFormat)f.diagnostics, flag_wants_color(f.color));
  return f.broken ? 3 : f.differs || diags_errors(f.diags) ? 1 : 0;
}

const Command fmt_command = {
    "fmt",
    "[-w | --check] FILE.cnn...",
    "formats programs",
    "Prints programs in the usual layout: 4 blanks for each open brace or bracket, one blank around ->, = "
    "and binary operators, none around .. and around = in arguments. Line breaks, except those before {, and "
    "comments are kept.",
    "-: standard input. A file with syntax errors is not changed: cnnc prints the errors and exits with "
    "status 1.",
    fmt_options,
    ".cnn",
    fmt,
};
