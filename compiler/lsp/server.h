/* server.h: `cnnc lsp` as a function: an editor's requests about programs, answered as the Language Server
 * Protocol 3.17 says. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_LSP_SERVER_H
#define CNNC_LSP_SERVER_H
#include <stdbool.h>
#include <stddef.h>

/* Where messages come from and where they go. */
typedef struct Wire {
  void *context;
  /* Bytes that are there, at most n; 0: no more will come; -1: none are there now, which only a call that
   * does not wait says. */
  long (*read)(void *context, char *bytes, size_t n, bool wait);
  bool (*write)(void *context, const char *bytes, size_t n);
} Wire;

/* Until the editor says exit, or nothing more comes. The exit status: 0 after shutdown and exit. */
int lsp_serve(const Wire *, int ndirs, const char *const *dirs);
#endif
