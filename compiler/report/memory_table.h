/* memory_table.h: flash and RAM of a net, apart from its code. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_MEMORY_TABLE_H
#define CNNC_MEMORY_TABLE_H
#include "base/text.h"
#include "lir/layout.h"
void footprint_json(Text *, const Layout *);              /* a member of an object */
void memory_table(Text *, const Layout *, bool training); /* of flash and RAM; by layer on a board */
#endif
