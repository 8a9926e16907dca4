/* import.h: the command `cnnc import`. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_IMPORT_COMMAND_H
#define CNNC_IMPORT_COMMAND_H
#include "base/text.h"

/* `import MODEL.onnx [-o NAME]`: the status of the process. argv[0] is the command's name. */
int import(Arena *, int argc, char **argv);
void import_usage(Text *);
#endif
