/* docgen_program.c: generator of the manual page cnnc-program(1), from the --help of executables. */
// SPDX-License-Identifier: Apache-2.0
#include "config.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cnn.h"
#include "docgen.h"

/* Standard output of an executable with these arguments; NULL if it fails. */
static const char *printed_by(Arena *arena, int argc, char **argv) {
  static const cnn_look nothing = {0};
  static const cnn_network network = {.name = "NET", .look = &nothing}; /* the help reads no other members */
  Text text = {.arena = arena};
  FILE *file = tmpfile();
  const int kept = dup(STDOUT_FILENO);
  fflush(stdout);
  if (!file || kept < 0 || dup2(fileno(file), STDOUT_FILENO) < 0) return NULL;
  const int status = cnn_main(argc, argv, &network);
  fflush(stdout);
  dup2(kept, STDOUT_FILENO);
  close(kept);
  rewind(file);
  char bytes[4096];
  for (size_t n; (n = fread(bytes, 1, sizeof bytes, file)) > 0;) text_bytes(&text, bytes, n);
  fclose(file);
  return status == 0 ? text.s : NULL;
}

/* A line of a table: two blanks, a name, at least two blanks, its description. */
static bool is_row(const char *line, size_t n, const char **name, size_t *name_length, const char **help,
                   size_t *help_length) {
  if (n < 3 || strncmp(line, "  ", 2) != 0 || line[2] == ' ') return false;
  const char *end = line + n, *at = line + 2;
  *name = at;
  while (at + 1 < end && !(at[0] == ' ' && at[1] == ' ')) at++;
  *name_length = (size_t)(at - *name);
  while (at < end && *at == ' ') at++;
  *help = at;
  *help_length = (size_t)(end - at);
  return *help_length > 0;
}

/* The text of a table row: the n bytes at `help` and the continuation lines from *next on; *next becomes the
 * line after these lines. */
static const char *row_text(Arena *arena, const char *help, size_t n, const char **next) {
  Text text = {.arena = arena};
  text_bytes(&text, help, n);
  while (strncmp(*next, "   ", 3) == 0) {
    const char *more = *next + strspn(*next, " ");
    const size_t length = strcspn(more, "\n");
    text_put(&text, " %.*s", (int)length, more);
    *next = more + length + (more[length] == '\n');
  }
  return text.s;
}

/* Rows become entries, and all other lines except the usage line become paragraphs. */
static void put_help(Text *out, const char *help) {
  for (const char *line = help; *line;) {
    const size_t n = strcspn(line, "\n");
    const char *name, *what;
    size_t name_length, what_length;
    const char *next = line + n + (line[n] == '\n');
    if (is_row(line, n, &name, &name_length, &what, &what_length))
      man_entry(out, arena_copy(out->arena, name, name_length),
                row_text(out->arena, what, what_length, &next));
    else if (n && strncmp(line, "usage:", 6) == 0)
      man_page(out, arena_printf(out->arena, "    %.*s", (int)n - 7, line + 7));
    else if (n) man_page(out, arena_copy(out->arena, line, n));
    line = next;
  }
}

bool man_program(Text *out) {
  char name[] = "NET", option[] = "--help";
  const char *help = printed_by(out->arena, 2, (char *[]){name, option, NULL});
  if (!help) return false;
  man_title(out, "cnnc-program", 1, "executables that cnnc builds from nets");
  man_heading(out, "DESCRIPTION");
  man_page(out, "cnnc FILE.cnn -o NET builds an executable that trains, evaluates and inspects the net. "
                "Results go to standard output, progress and messages to "
                "standard error.");
  put_help(out, help);
  man_heading(out, "COMMANDS");
  for (const char *line = help; *line;) {
    const size_t n = strcspn(line, "\n");
    const char *row, *what;
    size_t row_length, what_length;
    if (is_row(line, n, &row, &row_length, &what, &what_length)) {
      char *command = arena_copy(out->arena, row, strcspn(row, " "));
      const char *page = printed_by(out->arena, 3, (char *[]){name, command, option, NULL});
      if (!page) return false;
      text_put(out, ".SS %s\n", command);
      put_help(out, page);
    }
    line += n + (line[n] == '\n');
  }
  man_heading(out, "EXIT STATUS");
  man_entry(out, "0", "success");
  man_entry(out, "1", "an input is invalid, or an output cannot be written");
  man_entry(out, "2", "the command line is wrong");
  man_entry(out, "130", "training was stopped by Ctrl-C: everything is saved, and train --resume continues");
  man_heading(out, "SEE ALSO");
  text_put(out, ".BR cnnc (1),\n.BR cnn (5)\n");
  return true;
}
