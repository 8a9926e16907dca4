/* memory_table.h: RAM and flash of a net (flash without the code), as tables and JSON. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_MEMORY_TABLE_H
#define CNNC_MEMORY_TABLE_H
#include "base/text.h"
#include "lir/layout.h"
void footprint_json(Text *, const Layout *);              /* prints the member "board" of a JSON object */
void memory_table(Text *, const Layout *, bool training); /* for a microcontroller, also one row per layer */
#endif
