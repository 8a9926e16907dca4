/* process.c: Execution of commands, one or several at the same time. An input text is passed
 * to its command in an unnamed file. */
// SPDX-License-Identifier: Apache-2.0
#include "backend/process.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void command_add(Command *command, const char *word) { vec_push(command->arena, command->words, word); }

void command_add_all(Command *command, const char *const *words) {
  for (; *words; words++) command_add(command, *words);
}

void command_show(const Command *command) {
  for (int i = 0; i < command->words.n; i++) fprintf(stderr, "%s%s", i ? " " : "", command->words.data[i]);
  fputc('\n', stderr);
}

FILE *command_file(Arena *arena, const void *bytes, size_t n, const char **why) {
  FILE *file = nameless_file(arena);
  if (file && fwrite(bytes, 1, n, file) == n && fflush(file) == 0 && fseek(file, 0, SEEK_SET) == 0)
    return file;
  *why = arena_printf(arena, "cannot create a temporary file for the compiler: %s", strerror(errno));
  if (file) fclose(file);
  return NULL;
}

/* ---- one command ---- */
static bool command_start(Command *command, const char **why) {
  if (!command->input) return process_start(command, NULL, why);
  FILE *input = command_file(command->arena, command->input, command->input_bytes, why);
  const bool started = input && process_start(command, input, why);
  if (input) fclose(input);
  return started;
}

bool command_run(Command *command, const char **why) {
  bool done = false;
  processes_watch(command, 1);
  if (command_start(command, why)) process_wait(command, 1, &done, why);
  return processes_unwatch(command, why) && done;
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

/* Waits until one of the running commands ends, and prints the messages of this command. */
static bool end_one(Command *list, int n, const char **why) {
  bool done;
  report_command(process_wait(list, n, &done, why), true);
  return done;
}

static int running(const Command *list, int n) {
  int count = 0;
  for (int i = 0; i < n; i++) count += list[i].process != 0;
  return count;
}

static void end_all(Command *list, int n) {
  bool done;
  const char *why;
  processes_stop(list, n);
  while (running(list, n)) report_command(process_wait(list, n, &done, &why), false);
}

bool commands_run(Command *list, int n, const char **why) {
  Jobs jobs;
  bool done = true;
  jobs_open(&jobs, n);
  processes_watch(list, n);
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
  return processes_unwatch(list, why) && done;
}
