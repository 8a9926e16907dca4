/* command.c: the commands with options of their own: one table of them, and how their options are read and
 * told. */
// SPDX-License-Identifier: Apache-2.0
#include "command.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "fmt.h"
#include "help.h"
#include "import.h"
#include "lsp.h"
#include "new.h"
#include "flags.h"
#include "quantize.h"

const Command *const command_table[] = {
#ifndef __wasi__ /* a page has no files to format */
    &fmt_command,
#endif
    &import_command,
#ifndef __wasi__ /* a page has no data, no editors to serve and no folders */
    &quantize_command,
    &lsp_command,
    &new_command,
#endif
    NULL,
};

#ifndef __wasi__ /* a page calls them by the right name */
const char *command_meant(Arena *arena, const char *word) {
  VEC(const char *) names = {0};
  for (const Command *const *c = command_table; *c; c++) vec_push(arena, names, (*c)->name);
  vec_push(arena, names, NULL);
  const bool file = strpbrk(word, "./") || access(word, F_OK) == 0 ||
                    access(arena_printf(arena, "%s.cnn", word), F_OK) == 0;
  return file ? NULL : suggest(word, names.data);
}
#endif

int command_help(Arena *arena, const Command *command) {
  Text out = {.arena = arena};
  text_put(&out, "cnnc %s %s\n\n", command->name, command->usage);
  help_paragraph(&out, command->page);
  text_put(&out, "\n");
  help_rows(&out, command->options);
  text_put(&out, "\n");
  help_paragraph(&out, command->end);
  fputs(out.s, stdout);
  return 0;
}
