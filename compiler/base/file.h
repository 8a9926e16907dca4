/* file.h: reading whole files, writing files whole or not at all. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FILE_H
#define CNNC_FILE_H
#include <stdbool.h>
#include "base/arena.h"

char *file_read(Arena *, const char *path, size_t *n,
                const char **why); /* NULL and the reason if it cannot; directories, unreadable and over 1 GiB
                                      are refused */
bool file_exists(const char *path);
const char *file_self(Arena *); /* the path of the running program; NULL: it is not known */
/* A file that comes with cnnc: in share/cnnc/lib of its installation or build tree. NULL: there is none. */
const char *file_library(Arena *, const char *path);
size_t file_begin(const char *path, void *to, size_t most); /* its first bytes: how many there are, or 0 */
const char *file_identity(Arena *, const char *path);       /* equal for two paths to the same file */
const char *file_beside(Arena *, const char *beside,
                        const char *path); /* `path` as seen from the directory of the file `beside` */

/* Output files are written under temporary names in the same directory and renamed together at the end, so
 * that an error leaves nothing behind. */
typedef struct Outputs Outputs;
Outputs *outputs_new(Arena *);
bool outputs_add(Outputs *, const char *path, const char *bytes, size_t n,
                 const char **why); /* "-" is standard output */
bool outputs_adopt(Outputs *, const char *path, const char **temporary,
                   const char **why); /* a temporary name for a tool to write to */
bool outputs_folder(Outputs *, const char *path, const char **why); /* is there, or is made with those above
                                                                       it, until the outputs are abandoned */
bool outputs_commit(Outputs *, const char **why);
void outputs_abandon(Outputs *);
#endif
