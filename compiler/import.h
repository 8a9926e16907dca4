/* import.h: the command `cnnc import`. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_IMPORT_COMMAND_H
#define CNNC_IMPORT_COMMAND_H
#include "base/text.h"
#include "exchange/import.h"
#include "options.h"

/* `import MODEL.onnx [-o NAME]`: the status of the process. argv[0] is the command's name. */
int import(Arena *, int argc, char **argv);
/* The program of a model, laid out, and compiled again: whether it is what the model is. */
typedef enum ImportCheck {
  IMPORT_RIGHT,
  IMPORT_REFUSED, /* the language allows less than ONNX there: a node has no form, which is recorded */
  IMPORT_WRONG,   /* `why` says what is */
} ImportCheck;
ImportCheck import_check(const ModelImport *, const char *path, Text *program, const char **why);
void import_usage(Text *);
const char *import_net_name(Arena *, const char *path); /* of a net, after a file or folder */
extern const OptionRow import_options[];                /* ends with a row without a code */
#endif
