/* import.h: the command `cnnc import`. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_IMPORT_COMMAND_H
#define CNNC_IMPORT_COMMAND_H
#include "command.h"
#include "import/import.h"

extern const Command import_command;
/* Compiles the imported program, and compares it with the model. */
typedef enum ImportCheck {
  IMPORT_RIGHT,
  IMPORT_REFUSED, /* the language allows less than ONNX: a node has no form, which is recorded */
  IMPORT_WRONG,   /* `why` has the reason */
} ImportCheck;
ImportCheck import_check(const ModelImport *, const char *path, Text *program, const char **why);
const char *import_net_name(Arena *, const char *path); /* name of a net, from a file or folder */
#endif
