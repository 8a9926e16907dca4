/* template.h: Expansion of templates: texts with placeholders. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_TEMPLATE_H
#define CNNC_TEMPLATE_H
#include "base/text.h"

typedef struct Blank {
  const char *name, *text;
} Blank;

/* Prints the template, and replaces each placeholder @NAME@ by its text. Names consist of capital letters and
 * _. A line that consists of one placeholder is omitted if the placeholder's text is empty. The list of
 * placeholders ends with a NULL name. */
void template_put(Text *, const char *template, const Blank *);
#endif
