/* command.h: commands with their own options, as `cnnc fmt`: parses the options of each and prints them
 * for --help. cnnc(1) and shell completions are generated from the same tables. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_COMMAND_H
#define CNNC_COMMAND_H
#include "base/text.h"
#include "options.h"

typedef struct Command {
  const char *name, *usage; /* usage: the text after the name */
  const char *does;         /* in a few words, after the name: "lays out programs" */
  DocText page, end;        /* paragraphs of --help: above the options, and below them */
  const Flag *options;
  const char *suffixes; /* of the files that it takes, separated by blanks; NULL: it takes none */
  /* The status of the process. cnnc: how this program was called; argv[0] is the command's name. */
  int (*run)(Arena *, const char *cnnc, int argc, char **argv);
} Command;
extern const Command *const command_table[]; /* ended by NULL */

int command_help(Arena *, const Command *); /* --help, on standard output; the status of the process */
#endif
