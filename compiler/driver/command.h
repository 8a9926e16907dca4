/* command.h: Subcommands with their own options, such as `cnnc fmt`. The --help of subcommands, cnnc(1) and
 * shell completions are generated from the same tables. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_COMMAND_H
#define CNNC_COMMAND_H
#include "base/text.h"
#include "options.h"

typedef struct Command {
  const char *name, *usage; /* usage: the arguments, as printed after the name */
  const char *does;         /* a short description, printed after the name */
  DocText page, end;        /* paragraphs of --help: before and after the options */
  const Flag *options;
  const char *suffixes; /* suffixes of the command's input files, separated by blanks; NULL: no input files */
  /* Returns the exit status. cnnc: argv[0] of this program; argv[0] is the command's name. */
  int (*run)(Arena *, const char *cnnc, int argc, char **argv);
} Command;
extern const Command assure_command, fmt_command, import_command, lsp_command, new_command, quantize_command;
extern const Command *const command_table[]; /* ended by NULL */

int command_help(Arena *, const Command *); /* prints --help on standard output; returns the exit status */
#endif
