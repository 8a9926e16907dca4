/* quantize.h: `cnnc quantize`. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_DRIVER_QUANTIZE_H
#define CNNC_DRIVER_QUANTIZE_H
#include "command.h"

extern const Command quantize_command;
#endif
