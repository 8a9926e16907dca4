/* names.h: Identifiers of generated C, and their scopes. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_NAMES_H
#define CNNC_NAMES_H
#include <stdbool.h>
#include "base/arena.h"
#include "base/table.h"

typedef struct Names {
  Arena *arena;
  const struct Names *file, *macros; /* for a function's scope: scopes whose names are taken, too; or NULL */
  const char *prefix;                /* in C, names of `file` have this prefix, such as "lenet5_" */
  Table last;                        /* by name in use: the last number that names_unique appended; 1: none */
} Names;                             /* the names of one scope */
bool names_taken(const Names *, const char *name);
void names_reserve(Names *, const char *name);
const char *names_unique(Names *,
                         const char *name); /* returns the name, or name_2, ..., and marks it as taken */

const char *name_letters(Arena *, const char *name); /* "stage1.conv1" -> "stage1_conv1" */
/* The name of a parameter, variable or member that holds values of the program: "stage1.conv1" ->
 * "stage1_conv1_values". Any header, compiler or board may define the bare name as a macro (`small`, `I`,
 * `INPUT`, `UINT8_MAX`), and C and C++ have keywords; none of these ends with "_values". */
const char *name_of_values(Arena *, const char *name);
/* Whether a name that begins with the net's name may be a macro: it begins with '_', as names of the C
 * implementation do, or has no lower-case letter (layer MAX of net UINT8). */
bool name_may_be_macro(const char *name);
bool name_of_runtime(
    const char *name); /* whether the name begins with cnn_ or CNN_, as the names of cnn_network.h do */
const char *name_upper(Arena *, const char *name);
#endif
