/* backend.h: C text to objects, libraries and programs, with a C compiler that is started directly,
 * without a shell. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_BACKEND_H
#define CNNC_BACKEND_H
#include <stdbool.h>
#include <stdio.h>
#include "base/arena.h"

typedef enum BackendKind { BACKEND_OBJECT, BACKEND_SHARED, BACKEND_WASM, BACKEND_PROGRAM } BackendKind;
typedef struct Backend {
  Arena *arena;
  BackendKind kind;
  const char *cc; /* --cc, or NULL: the clang found when cnnc was configured, else the newest on the PATH */
  const char *const *cross; /* clang's options for another machine; NULL: for this one */
  const char *soname;       /* BACKEND_SHARED: the name under which programs look for it; NULL: its path */
  const char *runtime;      /* where libcnn.a is, or NULL: found */
  FILE *messages;           /* where the C compiler's messages go; NULL: standard error */
  bool openmp, verbose;
  bool mpi; /* BACKEND_PROGRAM: with libcnn-mpi, by the compiler of MPI, which calls `cc` */
  const void *data;
  size_t data_bytes; /* contents of the file BACKEND_DATA for the text; or NULL */
} Backend;
#define BACKEND_DATA "/dev/fd/3" /* has a name only while it is open */

typedef struct BackendUnit {
  const char *text; /* C, which includes nothing but the C standard's headers */
  size_t n;
  const char *optimize; /* the C compiler's -O3 (for clang -O2), -O1 ... */
  bool vectorize;       /* the C compiler's vectorizers run, also where its level leaves them out */
} BackendUnit;

/* Compiles n units, of which the first alone has OpenMP and data, to the file `output`; several at the same
 * time. False, and why, if that did not work; `messages` has what the compiler said of it by then. */
bool backend_compile(const Backend *, const BackendUnit *, int n, const char *output, const char **why);

bool backend_takes_units(Arena *, BackendKind, bool cross); /* more than one? */

FILE *backend_file(Arena *); /* without a name, for `messages`; the caller closes it. NULL: there is none */
const char *backend_messages(const Backend *); /* those so far; "" where they go to standard error */

/* What would help where there is no clang; NULL: there is, or --cc names another compiler. */
const char *backend_help(const Backend *);

/* Runs cnnc or a program that it built, whose words end with NULL; its standard output is on standard error.
 * what: it is, in messages. False with `why` NULL: it has printed the reason itself. */
bool backend_command(Arena *, const char *what, const char *const *words, bool verbose, const char **why);
/* The same; *printed is its standard output. */
bool backend_output(Arena *, const char *what, const char *const *words, const char **printed,
                    const char **why);

/* Compiles the text of a separate program, runs it and returns its output. Of `backend`, cc, messages and
 * verbose count. */
bool backend_run(const Backend *, const char *text, size_t n, const char **printed, const char **why);

/* The first of all calls: standard input, output and error are there, if not for use. */
void backend_begin(void);
/* The last call: if a signal stopped a command, cnnc terminates by that signal, as its sender expects. */
void backend_end(void);
#endif
