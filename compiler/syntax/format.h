/* format.h: Source formatter, as used by `cnnc fmt`. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FORMAT_H
#define CNNC_FORMAT_H
#include "base/text.h"
#include "syntax/ast.h"

typedef enum Formatted {
  FORMATTED,
  FORMAT_MISTAKES, /* the text has syntax errors, which are recorded: it cannot be formatted */
  FORMAT_CHANGED,  /* the new text would change the meaning or lose a comment: a bug of cnnc */
} Formatted;

/* Formats a source of `sources`: indents by 4 blanks per open brace or bracket; one blank around ->, = and
 * binary operators, none around = within brackets; at most one blank line; trailing comments of adjacent
 * lines begin in the same column. Line breaks stay; a line that continues with -> begins in the column
 * after the statement's =. Formatting is idempotent. */
Formatted format_source(Text *out, Arena *, Diags *, Sources *, uint32_t source);
#endif
