/* process.h: Execution of commands without a shell, one or several at the same time. Private to backend/. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_BACKEND_PROCESS_H
#define CNNC_BACKEND_PROCESS_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "base/arena.h"

typedef struct Command {
  Arena *arena;
  const char *what; /* the command's name in messages */
  VEC(const char *) words;
  const char *input; /* text for the command's standard input; NULL: cnnc's standard input */
  size_t input_bytes;
  FILE *data;       /* a file passed as descriptor 3, or NULL */
  FILE *printed;    /* receives the command's standard output; NULL: the same file as `messages` */
  FILE *messages;   /* receives the command's messages; NULL: standard error */
  FILE *buffered;   /* commands_run: collects the messages until the command ends */
  bool links;       /* the command starts a linker. On POSIX systems, cnnc does not stop this command, because
                       the linker would continue to write its output */
  bool failed;      /* the exit status was not 0 */
  intptr_t process; /* number of the process, on Windows the handle; 0: not running */
} Command;

#define WORDS(...)                                                                                           \
  (const char *const[]) { __VA_ARGS__, NULL }
void command_add(Command *, const char *word);
void command_add_all(Command *, const char *const *words);
void command_show(const Command *);
FILE *command_file(Arena *, const void *bytes, size_t n,
                   const char **why); /* an unnamed file with these bytes, positioned at its start;
                                        NULL, with the reason, on failure */

/* Until signals_release, a fatal signal does not end cnnc, but makes all commands fail. */
void signals_hold(void);
void signals_release(void);

/* False, with the reason, if the command cannot be started or fails. */
bool command_run(Command *, const char **why);
/* Runs several commands at the same time; Jobs limits their number. The messages of each command are printed
 * in one block. When a command fails, the other commands are stopped, and their messages are not printed. */
bool commands_run(Command *, int n, const char **why);

/* process_posix.c, platform/windows/process.c: functions that depend on the system. */
FILE *nameless_file(Arena *); /* an unnamed temporary file; NULL: errno has the reason */
/* Starts a command. input: its standard input; NULL: cnnc's standard input. False if the command cannot be
 * started; *why has the reason, unless a fatal signal was the cause. */
bool process_start(Command *, FILE *input, const char **why);
/* Waits until one of the running commands ends, and returns this command. At least one command must be
 * running. *done: whether the command succeeded; if not, *why has the reason. */
Command *process_wait(Command *, int n, bool *done, const char **why);
void processes_stop(const Command *, int n); /* stops the running commands (exception: Command.links) */
/* Until processes_unwatch, a fatal signal stops these commands (processes_stop). processes_unwatch returns
 * false, with the reason, if there was a fatal signal. */
void processes_watch(const Command *, int n);
bool processes_unwatch(const Command *, const char **why);

/* jobs.c: Limit on concurrent jobs. Under `make -j` each job except the first takes one of make's tokens. */
typedef struct Jobs {
  int most, running;
  int from, to;     /* descriptors of make's job server; -1: none */
  char token[1024]; /* tokens of the running jobs except the first */
} Jobs;
void jobs_open(Jobs *, int wanted);
bool jobs_take(Jobs *); /* whether another job may start; if so, the job is counted as running */
void jobs_give(Jobs *); /* called when a job has ended */
void jobs_close(Jobs *);
#endif
