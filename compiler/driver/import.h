/* import.h: `cnnc import`: the check of the imported program, and names of nets. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_IMPORT_COMMAND_H
#define CNNC_IMPORT_COMMAND_H
#include "command.h"
#include "import/import.h"

typedef enum ImportCheck {
  IMPORT_RIGHT,
  IMPORT_REFUSED, /* the language does not support a node; an error was reported */
  IMPORT_WRONG,   /* a bug in the import: `why` has the reason */
} ImportCheck;
/* Formats the imported program into `program`, compiles it, and compares its shapes and weights with the
 * model's. path: the program's file name. */
ImportCheck import_check(const ModelImport *, const char *path, Text *program, const char **why);
/* A valid name for a net, from the name of a file or folder. */
const char *import_net_name(Arena *, const char *path);
#endif
