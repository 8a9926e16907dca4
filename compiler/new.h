/* new.h: the command `cnnc new`. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_NEW_H
#define CNNC_NEW_H
#include "base/text.h"
#include "options.h"

/* `new NAME [--from=MODEL.onnx]`: the status of the process. argv[0] is the command's name; cnnc: how this
 * program was called. */
int new_project(Arena *, const char *cnnc, int argc, char **argv);
void new_usage(Text *);
extern const OptionRow new_options[]; /* ends with a row without a code */
#endif
