/* backend.c: finding the C compiler and the runtime, and running it. The text goes to the compiler's standard
 * input, so that no file name finds its way into what it writes. */
// SPDX-License-Identifier: Apache-2.0
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "backend/backend.h"
#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/file.h"
#include "base/text.h"

/* Set by configure and make; these are for other builds. */
#ifndef DEFAULT_CLANG
#define DEFAULT_CLANG "clang"
#endif
#ifndef DEFAULT_MPICC
#define DEFAULT_MPICC "mpicc"
#endif
#ifndef RUNTIME_DIRECTORY
#define RUNTIME_DIRECTORY "/usr/local/lib"
#endif

enum { NEWEST_CLANG = 25, OLDEST_CLANG = 14 };
enum { DATA_DESCRIPTOR = 3 }; /* of BACKEND_DATA */
extern char **environ;

typedef struct Command {
  Arena *arena;
  const char *what;
  FILE *printed;
  VEC(const char *) words;
} Command; /* printed: what it prints; NULL: goes with its messages */

static void command_add(Command *command, const char *word) {
  vec_push(command->arena, command->words, word);
}

static void command_add_all(Command *command, const char *const *words) {
  for (; *words; words++) command_add(command, *words);
}
#define WORDS(...)                                                                                           \
  (const char *const[]) { __VA_ARGS__, NULL }

/* ---- finding ---- */
static bool on_path(Arena *arena, const char *program) {
  if (strchr(program, '/')) return access(program, X_OK) == 0;
  const char *path = getenv("PATH");
  for (const char *at = path ? path : "/usr/bin:/bin";; at++) {
    const int length = (int)strcspn(at, ":");
    if (length && access(arena_printf(arena, "%.*s/%s", length, at, program), X_OK) == 0) return true;
    at += length;
    if (!*at) return false;
  }
}

static const char *find_compiler(Arena *arena, const char *cc) {
  if (cc) return cc;
  if (on_path(arena, DEFAULT_CLANG)) return DEFAULT_CLANG;
  for (int version = NEWEST_CLANG; version >= OLDEST_CLANG; version--) {
    const char *name = arena_printf(arena, "clang-%d", version);
    if (on_path(arena, name)) return name;
  }
  return "clang";
}

const char *backend_help(const Backend *backend) {
  static const char *const others[] = {"gcc", "cc", NULL};
  if (backend->cc || on_path(backend->arena, find_compiler(backend->arena, NULL))) return NULL;
  if (backend->cross || backend->kind == BACKEND_WASM)
    return "install the packages clang and lld: other compilers than clang make code for one machine";
  for (const char *const *other = others; *other; other++)
    if (on_path(backend->arena, *other))
      return arena_printf(backend->arena, "--cc=%s works, too; or install the package clang", *other);
  return "install the package clang, or name another C compiler with --cc";
}

/* The directory of the running program, with its slash; empty if it cannot be known. */
static const char *own_directory(Arena *arena) {
  const char *path = backend_self(arena), *slash = path ? strrchr(path, '/') : NULL;
  return slash ? arena_copy(arena, path, (size_t)(slash + 1 - path)) : "";
}

/* libcnn.a: where one says, in the build tree, beside an installed cnnc, where it was configured to be
 * installed. */
static const char *find_runtime(Arena *arena, const char *given, const char **why) {
  const char *own = own_directory(arena), *named = given ? given : getenv("CNNC_RUNTIME");
  if (named && *named) {
    const char *path = arena_printf(arena, "%s/libcnn.a", named);
    if (!file_exists(path)) *why = arena_printf(arena, "the runtime library '%s' does not exist", path);
    return path;
  }
  static const char *const places[] = {
      "libcnn.a",    ".libs/libcnn.a",      "runtime/libcnn.a", "runtime/.libs/libcnn.a",
      "../libcnn.a", "../runtime/libcnn.a", "../lib/libcnn.a",  NULL};
  for (int i = 0; *own && places[i]; i++) {
    const char *path = arena_printf(arena, "%s%s", own, places[i]);
    if (file_exists(path)) return path;
  }
  const char *installed = RUNTIME_DIRECTORY "/libcnn.a";
  if (!file_exists(installed))
    *why = "the runtime library libcnn.a is neither beside cnnc nor where it was installed; CNNC_RUNTIME can "
           "name its directory";
  return installed;
}

/* ---- MPI ---- */
/* Its compiler adds where its headers and libraries are to a call of another. */
static const char *find_mpi_compiler(Arena *arena, const char *cc, const char **why) {
  const char *named = getenv("MPICC"), *const built = DEFAULT_MPICC;
  const char *compiler = named && *named ? named : strcmp(built, "no") != 0 ? built : "mpicc";
  if (!on_path(arena, compiler))
    return *why = arena_printf(arena, "--mpi wants the compiler of an MPI, and '%s' is not there", compiler),
           compiler;
  setenv("OMPI_CC", cc, 1);
  setenv("MPICH_CC", cc, 1);
  return compiler;
}

/* Beside libcnn.a; in the build tree that is one folder deeper. */
static const char *find_mpi_library(Arena *arena, const char *runtime, const char **why) {
  const char *slash = strrchr(runtime, '/');
  const int length = slash ? (int)(slash + 1 - runtime) : 0;
  for (int i = 0; i < 2; i++) {
    const char *path = arena_printf(arena, "%.*s%slibcnn-mpi.a", length, runtime, i ? "../" : "");
    if (file_exists(path)) return path;
  }
  if (!*why)
    *why = arena_printf(arena, "the library libcnn-mpi.a is not beside %s: this cnnc was built without MPI",
                        runtime);
  return "libcnn-mpi.a";
}

/* ---- running ---- */
static void show_command(const Command *command) {
  for (int i = 0; i < command->words.n; i++) fprintf(stderr, "%s%s", i ? " " : "", command->words.data[i]);
  fputc('\n', stderr);
}

/* A file without a name, at its beginning. */
static FILE *temporary_file(Arena *arena, const void *bytes, size_t n, const char **why) {
  FILE *file = tmpfile();
  if (file && fwrite(bytes, 1, n, file) == n && fflush(file) == 0 && fseek(file, 0, SEEK_SET) == 0)
    return file;
  *why = arena_printf(arena, "no temporary file for what is compiled: %s", strerror(errno));
  if (file) fclose(file);
  return NULL;
}

static bool command_ended(const Command *command, pid_t pid, const char **why) {
  const char *program = command->words.data[0];
  int status;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR)
      return *why = arena_printf(command->arena, "%s '%s' was lost: %s", command->what, program,
                                 strerror(errno)),
             false;
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

/* Runs a command with one file, if any, as its standard input and another, if any, as descriptor 3. */
static bool command_run(Command *command, FILE *input, FILE *data, const char **why) {
  const char *program = command->words.data[0];
  command_add(command, NULL);
  posix_spawn_file_actions_t actions;
  pid_t pid;
  posix_spawn_file_actions_init(&actions);
  if (input) posix_spawn_file_actions_adddup2(&actions, fileno(input), STDIN_FILENO);
  if (data) posix_spawn_file_actions_adddup2(&actions, fileno(data), DATA_DESCRIPTOR);
  posix_spawn_file_actions_adddup2(&actions, command->printed ? fileno(command->printed) : STDERR_FILENO,
                                   STDOUT_FILENO);
  const int error =
      posix_spawnp(&pid, program, &actions, NULL, (char *const *)(uintptr_t)command->words.data, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error)
    return *why = arena_printf(command->arena, "%s '%s' cannot be started: %s", command->what, program,
                               strerror(error)),
           false;
  return command_ended(command, pid, why);
}

static bool compile_text(const Backend *backend, Command *command, const char *text, size_t n,
                         const char **why) {
  FILE *input = temporary_file(backend->arena, text, n, why);
  FILE *data =
      input && backend->data ? temporary_file(backend->arena, backend->data, backend->data_bytes, why) : NULL;
  const bool done = !*why && command_run(command, input, data, why);
  if (input) fclose(input);
  if (data) fclose(data);
  return done;
}

/* ---- what is made ---- */
/* Another compiler than clang is taken to be one for that machine. */
static void add_cross(Command *command, const Backend *backend) {
  const char *compiler = command->words.data[0], *slash = strrchr(compiler, '/');
  const bool clang = strstr(slash ? slash + 1 : compiler, "clang") != NULL;
  for (const char *const *flag = backend->cross; *flag; flag++)
    if (clang || strncmp(*flag, "--target=", 9) != 0) command_add(command, *flag);
}

static void add_kind(Command *command, const Backend *backend) {
  switch (backend->kind) {
  case BACKEND_OBJECT: command_add(command, "-c"); break;
  case BACKEND_SHARED:
    command_add(command, "-shared");
    if (backend->soname) command_add_all(command, WORDS("-Xlinker", "-soname", "-Xlinker", backend->soname));
    if (backend->cross)
      command_add_all(command, WORDS("-nostdlib", "-fuse-ld=lld")); /* memcpy comes with the program */
    break;
  case BACKEND_WASM: /* the caller's memory begins at __heap_base; a stack that grows too large ends in a trap
                      */
    command_add_all(command,
                    WORDS("-nostdlib", "-Wl,--no-entry", "-Wl,--export-dynamic", "-Wl,--export=__heap_base",
                          "-Wl,--stack-first", "-Wl,-z,stack-size=1048576"));
    break;
  case BACKEND_PROGRAM: break;
  }
}

static bool add_runtime(Command *command, const Backend *backend, const char **why) {
  command_add_all(command, WORDS("-x", "none"));
#ifdef SANITIZER_FLAGS /* the runtime was built with them */
  command_add_all(command, WORDS(SANITIZER_FLAGS));
#endif
  const char *runtime = find_runtime(backend->arena, backend->runtime, why);
  if (backend->mpi) command_add(command, find_mpi_library(backend->arena, runtime, why));
  command_add(command, runtime);
  command_add_all(command, WORDS("-ljansson", "-lexpat", "-lpng", "-ljpeg", "-lwebpdemux", "-lwebp", "-lexif",
                                 "-lz", "-lpthread", "-lm"));
  return !*why;
}

bool backend_compile(const Backend *backend, const char *text, size_t n, const char *output,
                     const char **why) {
  Command command = {.arena = backend->arena, .what = "the C compiler"};
  *why = NULL;
  const char *compiler = find_compiler(backend->arena, backend->cc);
  if (backend->mpi) compiler = find_mpi_compiler(backend->arena, compiler, why);
  if (*why) return false;
  command_add(&command, compiler);
  if (backend->cross) add_cross(&command, backend);
  else command_add(&command, "-fPIC");
  command_add_all(&command, WORDS("-std=c11", "-fno-stack-protector", backend->optimise));
  if (backend->openmp) command_add(&command, "-fopenmp");
  add_kind(&command, backend);
  command_add_all(&command, WORDS("-o", output, "-x", "c", "-"));
  if (backend->kind == BACKEND_PROGRAM && !add_runtime(&command, backend, why)) return false;
  if (backend->verbose) show_command(&command);
  return compile_text(backend, &command, text, n, why);
}

/* ---- programs that are run at once ---- */
static const char *read_all(Arena *arena, FILE *file) {
  Text text = {.arena = arena};
  char bytes[4096];
  rewind(file);
  for (size_t n; (n = fread(bytes, 1, sizeof bytes, file)) > 0;) text_bytes(&text, bytes, n);
  return text.n ? text.s : "";
}

static bool compile_and_run(const Backend *backend, const char *text, size_t n, const char *path,
                            FILE *printed, const char **why) {
  Command compiler = {.arena = backend->arena, .what = "the C compiler"},
          program = {.arena = backend->arena, .what = "the program", .printed = printed};
  command_add(&compiler, find_compiler(backend->arena, backend->cc));
  command_add_all(&compiler, WORDS("-std=c11", "-fno-stack-protector", "-O3", "-o", path, "-x", "c", "-"));
  command_add(&program, path);
  if (backend->verbose) show_command(&compiler);
  return compile_text(backend, &compiler, text, n, why) && command_run(&program, NULL, NULL, why);
}

bool backend_run(const Backend *backend, const char *text, size_t n, const char **printed, const char **why) {
  const char *temporary = getenv("TMPDIR");
  char *directory =
      arena_printf(backend->arena, "%s/cnnc-XXXXXX", temporary && *temporary ? temporary : "/tmp");
  FILE *output = tmpfile();
  *why = NULL;
  if (!output || !mkdtemp(directory)) {
    *why = arena_printf(backend->arena, "no temporary directory for the program that measures: %s",
                        strerror(errno));
    if (output) fclose(output);
    return false;
  }
  const char *path = arena_printf(backend->arena, "%s/measure", directory);
  const bool done = compile_and_run(backend, text, n, path, output, why);
  *printed = done ? read_all(backend->arena, output) : "";
  fclose(output);
  unlink(path);
  rmdir(directory);
  return done;
}

/* ---- other programs ---- */
const char *backend_self(Arena *arena) {
  char path[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  return n > 0 ? arena_copy(arena, path, (size_t)n) : NULL;
}

bool backend_command(Arena *arena, const char *what, const char *const *words, bool verbose,
                     const char **why) {
  Command command = {.arena = arena, .what = what};
  *why = NULL;
  for (; *words; words++) command_add(&command, *words);
  if (verbose) show_command(&command);
  return command_run(&command, NULL, NULL, why);
}

bool backend_output(Arena *arena, const char *what, const char *const *words, const char **printed,
                    const char **why) {
  Command command = {.arena = arena, .what = what, .printed = tmpfile()};
  *why = NULL;
  if (!command.printed) return *why = strerror(errno), false;
  command_add_all(&command, words);
  const bool done = command_run(&command, NULL, NULL, why);
  *printed = done ? read_all(arena, command.printed) : "";
  fclose(command.printed);
  return done;
}
