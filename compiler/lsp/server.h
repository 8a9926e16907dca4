/* server.h: `cnnc lsp` as a function: answers an editor's requests according to the Language Server
 * Protocol 3.17. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_LSP_SERVER_H
#define CNNC_LSP_SERVER_H
#include <stdbool.h>
#include <stddef.h>
#include "base/arena.h"

/* Input and output of messages. */
typedef struct Wire {
  void *context;
  /* Reads available bytes, at most n, and returns their number. 0: the input has ended; -1: no bytes are
   * available now (only if `wait` is false). */
  long (*read)(void *context, char *bytes, size_t n, bool wait);
  bool (*write)(void *context, const char *bytes, size_t n);
} Wire;

/* Runs until the editor sends exit, the input ends, or a write fails. Returns the exit status: 0 if the
 * editor has sent shutdown and exit. */
int lsp_serve(const Wire *, const WordList *directories, const WordList *warnings); /* -I and -W */
#endif
