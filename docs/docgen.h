/* docgen.h: parts of docgen, which generates documents from the compiler's and the runtime's tables. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_DOCGEN_H
#define CNNC_DOCGEN_H
#include "base/text.h"

/* Manual pages, in the macros of man(7). */
void man_text(Text *, const char *); /* prints text with escapes, so that roff finds no commands in it */
void man_title(Text *, const char *name, int section, const char *summary);
void man_heading(Text *, const char *name);                 /* heading of a section; name: in capitals */
void man_entry(Text *, const char *name, const char *text); /* a term, and its definition */
void man_page(Text *, const char *text); /* paragraphs; lines that begin with blanks are not joined */
void man_compiler(Text *);               /* cnnc(1) */
void man_language(Text *);               /* cnn(5) */
bool man_program(Text *);                /* cnnc-program(1), from the runtime's help; false: no help */

/* Shell completions of cnnc's options. */
void shell_bash(Text *);
void shell_zsh(Text *);
void shell_fish(Text *);
#endif
