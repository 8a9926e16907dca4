/* main.c: Entry point of cnnc. */
// SPDX-License-Identifier: Apache-2.0
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "backend/backend.h"
#include "command.h"
#include "compile.h"
#include "help.h"
#include "flags.h"
#include "sema/sema.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0.1.0"
#endif

static int help(Arena *arena, const char *topic) {
  Text text = {.arena = arena};
  if (!topic) help_options(&text);
  if (!topic || help_topic(&text, topic)) return fputs(text.s, stdout), 0;
  const char *meant = name_meant(arena, topic, help_names(arena));
  if (meant) fprintf(stderr, "cnnc: error: no help on '%s'; did you mean '%s'?\n", topic, meant);
  else fprintf(stderr, "cnnc: error: no help on '%s'; cnnc --help topics lists all topics\n", topic);
  return 2;
}

static int explain(const char *slug) {
  const DiagInfo *info = &diag_info[diag_find(slug)];
  printf("%s (%s): %s\n\n%s", info->slug, (const char *const[]){"note", "warning", "error"}[info->level],
         info->summary, info->page);
  return 0;
}

static int run_action(Arena *arena, const Options *options) {
  switch (options->action) {
  case ACTION_HELP: return help(arena, options->topic);
  case ACTION_EXPLAIN: return explain(options->topic);
  case ACTION_VERSION: return puts("cnnc " PACKAGE_VERSION), 0;
  case ACTION_COMPILE: break;
  }
  return compile(arena, options);
}

/* The subcommand, or NULL. */
static const Command *command(int argc, char **argv) {
  const Command *const *c = command_table;
  while (*c && (argc < 2 || strcmp(argv[1], (*c)->name) != 0)) c++;
  return *c;
}

int main(int argc, char **argv) {
  Arena *arena = arena_new();
  Options options;
  int status;
  backend_begin();
  const Command *called = command(argc, argv);
  if (called) {
    usage_command = called->name;
    status = called->run(arena, argv[0], argc - 1, argv + 1);
  } else status = options_parse(&options, arena, argc, argv) ? run_action(arena, &options) : 2;
  if (fflush(stdout) != 0 || ferror(stdout)) {
    fprintf(stderr, "cnnc: error: cannot write standard output: %s\n", strerror(errno));
    status = status ? status : 1;
  }
  arena_free(arena);
  backend_end();
  return status;
}
