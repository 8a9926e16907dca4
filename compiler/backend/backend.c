/* backend.c: Driver of the C compiler: finds the runtime, compiles units (C texts) in parallel, links their
 * objects, and runs programs. The compiler reads a unit from standard input, so that the object contains no
 * file names. */
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
#include <sys/stat.h>
#include <unistd.h>
#include "backend/compiler.h"
#include "backend/scratch.h"
#include "base/file.h"
#include "base/text.h"

/* Set by configure and make; these defaults are for other builds. */
#ifndef DEFAULT_MPICC
#define DEFAULT_MPICC "mpicc"
#endif
#ifndef RUNTIME_DIRECTORY
#define RUNTIME_DIRECTORY "/usr/local/lib"
#endif

/* The state of one call of backend_compile or backend_run. */
typedef struct Build {
  const Backend *backend;
  Compiler compiler;
  const char *mpi; /* MPI's compiler wrapper, which calls the compiler; or NULL */
  Scratch scratch;
  FILE *data; /* the weights, which the compiler gets as descriptor 3; or NULL */
} Build;

/* ---- finding ---- */
/* The tool that makes hidden symbols of an object local. NULL: not found. */
static const char *find_objcopy(Arena *arena) {
  static const char *const names[] = {"objcopy", "llvm-objcopy", NULL};
  for (const char *const *name = names; *name; name++)
    if (on_path(arena, *name)) return *name;
  return NULL;
}

/* An object for another machine is one unit, because joining units may need that machine's linker and
 * objcopy. */
bool backend_takes_units(Arena *arena, BackendKind kind, bool cross) {
#ifdef __ELF__
  if (kind == BACKEND_OBJECT) return !cross && find_objcopy(arena);
#else /* join_units needs ELF */
  if (kind == BACKEND_OBJECT) return false;
#endif
  return kind != BACKEND_WASM;
}

/* gcc only compiles for one machine. So it compiles for another one only if the user names it. */
static Compiler compiler_of(const Backend *backend) {
  const char *const named = getenv("CNNC_CC");
  const Compiler compiler = compiler_find(backend->arena, backend->cc);
  const bool other = backend->cross || backend->kind == BACKEND_WASM;
  return other && !compiler.clang && !backend->cc && !(named && *named)
             ? compiler_find(backend->arena, "clang")
             : compiler;
}

const char *backend_help(const Backend *backend) {
  const char *const named = getenv("CNNC_CC");
  const Compiler compiler = compiler_of(backend);
  if (backend->system && (!compiler.zig || !on_path(backend->arena, compiler.words[0])))
    return "zig has the C library of each system: pip install ziglang. For another compiler, --cc must also "
           "contain the paths of the system's C library";
  const bool there = on_path(backend->arena, compiler.words[0]);
  if (backend->cc || (named && *named)) return NULL;
  if (!there && (backend->cross || backend->kind == BACKEND_WASM))
    return "install the packages clang and lld: compilers such as gcc only generate code for one machine";
  if (there) return NULL;
#ifdef _WIN32
  return "install zig (pip install ziglang) and name it: set CNNC_CC=python -m ziglang cc";
#else
  return "install the package clang, or zig (pip install ziglang), or name another C compiler with --cc";
#endif
}

/* The directory of the running program, with a final slash; "" if the directory is unknown. */
static const char *own_directory(Arena *arena) {
  const char *path = file_self(arena), *slash = path ? strrchr(path, '/') : NULL;
  return slash ? arena_copy(arena, path, (size_t)(slash + 1 - path)) : "";
}

/* The path of libcnn.a: in the folder `given` or, if it is NULL, in $CNNC_RUNTIME. If neither is set, the
 * path is relative to cnnc (in a build tree or an installation), or the configured installation path. */
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

/* The path of the other system's libcnn.a. If backend->runtime is not set, this libcnn.a is in the folder
 * $CNNC_RUNTIMES/SYSTEM or, if $CNNC_RUNTIMES is not set, ../lib/cnnc/SYSTEM, relative to cnnc's folder. */
static const char *find_system_runtime(const Backend *backend, const char **why) {
  Arena *arena = backend->arena;
  const char *folder = system_folder(arena, backend->system, backend->arch), *named = getenv("CNNC_RUNTIMES");
  if (backend->runtime && *backend->runtime) return find_runtime(arena, backend->runtime, why);
  const char *path = named && *named
                         ? arena_printf(arena, "%s/%s/libcnn.a", named, folder)
                         : arena_printf(arena, "%s../lib/cnnc/%s/libcnn.a", own_directory(arena), folder);
  if (!file_exists(path))
    *why = arena_printf(arena,
                        "the runtime library for %s, '%s', does not exist: build it in cnnc's source tree "
                        "with release/build --system=%s runtimes, and set CNNC_RUNTIMES to the folder that "
                        "this command prints, or to lib/cnnc of the archive cnnc-runtimes",
                        folder, path, folder);
  return path;
}

/* ---- MPI ---- */
/* MPI's compiler wrapper, which calls `cc` with the paths of MPI's headers and libraries. */
static const char *find_mpi_compiler(Arena *arena, const Compiler *cc, const char **why) {
  const char *named = getenv("MPICC"), *const built = DEFAULT_MPICC;
  const char *compiler = named && *named ? named : strcmp(built, "no") != 0 ? built : "mpicc";
  if (!on_path(arena, compiler))
    return *why = arena_printf(arena, "--mpi needs an MPI compiler, but '%s' does not exist", compiler),
           compiler;
  Text words = {.arena = arena};
  for (const char *const *word = cc->words; *word; word++)
    text_put(&words, "%s%s", words.n ? " " : "", *word);
  setenv("OMPI_CC", words.s, 1);
  setenv("MPICH_CC", words.s, 1);
  return compiler;
}

/* libcnn-mpi.a is next to libcnn.a; in the build tree, it is in the parent of libcnn.a's folder. */
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
/* Adds the first words of a command: the compiler, or MPI's wrapper of the compiler. */
static void add_compiler(Command *command, const Build *run) {
  if (run->mpi) command_add(command, run->mpi);
  else compiler_add(command, &run->compiler);
}

/* Replaces -O3 by -O2 for clang. clang's -O3 also unrolls loops that have no unroll pragma: the code becomes
 * 1.2x larger than with -O2, but not faster. gcc needs -O3 to unroll loops with the pragma. */
static const char *level_of(const Compiler *compiler, const char *optimize) {
  return strcmp(optimize, "-O3") == 0 && compiler->clang ? "-O2" : optimize;
}

/* The system on which the result runs. A CPU without an operating system counts as Linux: the object files of
 * both are ELF files. */
static const System *system_of(const Backend *backend) {
  return backend->system ? backend->system : backend->cross ? system_table : system_here();
}

static bool has_flag(const char *const *list, const char *flag) {
  for (; list && *list; list++)
    if (strcmp(*list, flag) == 0) return true;
  return false;
}

/* Where the linker writes the import library of a .dll: "/tmp/cnnc-1/net.lib". */
static const char *import_path(const Build *run) {
  const Backend *backend = run->backend;
  const char *suffix = strrchr(backend->file, '.');
  const size_t stem = suffix ? (size_t)(suffix - backend->file) : strlen(backend->file);
  return arena_printf(backend->arena, "%s/%.*s%s", run->scratch.folder, (int)stem, backend->file,
                      system_of(backend)->import);
}

static void add_kind(Command *command, const Build *run) {
  const Backend *backend = run->backend;
  const System *system = system_of(backend);
  switch (backend->kind) {
  case BACKEND_OBJECT: command_add(command, "-c"); break;
  case BACKEND_SHARED:
    command_add(command, "-shared");
    if (system->soname)
      command_add_all(command, WORDS("-Xlinker", system->soname, "-Xlinker", backend->file));
    if (backend->import)
      command_add_all(command, WORDS("-Xlinker", "--out-implib", "-Xlinker", import_path(run)));
    if (backend->cross && !backend->system)
      command_add_all(command, WORDS("-nostdlib", "-fuse-ld=lld")); /* the loading program provides memcpy */
    break;
  case BACKEND_WASM: /* the caller may use the memory from __heap_base on; with --stack-first, a stack
                        overflow is an error at run time (a trap) */
    command_add_all(command, WORDS("-nostdlib", "-Wl,--no-entry", "-Wl,--export-dynamic",
                                   "-Wl,--export=__heap_base", "-Wl,-z,stack-size=1048576"));
    if (!run->compiler.zig) command_add(command, "-Wl,--stack-first"); /* zig always passes --stack-first */
    /* clang 18 and later run wasm-opt if they find it, and older versions of wasm-opt reject relaxed SIMD. */
    if (!run->compiler.zig && has_flag(backend->cross, "-mrelaxed-simd"))
      command_add(command, "--no-wasm-opt");
    break;
  case BACKEND_PROGRAM: break;
  }
  if (run->compiler.zig && system->link && backend->kind != BACKEND_OBJECT)
    command_add(command, system->link);
}

static bool add_runtime(Command *command, const Backend *backend, const char **why) {
  const bool here = !backend->system;
  command_add_all(command, WORDS("-x", "none"));
#ifdef SANITIZER_FLAGS /* the runtime was built with these flags */
  if (here) command_add_all(command, WORDS(SANITIZER_FLAGS));
#endif
  const char *runtime =
      here ? find_runtime(backend->arena, backend->runtime, why) : find_system_runtime(backend, why);
  if (backend->mpi) command_add(command, find_mpi_library(backend->arena, runtime, why));
  command_add(command, runtime);
#ifndef RUNTIME_WHOLE /* libcnn.a does not contain these libraries */
  if (here)
    command_add_all(command,
                    WORDS("-ljansson", "-lexpat", "-lpng", "-ljpeg", "-lwebpdemux", "-lwebp", "-lz"));
#endif
  command_add_all(command, WORDS("-lpthread", "-lm"));
  return !*why;
}

static void add_flags(Command *command, const Build *run, const BackendUnit *unit, bool openmp) {
  const Compiler *compiler = &run->compiler;
  compiler_add_machine(command, compiler, run->backend->cross);
  if (!run->backend->cross && system_here()->soname) command_add(command, "-fPIC");
  command_add_all(command, WORDS("-std=c11", "-fno-stack-protector", level_of(compiler, unit->optimize)));
  if (unit->vectorize)
    command_add_all(command,
                    compiler->clang ? WORDS("-fvectorize", "-fslp-vectorize") : WORDS("-ftree-vectorize"));
  if (openmp) command_add(command, "-fopenmp");
  /* backend_data_path is a path in this folder */
  if (run->scratch.folder) command_add_all(command, WORDS("-I", run->scratch.folder));
}

/* Compiles one unit directly to the output: an object or WebAssembly. */
static bool compile_whole(Build *run, const BackendUnit *unit, const char *output, const char **why) {
  const Backend *backend = run->backend;
  Command command = {.arena = backend->arena,
                     .what = "the C compiler",
                     .input = unit->text,
                     .input_bytes = unit->n,
                     .messages = backend->messages,
                     .data = run->data,
                     .links = backend->kind == BACKEND_WASM};
  add_compiler(&command, run);
  add_flags(&command, run, unit, backend->openmp);
  add_kind(&command, run);
  command_add_all(&command, WORDS("-o", output, "-x", "c", "-"));
  if (backend->verbose) command_show(&command);
  return command_run(&command, why);
}

/* ---- linked units ---- */
/* Compiles units to temporary objects; only the first object contains the data (the weights). */
static bool compile_units(const Build *run, const BackendUnit *unit, int n, const char *const *object,
                          const char **why) {
  const Backend *backend = run->backend;
  Command *list = NEW_ARRAY(backend->arena, Command, n);
  for (int i = 0; i < n; i++) {
    list[i] = (Command){.arena = backend->arena,
                        .what = "the C compiler",
                        .input = unit[i].text,
                        .input_bytes = unit[i].n,
                        .messages = backend->messages,
                        .data = i == 0 ? run->data : NULL};
    add_compiler(&list[i], run);
    add_flags(&list[i], run, &unit[i], backend->openmp && i == 0);
#ifdef SANITIZER_FLAGS
    if (backend->kind == BACKEND_PROGRAM && !backend->system)
      command_add_all(&list[i], WORDS(SANITIZER_FLAGS));
#endif
    command_add_all(&list[i], WORDS("-c", "-o", object[i], "-x", "c", "-"));
    if (backend->verbose) command_show(&list[i]);
  }
  return commands_run(list, n, why);
}

static bool link_units(Build *run, const char *const *object, int n, const char *output, const char **why) {
  const Backend *backend = run->backend;
  Command command = {
      .arena = backend->arena, .what = "the C compiler", .messages = backend->messages, .links = true};
  add_compiler(&command, run);
  if (backend->kind == BACKEND_OBJECT) command_add_all(&command, WORDS("-r", "-nostdlib"));
  else {
    compiler_add_machine(&command, &run->compiler, backend->cross);
    if (backend->openmp) command_add(&command, "-fopenmp");
    if (backend->pool) command_add(&command, "-pthread");
    add_kind(&command, run);
  }
  command_add_all(&command, WORDS("-o", output));
  for (int i = 0; i < n; i++) command_add(&command, object[i]);
  if (backend->kind == BACKEND_PROGRAM && !add_runtime(&command, backend, why)) return false;
  if (backend->verbose) command_show(&command);
  return command_run(&command, why);
}

/* Moves a file out of the scratch folder, possibly to another file system. */
static bool move_out(const char *from, const char *to, const char **why) {
  if (rename(from, to) == 0) return true;
  FILE *in = fopen(from, "rb"), *out = in ? fopen(to, "wb") : NULL;
  char bytes[1 << 14];
  bool moved = out != NULL;
  struct stat about;
  if (moved && fstat(fileno(in), &about) == 0) (void)fchmod(fileno(out), about.st_mode & 0777);
  for (size_t n; moved && (n = fread(bytes, 1, sizeof bytes, in)) > 0;) moved = fwrite(bytes, 1, n, out) == n;
  moved = moved && !ferror(in);
  if (out && fclose(out) != 0) moved = false;
  if (!moved) *why = strerror(errno);
  if (in) fclose(in);
  return moved;
}

/* Links a shared library under its own name: linkers write the name of their output into the export table of
 * a .dll, its import library, and the signature of a .dylib. */
static bool link_library(Build *run, const char *const *object, int n, const char *output, const char **why) {
  const Backend *backend = run->backend;
  if (!run->scratch.folder) return link_units(run, object, n, output, why);
  const char *named = arena_printf(backend->arena, "%s/%s", run->scratch.folder, backend->file);
  return link_units(run, object, n, named, why) && move_out(named, output, why) &&
         (!backend->import || move_out(import_path(run), backend->import, why));
}

/* Joins the units' objects to one object. Hidden symbols become local, because only these units use them. */
static bool join_units(Build *run, const char *const *object, int n, const char *output, const char **why) {
  const Backend *backend = run->backend;
  const char *joined = scratch_file(&run->scratch, why);
  if (!joined) return false;
  Command command = {.arena = backend->arena, .what = "the tool", .messages = backend->messages};
  command_add_all(&command, WORDS(find_objcopy(backend->arena), "--localize-hidden", joined, output));
  const bool linked = link_units(run, object, n, joined, why);
  if (linked && backend->verbose) command_show(&command);
  return linked && command_run(&command, why);
}

static bool compile_apart(Build *run, const BackendUnit *unit, int n, const char *output, const char **why) {
  const char **object = NEW_ARRAY(run->backend->arena, const char *, n);
  for (int i = 0; i < n; i++)
    if (!(object[i] = scratch_file(&run->scratch, why))) return false;
  return compile_units(run, unit, n, object, why) &&
         (run->backend->kind == BACKEND_OBJECT   ? join_units
          : run->backend->kind == BACKEND_SHARED ? link_library
                                                 : link_units)(run, object, n, output, why);
}

/* ---- zig ---- */
/* Sets zig's environment. Zig's first link for a machine also builds the machine's C library, which takes a
 * minute. Before this link, prints a note, and returns the path of the file that mark_prepared creates after
 * the link. Returns NULL if such a file is not needed. */
static const char *prepare_zig(const Build *run, bool links) {
  const char *mark = NULL;
  zig_environment(run->backend->arena, run->scratch.folder);
  if (!links || !zig_unprepared(run->backend->arena, &run->compiler, run->backend->cross, &mark)) return NULL;
  if (!run->backend->messages)
    fprintf(stderr, "cnnc: note: '%s' prepares its C library; this takes about a minute, once per target\n",
            run->compiler.name);
  return mark;
}

static void mark_prepared(const char *mark) {
  FILE *file = mark ? fopen(mark, "w") : NULL;
  if (file) fclose(file);
}

const char *backend_data_path(Arena *arena, const char *cc) {
  const Compiler compiler = compiler_find(arena, cc);
  return names_files(&compiler) ? "weights.bin" : "/dev/fd/3";
}

/* Must be called before the objects are opened: the compiler gets the data as descriptor 3, so no object may
 * have this descriptor. */
static bool open_data(Build *run, const char **why) {
  const Backend *backend = run->backend;
  if (!backend->data) return true;
  if (names_files(&run->compiler))
    return scratch_write(&run->scratch, backend_data_path(backend->arena, backend->cc), backend->data,
                         backend->data_bytes, why);
  run->data = command_file(backend->arena, backend->data, backend->data_bytes, why);
  return run->data != NULL;
}

bool backend_compile(const Backend *backend, const BackendUnit *unit, int n, const char *output,
                     const char **why) {
  Build run = {.backend = backend, .compiler = compiler_of(backend)};
  const bool zig = run.compiler.zig;
  *why = NULL;
  if (zig && backend->openmp)
    return *why = arena_printf(backend->arena, "the C compiler '%s' has no OpenMP; use --threads=pool",
                               run.compiler.name),
           false;
  if (backend->mpi) run.mpi = find_mpi_compiler(backend->arena, &run.compiler, why);
  const bool folder = names_files(&run.compiler) || backend->import;
  if (*why || !scratch_open(&run.scratch, backend->arena, folder, why)) return false;
  /* Programs and shared libraries are linked from cnnc's own temporary objects: a C compiler that is ended by
   * a signal does not remove its temporary objects. */
  const bool linked = backend->kind == BACKEND_PROGRAM || backend->kind == BACKEND_SHARED;
  if (backend->kind == BACKEND_PROGRAM && backend->system) find_system_runtime(backend, why);
  const char *mark = zig && !*why ? prepare_zig(&run, linked) : NULL;
  const bool done =
      !*why && open_data(&run, why) &&
      (n > 1 || linked ? compile_apart(&run, unit, n, output, why) : compile_whole(&run, unit, output, why));
  if (run.data) fclose(run.data);
  scratch_close(&run.scratch);
  if (done) mark_prepared(mark);
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

static bool compile_and_run(const Build *run, const char *text, size_t n, FILE *printed, const char **why) {
  const Backend *backend = run->backend;
  const char *path = arena_printf(backend->arena, "%s/measure" PROGRAM_SUFFIX, run->scratch.folder);
  Command compiler = {.arena = backend->arena,
                      .what = "the C compiler",
                      .input = text,
                      .input_bytes = n,
                      .messages = backend->messages},
          program = {.arena = backend->arena,
                     .what = "the program",
                     .printed = printed,
                     .messages = backend->messages};
  add_compiler(&compiler, run);
  compiler_add_machine(&compiler, &run->compiler, NULL);
  command_add_all(&compiler, WORDS("-std=c11", "-fno-stack-protector", "-O3", "-o", path, "-x", "c", "-"));
  command_add(&program, path);
  if (backend->verbose) command_show(&compiler);
  return command_run(&compiler, why) && command_run(&program, why);
}

bool backend_run(const Backend *backend, const char *text, size_t n, const char **printed, const char **why) {
  Build run = {.backend = backend, .compiler = compiler_of(backend)};
  FILE *output = tmpfile();
  *why = NULL;
  if (!output)
    return *why = arena_printf(backend->arena, "cannot create a temporary file for the measurement: %s",
                               strerror(errno)),
           false;
  bool done = scratch_open(&run.scratch, backend->arena, true, why);
  if (done) {
    const char *mark = run.compiler.zig ? prepare_zig(&run, true) : NULL;
    done = compile_and_run(&run, text, n, output, why);
    scratch_close(&run.scratch);
    if (done) mark_prepared(mark);
  }
  *printed = done ? read_all(backend->arena, output) : "";
  fclose(output);
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
