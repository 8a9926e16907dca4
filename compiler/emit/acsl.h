/* acsl.h: ACSL annotations of the generated C, for --acsl. Private to emit/. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_EMIT_ACSL_H
#define CNNC_EMIT_ACSL_H
#include "emit/nest_print.h"

/* The contract of a function; its parameters must already have names. The result is "" without --acsl, and
 * for a merged function, because its sizes are parameters. */
const char *acsl_contract(Printer *, const Instance *);
/* Inserts a contract above each inline function in the text from position `from` on, and annotations above
 * some loops. prefix: of the functions' names. */
void acsl_helpers(Text *, size_t from, const char *prefix);
#endif
