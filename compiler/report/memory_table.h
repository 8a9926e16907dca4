/* memory_table.h: Flash and RAM of a net without its code. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_MEMORY_TABLE_H
#define CNNC_MEMORY_TABLE_H
#include "base/text.h"
#include "lir/layout.h"
void footprint_json(Text *, const Layout *);              /* prints a member of a JSON object */
void memory_table(Text *, const Layout *, bool training); /* for a microcontroller, also one row per layer */
#endif
