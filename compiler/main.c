/* main.c: the cnnc command. */
// SPDX-License-Identifier: Apache-2.0
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <stdio.h>
#include <string.h>
#include "compile.h"
#include "fmt.h"
#include "help.h"
#include "import.h"
#include "lsp.h"
#include "new.h"
#include "quantise.h"
#include "sema/sema.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0.1.0"
#endif

static int help(Arena *arena, const char *topic) {
  Text text = {.arena = arena};
  if (!topic) help_options(&text);
  if (!topic || help_topic(&text, topic)) return fputs(text.s, stdout), 0;
  const char *meant = name_meant(arena, topic, help_names(arena));
  if (meant) fprintf(stderr, "cnnc: error: there is no help on '%s'; did you mean '%s'?\n", topic, meant);
  else
    fprintf(stderr, "cnnc: error: there is no help on '%s'; cnnc --help topics lists what there is\n", topic);
  return 2;
}

static int explain(const char *slug) {
  const DiagInfo *info = &diag_info[diag_find(slug)];
  printf("%s (%s): %s\n\n%s", info->slug, (const char *const[]){"note", "warning", "error"}[info->level],
         info->summary, info->page);
  return 0;
}

static int run(Arena *arena, const Options *options) {
  switch (options->action) {
  case ACTION_HELP: return help(arena, options->topic);
  case ACTION_EXPLAIN: return explain(options->topic);
  case ACTION_VERSION: return puts("cnnc " PACKAGE_VERSION), 0;
  case ACTION_COMPILE: break;
  }
  return compile(arena, options);
}

/* Commands with options of their own; a page has no editors to serve, no data and no folders. */
static bool command(Arena *arena, int argc, char **argv, int *status) {
  const char *name = argc > 1 ? argv[1] : "";
  if (strcmp(name, "fmt") == 0) *status = fmt(arena, argc - 1, argv + 1);
  else if (strcmp(name, "import") == 0) *status = import(arena, argc - 1, argv + 1);
#ifndef __wasi__
  else if (strcmp(name, "lsp") == 0) *status = lsp(arena, argc - 1, argv + 1);
  else if (strcmp(name, "quantize") == 0) *status = quantise(arena, argc - 1, argv + 1);
  else if (strcmp(name, "new") == 0) *status = new_project(arena, argv[0], argc - 1, argv + 1);
#endif
  else return false;
  return true;
}

int main(int argc, char **argv) {
  Arena *arena = arena_new();
  Options options;
  int status;
  if (!command(arena, argc, argv, &status))
    status = options_parse(&options, arena, argc, argv) ? run(arena, &options) : 2;
  if (fflush(stdout) != 0 || ferror(stdout)) {
    perror("cnnc: error: standard output");
    status = status ? status : 1;
  }
  arena_free(arena);
  return status;
}
