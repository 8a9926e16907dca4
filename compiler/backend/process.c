/* process.c: Execution of commands, one or several at the same time. Inputs are unnamed files, and a fatal
 * signal ends the commands before cnnc, so that no files remain. */
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

enum { DATA_DESCRIPTOR = 3 }; /* backend_data_path */
extern char **environ;

void command_add(Command *command, const char *word) { vec_push(command->arena, command->words, word); }

void command_add_all(Command *command, const char *const *words) {
  for (; *words; words++) command_add(command, *words);
}

void command_show(const Command *command) {
  for (int i = 0; i < command->words.n; i++) fprintf(stderr, "%s%s", i ? " " : "", command->words.data[i]);
  fputc('\n', stderr);
}

/* Creates an unnamed file in $TMPDIR, because it may be large. */
static FILE *nameless(Arena *arena) {
  const char *folder = getenv("TMPDIR");
  char *path = arena_printf(arena, "%s/cnnc-XXXXXX", folder ? folder : "");
  const int descriptor = folder && *folder ? mkstemp(path) : -1;
  if (descriptor < 0) return tmpfile();
  unlink(path);
  FILE *file = fdopen(descriptor, "w+");
  if (!file) close(descriptor);
  return file;
}

FILE *command_file(Arena *arena, const void *bytes, size_t n, const char **why) {
  FILE *file = nameless(arena);
  if (file && fwrite(bytes, 1, n, file) == n && fflush(file) == 0 && fseek(file, 0, SEEK_SET) == 0)
    return file;
  *why = arena_printf(arena, "cannot create a temporary file for the compiler: %s", strerror(errno));
  if (file) fclose(file);
  return NULL;
}

/* ---- signals ---- */
/* A fatal signal ends the running commands, which counts as a failure, so that their partial output is
 * removed. Then cnnc ends by the signal (backend_end). */
static const int fatal[] = {SIGHUP, SIGINT, SIGTERM};
enum { FATAL = sizeof fatal / sizeof fatal[0] };
static volatile sig_atomic_t fatal_signal;
static struct {
  const Command *volatile list;
  volatile int n;
  struct sigaction before[FATAL], held[FATAL];
} watched;

static void stop(const Command *list, int n) {
  for (int i = 0; i < n; i++)
    if (list[i].pid && !list[i].links) kill(list[i].pid, SIGTERM);
}

static void on_fatal(int number) {
  const int error = errno;
  fatal_signal = number;
  stop(watched.list, watched.n);
  errno = error;
}

/* Handles those signals that would end cnnc; `before` receives what was done with them. */
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

static void watch(const Command *list, int n) {
  watched.list = list;
  watched.n = n;
  handle(watched.before);
}

/* False, with the reason, if there was a signal. */
static bool unwatch(const Command *list, const char **why) {
  restore(watched.before);
  watched.n = 0;
  if (!fatal_signal) return true;
  return *why = arena_printf(list->arena, "stopped by signal %d", (int)fatal_signal), false;
}

/* If a standard descriptor is closed, opens a file in its place that can neither be read nor written.
 * Otherwise the next opened file would get its number. */
void backend_begin(void) {
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; descriptor++)
    if (fcntl(descriptor, F_GETFD) < 0)
      (void)open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

void backend_end(void) {
  if (fatal_signal) raise((int)fatal_signal);
}

/* ---- one command ---- */
static bool command_spawn(Command *command, FILE *input, const char **why) {
  const char *program = command->words.data[0];
  posix_spawn_file_actions_t actions;
  if (fatal_signal) return false;
  command_add(command, NULL);
  posix_spawn_file_actions_init(&actions);
  if (input) posix_spawn_file_actions_adddup2(&actions, fileno(input), STDIN_FILENO);
  FILE *messages = command->buffered ? command->buffered : command->messages;
  if (messages) posix_spawn_file_actions_adddup2(&actions, fileno(messages), STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&actions, command->printed ? fileno(command->printed) : STDERR_FILENO,
                                   STDOUT_FILENO);
  if (command->data) posix_spawn_file_actions_adddup2(&actions, fileno(command->data), DATA_DESCRIPTOR);
  const int error = posix_spawnp(&command->pid, program, &actions, NULL,
                                 (char *const *)(uintptr_t)command->words.data, environ);
  posix_spawn_file_actions_destroy(&actions);
  command->words.n--;
  if (!error && fatal_signal) stop(command, 1); /* the signal came before the process number was known */
  if (!error) return true;
  command->pid = 0;
  return *why = arena_printf(command->arena, "%s '%s' cannot be started: %s", command->what, program,
                             strerror(error)),
         false;
}

static bool command_start(Command *command, const char **why) {
  if (!command->input) return command_spawn(command, NULL, why);
  FILE *input = command_file(command->arena, command->input, command->input_bytes, why);
  const bool started = input && command_spawn(command, input, why);
  if (input) fclose(input);
  return started;
}

static bool command_done(Command *command, int status, const char **why) {
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

static bool command_lost(const Command *command, const char **why) {
  return *why = arena_printf(command->arena, "%s '%s' was lost: %s", command->what, command->words.data[0],
                             strerror(errno)),
         false;
}

/* waitpid that continues after signals; pid: a process, or -1 for any. */
static pid_t wait_again(pid_t pid, int *status) {
  pid_t ended;
  do ended = waitpid(pid, status, 0);
  while (ended < 0 && errno == EINTR);
  return ended;
}

static bool run_one(Command *command, const char **why) {
  int status;
  if (!command_start(command, why)) return false;
  const pid_t ended = wait_again(command->pid, &status);
  command->pid = 0;
  return ended < 0 ? command_lost(command, why) : command_done(command, status, why);
}

bool command_run(Command *command, const char **why) {
  watch(command, 1);
  const bool done = run_one(command, why);
  return unwatch(command, why) && done;
}

/* ---- several commands ---- */
static void report_command(Command *command, bool heard) {
  char bytes[4096];
  FILE *to = command->messages ? command->messages : stderr;
  if (heard) rewind(command->buffered);
  for (size_t n; heard && (n = fread(bytes, 1, sizeof bytes, command->buffered)) > 0;)
    fwrite(bytes, 1, n, to);
  fflush(to);
  fclose(command->buffered);
  command->buffered = NULL;
}

static bool start_apart(Command *command, const char **why) {
  if (!(command->buffered = command_file(command->arena, "", 0, why))) return false;
  if (command_start(command, why)) return true;
  report_command(command, false);
  return false;
}

/* Waits for one of the running commands. */
static bool end_one(Command *list, int n, const char **why) {
  int status, i = 0;
  const pid_t pid = wait_again(-1, &status);
  for (; i < n && (list[i].pid == 0 || (pid > 0 && list[i].pid != pid)); i++) {}
  if (i == n) return true; /* not a child of cnnc */
  list[i].pid = 0;
  report_command(&list[i], true);
  return pid > 0 ? command_done(&list[i], status, why) : command_lost(&list[i], why);
}

static int running(const Command *list, int n) {
  int count = 0;
  for (int i = 0; i < n; i++) count += list[i].pid != 0;
  return count;
}

static void end_all(Command *list, int n) {
  int status;
  stop(list, n);
  for (int i = 0; i < n; i++) {
    if (!list[i].pid) continue;
    wait_again(list[i].pid, &status);
    list[i].pid = 0;
    report_command(&list[i], false);
  }
}

bool commands_run(Command *list, int n, const char **why) {
  Jobs jobs;
  bool done = true;
  jobs_open(&jobs, n);
  watch(list, n);
  for (int next = 0; done && (next < n || jobs.running);) {
    if (next < n && jobs_take(&jobs)) {
      done = start_apart(&list[next++], why);
      continue;
    }
    done = end_one(list, n, why);
    while (jobs.running > running(list, n)) jobs_give(&jobs);
  }
  if (!done) end_all(list, n);
  jobs_close(&jobs);
  return unwatch(list, why) && done;
}
