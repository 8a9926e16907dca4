/* lsp.c: `cnnc lsp`: the language server on standard input and output. */
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include "lsp.h"
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include "lsp/server.h"
#include "options_words.h"

enum { LONG_STDIO = 256 };

static const OptionRow lsp_options[] = {
    {NULL, 'I', required_argument, "-I FOLDER",
     "imports are looked for there, too, after the folder of the file that imports; the setting 'include' of "
     "the editor stands in its place",
     "@folder"},
    {"stdio", LONG_STDIO, no_argument, "--stdio",
     "messages come on standard input, as they do without it: some editors say so", NULL},
    {"help", 'h', no_argument, "-h, --help", "this page", NULL},
    {NULL, 0, 0, NULL, NULL, NULL},
};

/* ---- standard input and output ---- */
static long wire_read(void *context, char *bytes, size_t n, bool wait) {
  (void)context;
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  if (!wait && poll(&input, 1, 0) == 0) return -1;
  ssize_t got;
  do got = read(STDIN_FILENO, bytes, n);
  while (got < 0 && errno == EINTR);
  return got > 0 ? (long)got : 0;
}

static bool wire_write(void *context, const char *bytes, size_t n) {
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
  VEC(const char *) dirs = {0};
  for (int code; (code = command_option(arena, &lsp_command, argc, argv)) != -1;) {
    if (code == 'h') return command_help(arena, &lsp_command);
    if (code == 'I') vec_push(arena, dirs, optarg);
    if (code == '?') return 2;
  }
  if (optind < argc)
    return usage_error("cnnc lsp takes no file, and '%s' is given: the editor opens programs", argv[optind]),
           2;
  signal(SIGPIPE, SIG_IGN); /* an editor that is gone is the end */
  const Wire wire = {NULL, wire_read, wire_write};
  return lsp_serve(&wire, dirs.n, dirs.data);
}

const Command lsp_command = {
    "lsp",
    "[-I FOLDER]...",
    "serves editors",
    "Serves an editor by the Language Server Protocol 3.17 on standard input and output: messages while one "
    "types, the output shape behind each call, help, completion, names, fixes, layout. docs/editors.md says "
    "how editors start it.",
    "Exit status: 0 after shutdown and exit; 1 when the editor goes without them; 2 for a wrong command "
    "line.",
    lsp_options,
    NULL,
    lsp,
};
