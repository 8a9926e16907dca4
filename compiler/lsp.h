/* lsp.h: the command `cnnc lsp`. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_LSP_COMMAND_H
#define CNNC_LSP_COMMAND_H
#include "base/text.h"
#include "options.h"

/* `lsp`: serves an editor on standard input and output; the status of the process. argv[0] is the command's
 * name. */
int lsp(Arena *, int argc, char **argv);
extern const OptionRow lsp_options[]; /* ends with a row without a code */
#endif
