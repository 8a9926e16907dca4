/* commands.c: Runs many command lines of cnnc for a program: the exit status must be 0, and in the
 * interpreter the lowered program must give eval's results. The test writes no files and runs no C compiler.
 * Each command line runs in a separate process, as when a user runs cnnc, because a bug of the compiler may
 * end the process. */
// SPDX-License-Identifier: Apache-2.0
#define _DEFAULT_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "driver/compile.h"
#include "check.h"
#include "machine.h"

enum { MOST_ARGUMENTS = 12, PATIENCE = 120 }; /* PATIENCE: seconds until a command is aborted */

/* run: for one net of every `run` nets, the interpreter also runs the lowered program; 0: for no net. */
typedef struct Command {
  const char *options;
  /* TRAINED: only for nets with a train block; LEAST: like TRAINED, with the smallest possible --memory */
  enum { ANY, TRAINED, LEAST } kind;
  int run;
} Command;

static const Command commands[] = {{"--emit=json", ANY, 0},
                                   {"--emit=c --train", TRAINED, 1},
                                   {"--emit=c --batch=4", ANY, 1},
                                   {"--emit=c --batch=16 --network=look", ANY, 2},
                                   {"--emit=c --train --target=generic --exact", TRAINED, 2},
                                   {"--emit=c --train --target=x86-64-v3 --network=look", TRAINED, 4},
                                   {"--emit=c --train --target=native --threads=openmp", TRAINED, 4},
                                   {"--emit=c --train -O0 --network=look", TRAINED, 4},
                                   {"--emit=c --train -Os", TRAINED, 4},
                                   {"--emit=c --train -O1 --network=look", TRAINED, 4},
                                   {"--emit=c -O0 --batch=3", ANY, 4},
                                   {"--emit=c -Os --target=armv7e-m --ram=64M", ANY, 4},
                                   {"--emit=c --target=aarch64,wasm32 --threads=openmp --batch=2", ANY, 4},
                                   {"--emit=c --train", LEAST, 4},
                                   {"--emit=lir", ANY, 0},
                                   {"--emit=schedule", ANY, 0}};

typedef struct Outcome { /* result of a command line, in memory that is shared with its process */
  double error;
  bool done;
  int status; /* as set by waitpid */
} Outcome;

static double program_error(const Check *check, const Program *p) {
  const Sample *s = &check->sample;
  if (!p) return 0;
  if (p->kind == PROGRAM_LOOK) return look_error(check, p);
  Machine m = {.arena = s->arena,
               .images = s->count,
               .seed = SEED,
               .step = STEP,
               .weights = s->weights_double,
               .input = s->input_double,
               .target = s->target_double};
  if (p->batching.how != ONE_BY_ONE && p->batching.images < m.images) m.images = p->batching.images;
  if (machine_execute(&m, p)) return machine_error(check, &m, p->kind == PROGRAM_TRAINING);
  printf("# %s\n", m.error);
  return HUGE_VAL;
}

/* Executes a command line in the child process; returns the exit status. */
static int run_command(const Check *check, const char *options, bool runs, Outcome *outcome) {
  Arena *arena = check->sample.arena;
  char *argv[MOST_ARGUMENTS + 1] = {"cnnc", (char *)(uintptr_t)check->sample.path, "-o", "-"}, *state = NULL;
  int argc = 4;
  for (char *word = strtok_r(arena_printf(arena, "%s", options), " ", &state); word && argc < MOST_ARGUMENTS;
       word = strtok_r(NULL, " ", &state))
    argv[argc++] = word;
  Options read;
  Programs programs = {0};
  alarm(PATIENCE);
  const int status = options_parse(&read, arena, argc, argv) ? compile_dry(arena, &read, &programs) : 2;
  const Program *const all[] = {programs.infer, programs.train, programs.look};
  for (int i = 0; i < 3 && runs && !status; i++)
    outcome->error = worse(outcome->error, program_error(check, all[i]));
  outcome->done = status == 0;
  return status;
}

/* Runs a command line in a child process. Returns the text that the process wrote to standard error. */
static const char *try_command(const Check *check, const char *options, bool runs, Outcome *outcome) {
  FILE *said = tmpfile();
  Text text = {.arena = check->sample.arena};
  *outcome = (Outcome){0};
  fflush(stdout);
  const pid_t child = said ? fork() : -1;
  if (child == 0) {
    dup2(fileno(said), STDERR_FILENO);
    const int status = run_command(check, options, runs, outcome);
    fflush(stdout);
    _exit(status);
  }
  if (child < 0 || waitpid(child, &outcome->status, 0) != child) {
    perror("netcheck: a command");
    exit(99);
  }
  char line[512];
  rewind(said);
  while (fgets(line, sizeof line, said)) text_put(&text, "%s", line);
  fclose(said);
  return text.n ? text.s : "";
}

/* Returns `options` with the smallest possible --memory added. cnnc reports this size if the limit is too
 * small. */
static const char *in_least_memory(const Check *check, const char *options, Outcome *outcome) {
  static const char before[] = "the smallest size found is ";
  Arena *arena = check->sample.arena;
  const char *said = try_command(check, arena_printf(arena, "%s --memory=1", options), false, outcome),
             *at = strstr(said, before);
  int64_t bytes = 0;
  for (at = at ? at + strlen(before) : ""; *at == ',' || (*at >= '0' && *at <= '9'); at++)
    if (*at != ',') bytes = 10 * bytes + (*at - '0');
  return bytes ? arena_printf(arena, "%s --memory=%lld", options, (long long)bytes) : options;
}

static void check_command(const Check *check, const Command *command, bool runs, Outcome *outcome) {
  const char *options = arena_printf(check->sample.arena, "%s%s%s", command->options,
                                     *check->sample.options ? " " : "", check->sample.options);
  if (command->kind == LEAST) options = in_least_memory(check, options, outcome);
  const char *said = try_command(check, options, runs, outcome), *wrong = strstr(said, "error: "),
             *what = arena_printf(check->sample.arena, "cnnc %s", options);
  if (outcome->done && !outcome->status) {
    report_error(check, what, outcome->error, NEST_ERROR);
    return;
  }
  if (wrong) printf("# %.*s\n", (int)strcspn(wrong, "\n"), wrong);
  const bool signal = WIFSIGNALED(outcome->status);
  what = arena_printf(check->sample.arena, "%s ends %s %d", what, signal ? "by signal" : "with status",
                      signal ? WTERMSIG(outcome->status) : WEXITSTATUS(outcome->status));
  report(false, check, what, HUGE_VAL, NEST_ERROR);
}

void check_commands(Check *check) {
  Outcome *outcome = mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (outcome == MAP_FAILED) {
    perror("netcheck: mmap");
    exit(99);
  }
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    const Command *command = &commands[i];
    if (command->kind != ANY && !check->gradients) continue;
    check_command(check, command, command->run && share_has_turn(&check->limits.share, (int)i, command->run),
                  outcome);
  }
  munmap(outcome, sizeof *outcome);
}
