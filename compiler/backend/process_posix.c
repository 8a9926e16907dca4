/* process_posix.c: Starting, stopping and waiting for processes with POSIX calls. After a fatal signal, cnnc
 * waits for its commands and removes the temporary files before it ends. */
// SPDX-License-Identifier: Apache-2.0
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "backend/process.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "backend/backend.h"

enum { DATA_DESCRIPTOR = 3 }; /* the descriptor in backend_data_path */
extern char **environ;

FILE *nameless_file(Arena *arena) {
  const char *folder = getenv("TMPDIR");
  char *path = arena_printf(arena, "%s/cnnc-XXXXXX", folder ? folder : "");
  const int descriptor = folder && *folder ? mkstemp(path) : -1;
  if (descriptor < 0) return tmpfile();
  unlink(path);
  FILE *file = fdopen(descriptor, "w+");
  if (!file) close(descriptor);
  return file;
}

/* ---- signals ---- */
/* A fatal signal ends the running commands, except linkers (Command.links). The signal counts as a failure
 * of the commands, so that partial output is removed. Then cnnc ends with the same signal (backend_end). */
static const int fatal[] = {SIGHUP, SIGINT, SIGTERM};
enum { FATAL = sizeof fatal / sizeof fatal[0] };
static volatile sig_atomic_t fatal_signal;
static struct {
  const Command *volatile list;
  volatile int n;
  struct sigaction before[FATAL], held[FATAL];
} watched;

void processes_stop(const Command *list, int n) {
  for (int i = 0; i < n; i++)
    if (list[i].process && !list[i].links) kill((pid_t)list[i].process, SIGTERM);
}

static void on_fatal(int number) {
  const int error = errno;
  fatal_signal = number;
  processes_stop(watched.list, watched.n);
  errno = error;
}

/* Handles the signals that would end cnnc; `before` receives their previous actions. */
static void handle(struct sigaction before[FATAL]) {
  struct sigaction action = {.sa_handler = on_fatal};
  sigemptyset(&action.sa_mask);
  for (int i = 0; i < FATAL; i++) {
    sigaction(fatal[i], NULL, &before[i]);
    if (before[i].sa_handler == SIG_DFL) sigaction(fatal[i], &action, NULL);
  }
}

static void restore(const struct sigaction before[FATAL]) {
  for (int i = 0; i < FATAL; i++) sigaction(fatal[i], &before[i], NULL);
}

void signals_hold(void) { handle(watched.held); }
void signals_release(void) { restore(watched.held); }

void processes_watch(const Command *list, int n) {
  watched.list = list;
  watched.n = n;
  handle(watched.before);
}

bool processes_unwatch(const Command *list, const char **why) {
  restore(watched.before);
  watched.n = 0;
  if (!fatal_signal) return true;
  return *why = arena_printf(list->arena, "stopped by signal %d", (int)fatal_signal), false;
}

/* If a standard descriptor is closed, opens /dev/null in its place: standard input for writing and the
 * outputs for reading, so that their use fails. Otherwise the next opened file would get this descriptor. */
void backend_begin(void) {
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; descriptor++)
    if (fcntl(descriptor, F_GETFD) < 0)
      (void)open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

void backend_end(void) {
  if (fatal_signal) raise((int)fatal_signal);
}

/* ---- processes ---- */
bool process_start(Command *command, FILE *input, const char **why) {
  const char *program = command->words.data[0];
  posix_spawn_file_actions_t actions;
  pid_t pid = 0;
  if (fatal_signal) return false;
  command_add(command, NULL);
  posix_spawn_file_actions_init(&actions);
  if (input) posix_spawn_file_actions_adddup2(&actions, fileno(input), STDIN_FILENO);
  FILE *messages = command->buffered ? command->buffered : command->messages;
  if (messages) posix_spawn_file_actions_adddup2(&actions, fileno(messages), STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&actions, command->printed ? fileno(command->printed) : STDERR_FILENO,
                                   STDOUT_FILENO);
  if (command->data) posix_spawn_file_actions_adddup2(&actions, fileno(command->data), DATA_DESCRIPTOR);
  const int error =
      posix_spawnp(&pid, program, &actions, NULL, (char *const *)(uintptr_t)command->words.data, environ);
  posix_spawn_file_actions_destroy(&actions);
  command->words.n--;
  command->process = error ? 0 : pid;
  if (!error && fatal_signal)
    processes_stop(command, 1); /* the signal came before the process number was known */
  if (!error) return true;
  return *why = arena_printf(command->arena, "%s '%s' cannot be started: %s", command->what, program,
                             strerror(error)),
         false;
}

static bool process_result(Command *command, int status, const char **why) {
  const char *program = command->words.data[0];
  if (WIFSIGNALED(status))
    return *why = arena_printf(command->arena, "%s '%s' was ended by signal %d", command->what, program,
                               WTERMSIG(status)),
           false;
  command->failed = WEXITSTATUS(status) != 0;
  if (command->failed)
    return *why = arena_printf(command->arena, "%s '%s' failed with exit status %d", command->what, program,
                               WEXITSTATUS(status)),
           false;
  return true;
}

static bool process_lost(const Command *command, const char **why) {
  return *why = arena_printf(command->arena, "cannot wait for %s '%s': %s", command->what,
                             command->words.data[0], strerror(errno)),
         false;
}

/* waitpid that continues after EINTR. */
static pid_t wait_again(pid_t pid, int *status) {
  pid_t ended;
  do ended = waitpid(pid, status, 0);
  while (ended < 0 && errno == EINTR);
  return ended;
}

/* The argument of waitpid: the process number of the running command, or -1 (any process) if several commands
 * run. */
static pid_t awaited(const Command *list, int n) {
  intptr_t only = 0;
  for (int i = 0; i < n; i++) {
    if (only && list[i].process) return -1;
    if (list[i].process) only = list[i].process;
  }
  return (pid_t)only;
}

Command *process_wait(Command *list, int n, bool *done, const char **why) {
  for (;;) {
    int status, i = 0;
    const pid_t pid = wait_again(awaited(list, n), &status);
    while (i < n && (list[i].process == 0 || (pid > 0 && list[i].process != pid))) i++;
    if (i == n) continue; /* a child process that cnnc inherited: not in the list */
    list[i].process = 0;
    *done = pid > 0 ? process_result(&list[i], status, why) : process_lost(&list[i], why);
    return &list[i];
  }
}
