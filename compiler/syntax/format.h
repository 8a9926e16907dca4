/* format.h: the layout of a program's text, as `cnnc fmt` writes it. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FORMAT_H
#define CNNC_FORMAT_H
#include "base/text.h"
#include "syntax/ast.h"

typedef enum Formatted {
  FORMATTED,
  FORMAT_MISTAKES, /* the text has syntax errors, which are recorded: it has no layout */
  FORMAT_CHANGED,  /* the new text would mean something else, or lack a comment: a bug of cnnc */
} Formatted;

/* Lays out a source of `sources`: 4 blanks for each open brace or bracket; one blank around ->, = and binary
 * operators, none around = within brackets; at most one blank line; comments behind neighboring lines begin
 * in the same column. Lines stay broken where they are; a line that goes on with -> begins in the
 * column behind the statement's =. To lay out what comes out changes nothing. */
Formatted format_source(Text *out, Arena *, Diags *, Sources *, uint32_t source);
#endif
