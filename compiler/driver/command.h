/* command.h: Subcommands with their own options, such as `cnnc fmt`. The --help of subcommands, cnnc(1) and
 * shell completions are generated from command_table. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_COMMAND_H
#define CNNC_COMMAND_H
#include "base/text.h"
#include "options.h"

typedef struct Command {
  const char *name, *usage; /* usage: the arguments, as printed after the name */
  const char *does;         /* short description: a verb and an object, such as "formats programs" */
  DocText page, end;        /* paragraphs of --help: before and after the options */
  const Flag *options;
  const char *suffixes; /* suffixes of the command's input files, separated by blanks; NULL: no input files */
  /* Returns the exit status. cnnc: the path with which this program was started. argv[0]: the name of the
   * subcommand. */
  int (*run)(Arena *, const char *cnnc, int argc, char **argv);
} Command;
extern const Command assure_command, fmt_command, import_command, lsp_command, new_command, quantize_command;
extern const Command *const command_table[]; /* ended by NULL */

int command_help(Arena *, const Command *); /* prints --help on standard output; returns the exit status */
#endif
