/* runtime_place.h: a new directory for a test. Tests may start programs in this directory. */
// SPDX-License-Identifier: Apache-2.0
#ifndef RUNTIME_PLACE_H
#define RUNTIME_PLACE_H
#include <stdbool.h>

extern char directory[256];
void make_directory(void);
void remove_directory(void);
/* The path of a file in the directory; valid for the next seven calls. */
const char *in_directory(const char *name);
bool place_has(const char *name);
bool same_files(const char *a, const char *b);
char *contents(const char *name); /* content of a file, which the caller frees */
#endif
