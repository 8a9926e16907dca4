/* lsp.h: the command `cnnc lsp`. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_LSP_COMMAND_H
#define CNNC_LSP_COMMAND_H
#include "command.h"

extern const Command lsp_command;
#endif
