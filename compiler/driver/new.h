/* new.h: the command `cnnc new`. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_NEW_H
#define CNNC_NEW_H
#include "command.h"

extern const Command new_command;
#endif
