/* lsp.c: `cnnc lsp`: starts the language server on standard input and output. */
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include "command.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include "lsp/server.h"
#include "flags.h"

typedef struct LspOptions {
  WordList directories, warnings;
  bool stdio, help;
} LspOptions;

#define AT(member) offsetof(LspOptions, member)
static const Flag lsp_options[] = {
    {NULL, 'I', required_argument, flag_list, AT(directories), "-I FOLDER",
     "search imports in this folder, after the folder of the importing file; the editor's setting 'include' "
     "overrides it",
     "@folder"},
    {"stdio", 0, no_argument, flag_set, AT(stdio), "--stdio",
     "use standard input and output (the default; some editors pass this option)", NULL},
    FLAG_WARNINGS(AT(warnings)),
    FLAG_HELP(AT(help)),
    FLAG_END,
};

/* ---- standard input and output ---- */
static long stdio_read(void *context, char *bytes, size_t n, bool wait) {
  (void)context;
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  if (!wait && poll(&input, 1, 0) == 0) return -1;
  ssize_t got;
  do got = read(STDIN_FILENO, bytes, n);
  while (got < 0 && errno == EINTR);
  return got > 0 ? (long)got : 0;
}

static bool stdio_write(void *context, const char *bytes, size_t n) {
  (void)context;
  while (n) {
    const ssize_t written = write(STDOUT_FILENO, bytes, n);
    if (written < 0 && errno != EINTR) return false;
    if (written < 0) continue;
    bytes += written;
    n -= (size_t)written;
  }
  return true;
}

static int lsp(Arena *arena, const char *cnnc, int argc, char **argv) {
  (void)cnnc;
  LspOptions options = {0};
  if (!flags_read(arena, lsp_options, &options, NULL, argc, argv)) return 2;
  if (options.help) return command_help(arena, &lsp_command);
  if (optind < argc)
    return usage_error("cnnc lsp takes no file, but got '%s'; the editor opens the files", argv[optind]), 2;
  signal(SIGPIPE, SIG_IGN); /* writing to a closed pipe then fails, which ends the server */
  const Wire wire = {NULL, stdio_read, stdio_write};
  return lsp_serve(&wire, &options.directories, &options.warnings);
}

const Command lsp_command = {
    "lsp",
    "[-I FOLDER]...",
    "language server for editors",
    "Language server (Language Server Protocol 3.17) on standard input and output: diagnostics while typing, "
    "the output shape after each call, help, completion, renaming, fixes, formatting. docs/editors.md shows "
    "how editors start it.",
    "Exit status: 0 after shutdown and exit; 1 if the editor disconnects without them; 2 for a usage error.",
    lsp_options,
    NULL,
    lsp,
};
