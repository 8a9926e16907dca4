/* names.h: identifiers of generated C, and scopes of them. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_NAMES_H
#define CNNC_NAMES_H
#include <stdbool.h>
#include "base/arena.h"
#include "base/table.h"

typedef struct Names {
  Arena *arena;
  const struct Names *file, *macros; /* of a function: the names around it, which are taken too; NULL: none */
  const char *prefix;                /* file: what they begin with in the text, "lenet5_" */
  Table last;                        /* by name taken: the last number that was put behind it, 1: none */
} Names;                             /* of one scope */
bool names_taken(const Names *, const char *name);
void names_reserve(Names *, const char *name);
const char *names_unique(Names *, const char *name); /* the name, or name_2, ...: taken from now on */

const char *name_letters(Arena *, const char *name); /* "stage1.conv1" -> "stage1_conv1" */
bool name_of_c(const char *name);       /* a word of C or C++, or one that the file has from their headers */
bool name_of_runtime(const char *name); /* names of the shared header begin as this one does */
const char *name_upper(Arena *, const char *name);
#endif
