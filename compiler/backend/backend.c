/* backend.c: Runs the C compiler: finds compiler and runtime, compiles units at the same time, links them.
 * Units are passed on standard input, so that the output contains no file names; objects are unnamed files.
 */
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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "backend/process.h"
#include "base/file.h"
#include "base/text.h"

/* Set by configure and make; these defaults are for other builds. */
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

/* The tool that makes symbols of an object local. */
static const char *find_objcopy(Arena *arena) {
  static const char *const names[] = {"objcopy", "llvm-objcopy", NULL};
  for (const char *const *name = names; *name; name++)
    if (on_path(arena, *name)) return *name;
  return NULL;
}

/* Whether an output can be compiled from several units. An object for another machine is one unit, because
 * joining units may need that machine's linker and objcopy. */
bool backend_takes_units(Arena *arena, BackendKind kind, bool cross) {
  if (kind == BACKEND_OBJECT) return !cross && find_objcopy(arena);
  return kind != BACKEND_WASM;
}

const char *backend_help(const Backend *backend) {
  static const char *const others[] = {"gcc", "cc", NULL};
  if (backend->cc || on_path(backend->arena, find_compiler(backend->arena, NULL))) return NULL;
  if (backend->cross || backend->kind == BACKEND_WASM)
    return "install the packages clang and lld: compilers other than clang only generate code for one "
           "machine";
  for (const char *const *other = others; *other; other++)
    if (on_path(backend->arena, *other))
      return arena_printf(backend->arena, "--cc=%s works, too; or install the package clang", *other);
  return "install the package clang, or name another C compiler with --cc";
}

/* The directory of the running program, with its slash; empty if unknown. */
static const char *own_directory(Arena *arena) {
  const char *path = file_self(arena), *slash = path ? strrchr(path, '/') : NULL;
  return slash ? arena_copy(arena, path, (size_t)(slash + 1 - path)) : "";
}

/* libcnn.a: from $CNNC_RUNTIME, in the build tree, next to an installed cnnc, or at the configured
 * installation path. */
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
    *why =
        "the runtime library libcnn.a is neither next to cnnc nor where it was installed; CNNC_RUNTIME can "
        "name its directory";
  return installed;
}

/* ---- MPI ---- */
/* MPI's compiler wrapper, which calls `cc` with the paths of MPI's headers and libraries. */
static const char *find_mpi_compiler(Arena *arena, const char *cc, const char **why) {
  const char *named = getenv("MPICC"), *const built = DEFAULT_MPICC;
  const char *compiler = named && *named ? named : strcmp(built, "no") != 0 ? built : "mpicc";
  if (!on_path(arena, compiler))
    return *why = arena_printf(arena, "--mpi needs an MPI compiler, but '%s' does not exist", compiler),
           compiler;
  setenv("OMPI_CC", cc, 1);
  setenv("MPICH_CC", cc, 1);
  return compiler;
}

/* libcnn-mpi.a is next to libcnn.a; in the build tree it is in the folder above. */
static const char *find_mpi_library(Arena *arena, const char *runtime, const char **why) {
  const char *slash = strrchr(runtime, '/');
  const int length = slash ? (int)(slash + 1 - runtime) : 0;
  for (int i = 0; i < 2; i++) {
    const char *path = arena_printf(arena, "%.*s%slibcnn-mpi.a", length, runtime, i ? "../" : "");
    if (file_exists(path)) return path;
  }
  if (!*why)
    *why = arena_printf(arena, "the library libcnn-mpi.a is not next to %s: this cnnc was built without MPI",
                        runtime);
  return "libcnn-mpi.a";
}

/* ---- results ---- */
static bool is_clang(const char *compiler) { return strstr(base_name(compiler), "clang") != NULL; }

/* Adds clang's options for another machine. Other compilers are assumed to be cross-compilers for it. */
static void add_cross(Command *command, const Backend *backend) {
  const bool clang = is_clang(backend->cc);
  for (const char *const *flag = backend->cross; *flag; flag++)
    if (clang || strncmp(*flag, "--target=", 9) != 0) command_add(command, *flag);
}

/* Replaces -O3 by -O2 for clang, whose -O3 unrolls unmarked loops: 1.2x the code, not faster. gcc needs -O3
 * to unroll marked loops. */
static const char *level_of(const char *compiler, const char *optimize) {
  return strcmp(optimize, "-O3") == 0 && is_clang(compiler) ? "-O2" : optimize;
}

static void add_kind(Command *command, const Backend *backend) {
  switch (backend->kind) {
  case BACKEND_OBJECT: command_add(command, "-c"); break;
  case BACKEND_SHARED:
    command_add(command, "-shared");
    if (backend->soname) command_add_all(command, WORDS("-Xlinker", "-soname", "-Xlinker", backend->soname));
    if (backend->cross)
      command_add_all(command, WORDS("-nostdlib", "-fuse-ld=lld")); /* the program contains memcpy */
    break;
  case BACKEND_WASM: /* the caller's memory begins at __heap_base; a stack overflow traps */
    command_add_all(command,
                    WORDS("-nostdlib", "-Wl,--no-entry", "-Wl,--export-dynamic", "-Wl,--export=__heap_base",
                          "-Wl,--stack-first", "-Wl,-z,stack-size=1048576"));
    break;
  case BACKEND_PROGRAM: break;
  }
}

static bool add_runtime(Command *command, const Backend *backend, const char **why) {
  command_add_all(command, WORDS("-x", "none"));
#ifdef SANITIZER_FLAGS /* the runtime was built with these flags */
  command_add_all(command, WORDS(SANITIZER_FLAGS));
#endif
  const char *runtime = find_runtime(backend->arena, backend->runtime, why);
  if (backend->mpi) command_add(command, find_mpi_library(backend->arena, runtime, why));
  command_add(command, runtime);
  command_add_all(command, WORDS("-ljansson", "-lexpat", "-lpng", "-ljpeg", "-lwebpdemux", "-lwebp", "-lz",
                                 "-lpthread", "-lm"));
  return !*why;
}

/* Adds the options common to all calls of the compiler. */
static void add_flags(Command *command, const Backend *backend, const BackendUnit *unit, bool openmp) {
  if (backend->cross) add_cross(command, backend);
  else command_add(command, "-fPIC");
  command_add_all(command, WORDS("-std=c11", "-fno-stack-protector", level_of(backend->cc, unit->optimize)));
  if (unit->vectorize)
    command_add_all(command, is_clang(backend->cc) ? WORDS("-fvectorize", "-fslp-vectorize")
                                                   : WORDS("-ftree-vectorize"));
  if (openmp) command_add(command, "-fopenmp");
}

/* Compiles one unit directly to the output: an object or WebAssembly. */
static bool compile_whole(const Backend *backend, const char *compiler, const BackendUnit *unit, FILE *data,
                          const char *output, const char **why) {
  Command command = {.arena = backend->arena,
                     .what = "the C compiler",
                     .input = unit->text,
                     .input_bytes = unit->n,
                     .messages = backend->messages,
                     .data = data};
  command_add(&command, compiler);
  add_flags(&command, backend, unit, backend->openmp);
  add_kind(&command, backend);
  command_add_all(&command, WORDS("-o", output, "-x", "c", "-"));
  if (backend->verbose) command_show(&command);
  return command_run(&command, why);
}

/* ---- linked units ---- */
static const char *path_of(Arena *arena, FILE *file) {
  return arena_printf(arena, "/dev/fd/%d", fileno(file));
}

/* Compiles units to unnamed objects. data: file for the first unit. */
static bool compile_units(const Backend *backend, const char *compiler, const BackendUnit *unit, int n,
                          FILE *data, FILE *const *object, const char **why) {
  Command *list = NEW_ARRAY(backend->arena, Command, n);
  for (int i = 0; i < n; i++) {
    list[i] = (Command){.arena = backend->arena,
                        .what = "the C compiler",
                        .input = unit[i].text,
                        .input_bytes = unit[i].n,
                        .messages = backend->messages,
                        .data = i == 0 ? data : NULL};
    command_add(&list[i], compiler);
    add_flags(&list[i], backend, &unit[i], backend->openmp && i == 0);
#ifdef SANITIZER_FLAGS
    if (backend->kind == BACKEND_PROGRAM) command_add_all(&list[i], WORDS(SANITIZER_FLAGS));
#endif
    command_add_all(&list[i], WORDS("-c", "-o", path_of(backend->arena, object[i]), "-x", "c", "-"));
    if (backend->verbose) command_show(&list[i]);
  }
  return commands_run(list, n, why);
}

static bool link_units(const Backend *backend, const char *compiler, FILE *const *object, int n,
                       const char *output, const char **why) {
  Command command = {
      .arena = backend->arena, .what = "the C compiler", .messages = backend->messages, .links = true};
  command_add(&command, compiler);
  if (backend->kind == BACKEND_OBJECT) command_add_all(&command, WORDS("-r", "-nostdlib"));
  else {
    if (backend->cross) add_cross(&command, backend);
    if (backend->openmp) command_add(&command, "-fopenmp");
    add_kind(&command, backend);
  }
  command_add_all(&command, WORDS("-o", output));
  for (int i = 0; i < n; i++) command_add(&command, path_of(backend->arena, object[i]));
  if (backend->kind == BACKEND_PROGRAM && !add_runtime(&command, backend, why)) return false;
  if (backend->verbose) command_show(&command);
  return command_run(&command, why);
}

/* Makes the symbols that the units of an object share local. */
static bool join_units(const Backend *backend, const char *compiler, FILE *const *object, int n,
                       const char *output, const char **why) {
  FILE *joined = command_file(backend->arena, "", 0, why);
  if (!joined) return false;
  const char *path = path_of(backend->arena, joined);
  Command command = {.arena = backend->arena, .what = "the tool", .messages = backend->messages};
  command_add_all(&command, WORDS(find_objcopy(backend->arena), "--localize-hidden", path, output));
  bool done = link_units(backend, compiler, object, n, path, why);
  if (done && backend->verbose) command_show(&command);
  done = done && command_run(&command, why);
  fclose(joined);
  return done;
}

static bool compile_apart(const Backend *backend, const char *compiler, const BackendUnit *unit, int n,
                          FILE *data, const char *output, const char **why) {
  FILE **object = NEW_ARRAY(backend->arena, FILE *, n);
  bool done = true;
  int opened = 0;
  for (; done && opened < n; opened += done) {
    object[opened] = command_file(backend->arena, "", 0, why);
    done = object[opened] != NULL;
  }
  done =
      done && compile_units(backend, compiler, unit, n, data, object, why) &&
      (backend->kind == BACKEND_OBJECT ? join_units : link_units)(backend, compiler, object, n, output, why);
  for (int i = 0; i < opened; i++) fclose(object[i]);
  return done;
}

bool backend_compile(const Backend *given, const BackendUnit *unit, int n, const char *output,
                     const char **why) {
  Backend backend = *given;
  *why = NULL;
  backend.cc = find_compiler(given->arena, given->cc);
  const char *compiler = backend.mpi ? find_mpi_compiler(given->arena, backend.cc, why) : backend.cc;
  if (*why) return false;
  /* opened before other files, so that it gets descriptor 3 (BACKEND_DATA) if that is free */
  FILE *data = given->data ? command_file(given->arena, given->data, given->data_bytes, why) : NULL;
  if (*why) return false;
  /* Links unnamed objects, because a compiler that is ended by a signal would not remove its temporary
   * files. */
  const bool linked = given->kind == BACKEND_PROGRAM || given->kind == BACKEND_SHARED;
  const bool done = n > 1 || linked ? compile_apart(&backend, compiler, unit, n, data, output, why)
                                    : compile_whole(&backend, compiler, unit, data, output, why);
  if (data) fclose(data);
  return done;
}

/* ---- generated programs that run immediately ---- */
static const char *read_all(Arena *arena, FILE *file) {
  Text text = {.arena = arena};
  char bytes[4096];
  rewind(file);
  for (size_t n; (n = fread(bytes, 1, sizeof bytes, file)) > 0;) text_bytes(&text, bytes, n);
  return text.n ? text.s : "";
}

FILE *backend_file(Arena *arena) {
  const char *why;
  return command_file(arena, "", 0, &why);
}

const char *backend_messages(const Backend *backend) {
  return backend->messages ? read_all(backend->arena, backend->messages) : "";
}

static bool compile_and_run(const Backend *backend, const char *text, size_t n, const char *path,
                            FILE *printed, const char **why) {
  Command compiler = {.arena = backend->arena,
                      .what = "the C compiler",
                      .input = text,
                      .input_bytes = n,
                      .messages = backend->messages},
          program = {.arena = backend->arena,
                     .what = "the program",
                     .printed = printed,
                     .messages = backend->messages};
  command_add(&compiler, find_compiler(backend->arena, backend->cc));
  command_add_all(&compiler, WORDS("-std=c11", "-fno-stack-protector", "-O3", "-o", path, "-x", "c", "-"));
  command_add(&program, path);
  if (backend->verbose) command_show(&compiler);
  return command_run(&compiler, why) && command_run(&program, why);
}

bool backend_run(const Backend *backend, const char *text, size_t n, const char **printed, const char **why) {
  const char *temporary = getenv("TMPDIR");
  char *directory =
      arena_printf(backend->arena, "%s/cnnc-XXXXXX", temporary && *temporary ? temporary : "/tmp");
  FILE *output = tmpfile();
  *why = NULL;
  if (!output || !mkdtemp(directory)) {
    *why = arena_printf(backend->arena, "cannot create a temporary directory for the measurement: %s",
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
bool backend_command(Arena *arena, const char *what, const char *const *words, bool verbose,
                     const char **why) {
  Command command = {.arena = arena, .what = what};
  *why = NULL;
  for (; *words; words++) command_add(&command, *words);
  if (verbose) command_show(&command);
  const bool done = command_run(&command, why);
  if (command.failed) *why = NULL;
  return done;
}

bool backend_output(Arena *arena, const char *what, const char *const *words, const char **printed,
                    const char **why) {
  Command command = {.arena = arena, .what = what, .printed = tmpfile()};
  *why = NULL;
  if (!command.printed) return *why = strerror(errno), false;
  command_add_all(&command, words);
  const bool done = command_run(&command, why);
  *printed = done ? read_all(arena, command.printed) : "";
  fclose(command.printed);
  return done;
}
