/* help.h: what --help OPERATOR prints, from the tables of arguments. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_HELP_H
#define CNNC_HELP_H
#include "base/text.h"

bool help_topic(Text *out, const char *name);            /* false: no such operator, loss, optimizer, ... */
const char *const *help_names(Arena *);                  /* all that have help, ended by NULL */
#endif
