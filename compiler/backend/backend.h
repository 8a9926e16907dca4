/* backend.h: Compilation of C text to objects, libraries and executables with a C compiler, and execution
 * of programs. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_BACKEND_H
#define CNNC_BACKEND_H
#include <stdbool.h>
#include <stdio.h>
#include "base/arena.h"
#include "backend/system.h"

typedef enum BackendKind { BACKEND_OBJECT, BACKEND_SHARED, BACKEND_WASM, BACKEND_PROGRAM } BackendKind;
typedef struct Backend {
  Arena *arena;
  BackendKind kind;
  const char *cc;           /* the argument of --cc; NULL: compiler_find chooses the compiler */
  const char *const *cross; /* clang's options for another machine, NULL-terminated; NULL: this machine */
  const System *system; /* with `cross`: the operating system; NULL: no operating system and no C library */
  const char *arch;     /* with `system`: the CPU, as in Target */
  const char *file;     /* BACKEND_SHARED: the file name of the library, which its SONAME and the export table
                           of a .dll contain */
  const char *import;   /* BACKEND_SHARED: where the import library of a .dll is written; NULL: nowhere */
  const char *runtime;  /* directory of libcnn.a; NULL: cnnc searches for it */
  FILE *messages;       /* receives the C compiler's messages; NULL: standard error */
  bool openmp, pool, verbose; /* pool: the generated C starts its own threads, without OpenMP */
  bool mpi; /* BACKEND_PROGRAM: links libcnn-mpi, with MPI's compiler wrapper, which calls `cc` */
  const void *data;
  size_t data_bytes; /* `data`: contents of the file at backend_data_path(), which the C text includes; or
                        NULL */
} Backend;

typedef struct BackendUnit {
  const char *text; /* C that includes only standard headers */
  size_t n;
  const char *optimize; /* -O3, -O1 ...; clang gets -O2 instead of -O3 */
  bool vectorize;       /* enable the C compiler's vectorizers even at -O1 */
} BackendUnit;

/* The command that starts zig, the C compiler for other systems: "zig" if zig is on the PATH, otherwise
 * $CNNC_ZIG, which the Python package sets. Without both, the result is "zig", which cannot be started. */
const char *backend_zig(Arena *);

/* Compiles n units to the file `output`, several at the same time; only the first unit uses OpenMP and data.
 * False on failure, with the reason. */
bool backend_compile(const Backend *, const BackendUnit *, int n, const char *output, const char **why);

/* The path at which the C text finds `data`. On Linux, unless the compiler is zig, the path names an open
 * descriptor. In all other cases, it names a file in a temporary folder. */
const char *backend_data_path(Arena *, const char *cc);
bool backend_has_openmp(Arena *, const char *cc);           /* false for zig, true for other compilers */
bool backend_takes_units(Arena *, BackendKind, bool cross); /* whether several units can be compiled to one
                                                               output of this kind */

/* opens an unnamed file for `messages`, which the caller closes; NULL on failure */
FILE *backend_file(Arena *);
const char *backend_messages(const Backend *); /* the messages so far; "" if messages go to standard error */

/* A suggestion for the user if the C compiler may be missing: a package to install, or a compiler for --cc.
 * NULL: there is nothing to suggest. */
const char *backend_help(const Backend *);

/* Runs cnnc or an executable that it built; `words` ends with NULL. The command's standard output goes to
 * standard error. what: the command's name in messages. False on failure; if *why is NULL, the command has
 * printed the reason. */
bool backend_command(Arena *, const char *what, const char *const *words, bool verbose, const char **why);
/* Like backend_command, but *printed is the standard output of the command, and *why has the reason of every
 * failure. */
bool backend_output(Arena *, const char *what, const char *const *words, const char **printed,
                    const char **why);

/* Compiles the text of a program, runs the program, and returns its standard output in *printed. False on
 * failure, with the reason. Uses cc, messages and verbose of the Backend. */
bool backend_run(const Backend *, const char *text, size_t n, const char **printed, const char **why);

/* Must be called at the start of the program. Ensures that standard input, output and error are open. */
void backend_begin(void);
/* Must be called at the end of the program. If a fatal signal was held back (while a command ran, or a
 * temporary folder existed), ends cnnc with this signal. */
void backend_end(void);
#endif
