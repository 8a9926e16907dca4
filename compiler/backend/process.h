/* process.h: Execution of commands without a shell, one or several at the same time. Private to backend/. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_BACKEND_PROCESS_H
#define CNNC_BACKEND_PROCESS_H
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>
#include "base/arena.h"

typedef struct Command {
  Arena *arena;
  const char *what; /* it is, in messages */
  VEC(const char *) words;
  const char *input; /* its standard input; NULL: cnnc's */
  size_t input_bytes;
  FILE *data;     /* a file passed as descriptor 3, or NULL */
  FILE *printed;  /* its standard output; NULL: the same file as its messages */
  FILE *messages; /* output of its messages; NULL: standard error */
  FILE *told;     /* holds its messages until it has ended, if others run at the same time */
  bool links;     /* it starts a linker, which would outlive it and continue to write: it is never stopped */
  bool refused;   /* it ended with an exit status other than 0 */
  pid_t pid;      /* while it runs, otherwise 0 */
} Command;

#define WORDS(...)                                                                                           \
  (const char *const[]) { __VA_ARGS__, NULL }
void command_add(Command *, const char *word);
void command_add_all(Command *, const char *const *words);
void command_show(const Command *);
FILE *command_file(Arena *, const void *bytes, size_t n,
                   const char **why); /* an unnamed file with these bytes, at its start */

/* False, with the reason, if it cannot be started or fails. */
bool command_run(Command *, const char **why);
/* Runs one process per processor at a time. The messages of each are printed together; at the first
 * failure the others are stopped, and their messages are dropped. */
bool commands_run(Command *, int n, const char **why);

/* jobs.c: Limit of concurrent jobs. Under `make -j` each but the first takes one of make's tokens. */
typedef struct Jobs {
  int most, running;
  int from, to;     /* descriptors of make's tokens; -1: none */
  char token[1024]; /* tokens held: one per job except the first */
} Jobs;
void jobs_open(Jobs *, int wanted);
bool jobs_take(Jobs *); /* may another job be started? */
void jobs_give(Jobs *); /* one has ended */
void jobs_close(Jobs *);
#endif
