/* format.h: Source formatter (`cnnc fmt`). */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FORMAT_H
#define CNNC_FORMAT_H
#include "base/text.h"
#include "syntax/ast.h"

typedef enum Formatted {
  FORMATTED,
  FORMAT_MISTAKES, /* the source has syntax errors, which were reported */
  FORMAT_CHANGED,  /* a bug of cnnc: the result has another meaning, or lacks a comment */
} Formatted;

/* Formats a source of `sources`: indents by 4 blanks per open brace or bracket; one blank around ->, = and
 * binary operators, none around .. and around = within brackets; at most one blank line; trailing comments of
 * adjacent lines in the same column. Line breaks are kept, except before {. A line that begins with -> is
 * aligned with the text after the statement's =. Idempotent. */
Formatted format_source(Text *out, Arena *, Diags *, Sources *, uint32_t source);
#endif
