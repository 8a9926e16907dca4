/* import.h: the command `cnnc import`. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_IMPORT_COMMAND_H
#define CNNC_IMPORT_COMMAND_H
#include "base/text.h"
#include "options.h"

/* `import MODEL.onnx [-o NAME]`: the status of the process. argv[0] is the command's name. */
int import(Arena *, int argc, char **argv);
void import_usage(Text *);
extern const OptionRow import_options[]; /* ends with a row without a code */
#endif
