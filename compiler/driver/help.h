/* help.h: Output of --help on options and on the language, from the tables that check them. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_HELP_H
#define CNNC_HELP_H
#include "base/text.h"
#include "options.h"

void help_options(Text *out);
bool help_topic(Text *out, const char *name); /* false: there is no such topic */
const char *const *help_names(Arena *);       /* all that have help, ended by NULL */

/* The language in short pages; ends with a row without a name. */
typedef struct Topic {
  const char *name, *summary, *page, *example;
} Topic; /* example: a program, or NULL */
extern const Topic topic_table[];

/* Kinds of named arguments: optimizers, schedules, ...; ends with a row without a table. */
struct Form;
typedef struct FormKind {
  const char *one, *several;
  const char *key; /* their key in a program */
  const struct Form *const *table;
} FormKind;
const FormKind *help_forms(Arena *);
#endif
