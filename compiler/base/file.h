/* file.h: File input, file names, and atomic output. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FILE_H
#define CNNC_FILE_H
#include <stdbool.h>
#include "base/arena.h"

/* The suffixes of executables and shared libraries on this system. */
#if defined(_WIN32)
#define PROGRAM_SUFFIX ".exe"
#define SHARED_SUFFIX ".dll"
#elif defined(__APPLE__)
#define PROGRAM_SUFFIX ""
#define SHARED_SUFFIX ".dylib"
#else
#define PROGRAM_SUFFIX ""
#define SHARED_SUFFIX ".so"
#endif

char *file_read(Arena *, const char *path, size_t *n,
                const char **why); /* the n bytes and a final zero; NULL, with the reason, on failure, or if
                                      the file is larger than 1 GiB */
bool file_exists(const char *path);
/* Whether the folder is empty or does not exist; if not, *why has the reason. */
bool file_folder_free(const char *path, const char **why);
bool file_absolute(const char *path);
bool file_same(const char *, const char *); /* whether both are the same regular file */
const char *file_temporary(Arena *);        /* the folder of temporary files */
/* On Windows, replaces the backslashes of a path by slashes. On other systems, a backslash is an ordinary
 * character of a name. */
char *file_slashes(char *path);
const char *file_self(Arena *); /* the path of the running program; NULL: unknown */
/* The file with this path in share/cnnc/lib of cnnc's installation or build tree. NULL: there is none. */
const char *file_library(Arena *, const char *path);
size_t file_begin(const char *path, void *to,
                  size_t most); /* reads the first bytes, up to `most`; returns their number, 0 on failure */
const char *file_identity(Arena *, const char *path); /* a text that is equal for two paths to the same
                                                         file */
const char *file_beside(Arena *, const char *beside,
                        const char *path); /* resolves a relative `path` in the folder of the file `beside` */
const char *base_name(const char *path);   /* `path` without its directory */

/* Regular files are written under temporary names in the same directory, and outputs_commit renames them, so
 * that an earlier error leaves no files. Other outputs are written by outputs_commit. Functions that return
 * false set *why. */
typedef struct Outputs Outputs;
Outputs *outputs_new(Arena *);
bool outputs_add(Outputs *, const char *path, const char *bytes, size_t n,
                 const char **why); /* path "-": standard output; `bytes` must stay valid */
bool outputs_adopt(Outputs *, const char *path, const char **temporary,
                   const char **why); /* *temporary: the file that another program must write */
bool outputs_folder(Outputs *, const char *path,
                    const char **why); /* creates the folder and its parents if necessary; outputs_abandon
                                          removes created folders */
/* The bytes of output i, and its path; NULL after the last output, and for the output of another program. */
const char *outputs_bytes(const Outputs *, int i, const char **path, size_t *n);
bool outputs_commit(Outputs *, const char **path,
                    const char **why); /* on failure, *path is the output that cannot be written */
void outputs_abandon(Outputs *);
#endif
