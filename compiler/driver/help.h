/* help.h: Text of --help about options and the language, printed from the compiler's own tables. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_HELP_H
#define CNNC_HELP_H
#include "base/text.h"
#include "options.h"

void help_options(Text *out);
bool help_topic(Text *out, const char *name); /* false: there is no such topic */
const char *const *help_names(Arena *);       /* the main names that help_topic knows, ended by NULL */

/* A short page about the language; example: a program, or NULL. topic_table ends with a row without a
 * name. */
typedef struct Topic {
  const char *name, *summary, *page, *example;
} Topic;
extern const Topic topic_table[];

/* Kinds of forms (values with arguments, such as sgd(rate=0.1)). form_kinds ends with a row without a
 * table. */
struct Form;
typedef struct FormKind {
  const char *one, *several; /* singular and plural */
  const char *key;           /* the key of these forms in a program */
  const struct Form *const *table;
} FormKind;
extern const FormKind form_kinds[];
#endif
