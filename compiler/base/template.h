/* template.h: texts with blanks to be filled in. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_TEMPLATE_H
#define CNNC_TEMPLATE_H
#include "base/text.h"

typedef struct Blank {
  const char *name, *text;
} Blank;

/* The template with each @NAME@ replaced by the text of that name; names are capitals and _. A line that is
 * a blank alone is left out if its text is empty. The blanks end with a name that is NULL. */
void template_put(Text *, const char *template, const Blank *);
#endif
