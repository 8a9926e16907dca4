/* fmt.h: the command `cnnc fmt`. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FMT_H
#define CNNC_FMT_H
#include "command.h"

extern const Command fmt_command;
#endif
