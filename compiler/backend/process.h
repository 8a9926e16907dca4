/* process.h: commands that are run without a shell, one or several at the same time. Private to backend/. */
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
  const char *input; /* its standard input; NULL: that of cnnc */
  size_t input_bytes;
  FILE *data;     /* a file that it finds under descriptor 3, or NULL */
  FILE *printed;  /* its standard output; NULL: together with its messages */
  FILE *messages; /* where its messages go; NULL: to standard error */
  FILE *told;     /* where they wait until it has ended, if others run at the same time */
  bool links;     /* it starts a linker, which would outlive it and go on writing: it is never stopped */
  bool refused;   /* it ended with an exit status other than 0 */
  pid_t pid;      /* while it runs, else 0 */
} Command;

#define WORDS(...)                                                                                           \
  (const char *const[]) { __VA_ARGS__, NULL }
void command_add(Command *, const char *word);
void command_add_all(Command *, const char *const *words);
void command_show(const Command *);
FILE *command_file(Arena *, const void *bytes, size_t n, const char **why); /* without a name, at its start */

/* False, and why, where it cannot be started or fails. */
bool command_run(Command *, const char **why);
/* As many at a time as there are processors. Messages of one stand together; at the first failure the others
 * are stopped, and nothing of them is heard. */
bool commands_run(Command *, int n, const char **why);

/* jobs.c: how many may run at a time. Below `make -j` each but the first takes one of make's jobs. */
typedef struct Jobs {
  int most, running;
  int from, to;     /* descriptors of make's tokens; -1: there are none */
  char token[1024]; /* those that are held: of all jobs but the first */
} Jobs;
void jobs_open(Jobs *, int wanted);
bool jobs_take(Jobs *); /* may one more be started? */
void jobs_give(Jobs *); /* one has ended */
void jobs_close(Jobs *);
#endif
