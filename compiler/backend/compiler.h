/* compiler.h: Search for the C compiler, and the command lines of clang, gcc and zig. Private to backend/. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_BACKEND_COMPILER_H
#define CNNC_BACKEND_COMPILER_H
#include "backend/process.h"

typedef struct Compiler {
  const char *name;         /* the compiler's name or command, as the user writes it */
  const char *const *words; /* the words of the command, NULL-terminated */
  bool clang;               /* accepts clang's options; also true for zig */
  bool zig;                 /* `zig cc`, a clang with C libraries of many systems, but without OpenMP */
} Compiler;

/* Path of a program: searched on the PATH, unless its name has a slash. NULL: not found. */
const char *on_path(Arena *, const char *program);
/* cc: the argument of --cc; NULL: $CNNC_CC if it is set. Without both, the result is the configured clang, or
 * the newest clang on the PATH, else gcc, else cc, else zig. If there is none, the result is "clang", which
 * cannot be started. */
Compiler compiler_find(Arena *, const char *cc);
/* Whether objects and data need file names because /dev/fd/N does not work. Zig closes all descriptors before
 * it links. On systems other than Linux, some files /dev/fd/N may be missing. */
bool names_files(const Compiler *);
void compiler_add(Command *, const Compiler *);
/* Adds the options for a machine. cross: clang's options, NULL-terminated; NULL: for this machine. If
 * the compiler accepts no clang options, it is assumed to be a cross-compiler for the other machine. */
void compiler_add_machine(Command *, const Compiler *, const char *const *cross);
/* Whether zig's next link for the machine of `cross` first builds that machine's C library, which takes a
 * minute. *mark: the file that marks the library as built. If zig's version or cache is unknown, *mark is
 * NULL and the result is false. */
bool zig_unprepared(Arena *, const Compiler *, const char *const *cross, const char **mark);
/* Sets the environment of zig. C libraries are kept in a cache for later calls of cnnc, if there is a folder
 * for it; everything else is in the folder `scratch`. */
void zig_environment(Arena *, const char *scratch);
#endif
