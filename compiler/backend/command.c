/* command.c: running commands: one, or several at the same time. What they read are files without names, so
 * that nothing is left behind, however cnnc ends. */
// SPDX-License-Identifier: Apache-2.0
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "backend/command.h"
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DATA_DESCRIPTOR = 3 }; /* of BACKEND_DATA */
extern char **environ;

void command_add(Command *command, const char *word) { vec_push(command->arena, command->words, word); }

void command_add_all(Command *command, const char *const *words) {
  for (; *words; words++) command_add(command, *words);
}

void command_show(const Command *command) {
  for (int i = 0; i < command->words.n; i++) fprintf(stderr, "%s%s", i ? " " : "", command->words.data[i]);
  fputc('\n', stderr);
}

FILE *command_file(Arena *arena, const void *bytes, size_t n, const char **why) {
  FILE *file = tmpfile();
  if (file && fwrite(bytes, 1, n, file) == n && fflush(file) == 0 && fseek(file, 0, SEEK_SET) == 0)
    return file;
  *why = arena_printf(arena, "no temporary file for what is compiled: %s", strerror(errno));
  if (file) fclose(file);
  return NULL;
}

/* ---- one ---- */
static bool command_spawn(Command *command, FILE *input, const char **why) {
  const char *program = command->words.data[0];
  posix_spawn_file_actions_t actions;
  command_add(command, NULL);
  posix_spawn_file_actions_init(&actions);
  if (input) posix_spawn_file_actions_adddup2(&actions, fileno(input), STDIN_FILENO);
  if (command->data) posix_spawn_file_actions_adddup2(&actions, fileno(command->data), DATA_DESCRIPTOR);
  if (command->told) posix_spawn_file_actions_adddup2(&actions, fileno(command->told), STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&actions, command->printed ? fileno(command->printed) : STDERR_FILENO,
                                   STDOUT_FILENO);
  const int error = posix_spawnp(&command->pid, program, &actions, NULL,
                                 (char *const *)(uintptr_t)command->words.data, environ);
  posix_spawn_file_actions_destroy(&actions);
  command->words.n--;
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

static bool command_done(const Command *command, int status, const char **why) {
  const char *program = command->words.data[0];
  if (WIFSIGNALED(status))
    return *why = arena_printf(command->arena, "%s '%s' was ended by signal %d", command->what, program,
                               WTERMSIG(status)),
           false;
  if (WEXITSTATUS(status))
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

/* pid: of one that is waited for, or -1 for any. */
static pid_t wait_again(pid_t pid, int *status) {
  pid_t ended;
  do ended = waitpid(pid, status, 0);
  while (ended < 0 && errno == EINTR);
  return ended;
}

bool command_run(Command *command, const char **why) {
  int status;
  if (!command_start(command, why)) return false;
  if (wait_again(command->pid, &status) < 0) return command_lost(command, why);
  return command_done(command, status, why);
}

/* ---- several ---- */
static void tell(Command *command, bool heard) {
  char bytes[4096];
  if (heard) rewind(command->told);
  for (size_t n; heard && (n = fread(bytes, 1, sizeof bytes, command->told)) > 0;)
    fwrite(bytes, 1, n, stderr);
  fclose(command->told);
  command->told = NULL;
}

static bool start_apart(Command *command, const char **why) {
  if (!(command->told = command_file(command->arena, "", 0, why))) return false;
  if (command_start(command, why)) return true;
  tell(command, false);
  return false;
}

/* Waits for one of those that run. */
static bool end_one(Command *list, int n, const char **why) {
  int status, i = 0;
  const pid_t pid = wait_again(-1, &status);
  for (; i < n && (list[i].pid == 0 || (pid > 0 && list[i].pid != pid)); i++) {}
  if (i == n) return true; /* no child of ours */
  list[i].pid = 0;
  tell(&list[i], true);
  return pid > 0 ? command_done(&list[i], status, why) : command_lost(&list[i], why);
}

static int running(const Command *list, int n) {
  int count = 0;
  for (int i = 0; i < n; i++) count += list[i].pid != 0;
  return count;
}

static void stop(Command *list, int n) {
  int status;
  for (int i = 0; i < n; i++)
    if (list[i].pid) kill(list[i].pid, SIGTERM);
  for (int i = 0; i < n; i++) {
    if (!list[i].pid) continue;
    wait_again(list[i].pid, &status);
    list[i].pid = 0;
    tell(&list[i], false);
  }
}

bool commands_run(Command *list, int n, const char **why) {
  Jobs jobs;
  bool done = true;
  jobs_open(&jobs, n);
  for (int next = 0; done && (next < n || jobs.running);) {
    if (next < n && jobs_take(&jobs)) {
      done = start_apart(&list[next++], why);
      continue;
    }
    done = end_one(list, n, why);
    while (jobs.running > running(list, n)) jobs_give(&jobs);
  }
  if (!done) stop(list, n);
  jobs_close(&jobs);
  return done;
}
