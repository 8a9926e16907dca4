/* options_check.c: Checks of options that exclude or need others, and defaults that depend on other
 * options. */
// SPDX-License-Identifier: Apache-2.0
#include "options.h"
#include <stdlib.h>
#include <string.h>
#include "backend/backend.h"
#include "base/file.h"
#include "passes/plan.h"

/* ---- the output ---- */
#ifdef __wasi__
#define OTHER_SYSTEMS ""
#else
#define OTHER_SYSTEMS "; .exe and .dll for Windows, .dylib for macOS"
#endif
/* Help for suffixes that other compilers accept and cnnc does not. The last row is for all other suffixes. */
static const char *const other_suffixes[][2] = {
    {".a", "a static library is built from an object: -o FILE.o, then ar rcs FILE.a FILE.o"},
    {".cc", "the net is written as C, which C++ can call: -o FILE.c"},
    {".cpp", "the net is written as C, which C++ can call: -o FILE.c"},
    {".cxx", "the net is written as C, which C++ can call: -o FILE.c"},
    {".s", "the C compiler generates assembly: -o FILE.c, then cc -O2 -S FILE.c"},
    {".safetensors", "weights are written by training: cnnc FILE.cnn -o NAME, then ./NAME train"},
    {".npz", "weights are written by training: cnnc FILE.cnn -o NAME, then ./NAME train"},
    {".json", "--emit=json writes the table of layers as JSON"},
    {".dot", "--emit=dot writes the graph for Graphviz"},
    {NULL, "use .c, .h, .o, " SHARED_SUFFIX
           ", .wasm, .model, .onnx, or no suffix for an executable" OTHER_SYSTEMS "; or use --emit=KIND"},
};

static const char *suffix_help(const char *suffix) {
  int i = 0;
  while (other_suffixes[i][0] && strcmp(other_suffixes[i][0], suffix) != 0) i++;
  return other_suffixes[i][1];
}

#ifndef __wasi__ /* the browser build has no C compiler */
/* Sets the system and the kind of an output from --os and the output's suffix. Without --os, the suffix of
 * another system implies that system: on Linux, .exe and .dll imply Windows, and .dylib implies macOS. False:
 * no system is named or implied, or the suffix is not the suffix of executables or shared libraries. If the
 * suffix does not belong to the system in --os, check_system reports the error later. With --os, an output
 * without a suffix becomes an executable, and gets the system's suffix of executables. */
static bool kind_of_system(Options *options, Arena *arena, const char *suffix) {
  const System *implied = system_of_suffix(suffix), *system = options->system ? options->system : implied;
  if (!system) return false;
  const bool bare = !*suffix, program = bare || strcmp(suffix, system->program) == 0 ||
                                        (implied && strcmp(suffix, implied->program) == 0);
  const bool shared = strcmp(suffix, system->shared) == 0 || (implied && !program);
  if (!shared && !program) return false;
  if (bare) options->output = arena_printf(arena, "%s%s", options->output, system->program);
  options->kind = shared ? OUTPUT_SHARED : OUTPUT_PROGRAM;
  options->system = system;
  return true;
}
#endif

/* Sets the kind of the output by its suffix. */
static bool kind_from_suffix(Options *options, Arena *arena) {
  if (strcmp(options->output, "-") == 0) return options->kind = OUTPUT_C, true;
  const char *name = base_name(options->output), *suffix = strrchr(name, '.');
  if (!suffix || suffix == name) suffix = "";
#ifndef __wasi__
  if (*name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && kind_of_system(options, arena, suffix))
    return true;
#endif
  if (!*suffix && *PROGRAM_SUFFIX && *name && strcmp(name, ".") != 0) {
    options->output = arena_printf(arena, "%s" PROGRAM_SUFFIX, options->output);
    suffix = PROGRAM_SUFFIX;
  }
  if (options_kind_of_suffix(suffix, &options->kind)) return true;
  if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
    return options->kind = OUTPUT_PROGRAM, true; /* a directory: the attempt to write it reports the error */
  return usage_error("'%s': the suffix '%s' does not name an output: %s", options->output, suffix,
                     suffix_help(suffix));
}

/* With --train, --after must name a pass of the training graph; otherwise, a pass of the graph for inference
 * or for inspection. */
static bool check_after(const Options *options) {
  const char *pass = options->after;
  if (!pass) return true;
  if (options->kind != OUTPUT_GRAPH)
    return usage_error("--after=%s prints a graph: it needs --emit=graph", pass);
  if (!options->train)
    return pass_belongs(pass, PLAN_INFERENCE) || pass_belongs(pass, PLAN_LOOK) ||
           usage_error("'%s' is a pass of the training graph; --train prints that graph", pass);
  return pass_belongs(pass, PLAN_TRAINING) ||
         usage_error("'%s' is not a pass of the training graph; --train prints that graph", pass);
}

/* ---- options that need other options ---- */
static bool check_onnx(const Options *options) {
  if (options->opset >= 0 && options->kind != OUTPUT_ONNX)
    return usage_error("--opset is for ONNX models: it needs -o FILE.onnx");
  if (options->layout >= 0 && options->kind != OUTPUT_ONNX)
    return usage_error("--layout is for ONNX models: it needs -o FILE.onnx; for C, `input x: 28x28x1 "
                       "(layout=chw)` in the program sets the layout of the caller's buffers");
  return options->kind != OUTPUT_ONNX || options->batch == 1 ||
         usage_error("an ONNX model takes any number of images: remove --batch");
}

static bool check_weight_options(const Options *options) {
  const char *about = options->weights_prefix ? "weights-prefix"
                      : options->rename       ? "rename"
                      : options->match        ? "match"
                                              : NULL;
  if (about && !options->weights)
    return usage_error("--%s applies to the weight file, but --weights is missing", about);
  if (options->match && options->output && strcmp(options->output, "-") == 0)
    return usage_error("--match=order and the output both write to standard output");
  return true;
}

static bool check_mpi(const Options *options) {
  if (!options->mpi) return true;
  if (options->kind != OUTPUT_PROGRAM && !(options->kind == OUTPUT_LOWERED && options->train))
    return usage_error("--mpi is for training on several processes: it needs an executable, -o NAME");
  return options->train || usage_error("--mpi is for training, which --no-train disables");
}

#ifndef __wasi__ /* the browser build has no annotations and no reports */
/* Frama-C only reads standard C. So --acsl supports two kinds of code: reference schedules, and code for
 * microcontrollers without vectors, whose special instructions have an equivalent in C. */
static bool check_acsl(const Options *options) {
  if (!options->acsl) return true;
  const Target *target = options->targets.data[0];
  if (options->kind != OUTPUT_C || !options->output || strcmp(options->output, "-") == 0 ||
      options->single_file)
    return usage_error("--acsl writes FILE.c, a header and NAME.acsl.c: use -o FILE.c, not --single-file");
  const bool board = options->targets.n == 1 && target_is_scalar_board(target);
  if (!board && !options_plain(options))
    return usage_error("--acsl needs -O0 or -Os with --target=generic, or a microcontroller without vectors: "
                       "Frama-C cannot read vector code");
  if (!board && (options->targets.n > 1 || strcmp(target->name, "generic") != 0))
    return usage_error("--acsl needs --target=generic or a microcontroller without vectors: the code for %s "
                       "has vectors or instructions that Frama-C cannot read",
                       options->targets.n > 1 ? "several targets" : target->name);
  const char *about = options->train      ? "training code: remove --train"
                      : options->network  ? "the runtime's tables: remove --network"
                      : options->threaded ? "threads: remove --threads"
                                          : NULL;
  if (about) return usage_error("--acsl has no annotations for %s", about);
  if (options->batch > 1) return usage_error("--acsl checks a call with one image: remove --batch");
  return !options->updatable ||
         usage_error("--acsl checks the code with the compiled-in weights, but --updatable code also accepts "
                     "other weights: remove one of the two options");
}

static bool check_reports(const Options *options) {
  const bool code = !options->output || !options_view(options->kind);
  const bool output = options->output && strcmp(options->output, "-") == 0;
  const char *printed = output ? "--report and the output" : NULL; /* the subject of the message */
  for (int i = 0; i < options->reports.n; i++) {
    const ReportUse *report = &options->reports.data[i];
    if (report->kind == REPORT_TRACE && options->kind != OUTPUT_C)
      return usage_error("--report=trace is about a C file: it needs -o FILE.c");
    if (report->kind == REPORT_WCET && (!code || options->kind == OUTPUT_ONNX))
      return usage_error("--report=wcet is about generated code: remove --emit, or write code (-o FILE.c)");
    if (report->kind == REPORT_WCET && options->targets.n > 1)
      return usage_error("--report=wcet is about one CPU: it needs --cpu=NAME, not several targets");
    if (strcmp(report->path, "-") != 0) continue;
    if (printed) return usage_error("%s both write to standard output: use --report=KIND:FILE", printed);
    printed = "two reports";
  }
  return true;
}
#endif

/* For C and outputs of the C compiler, --memory needs training. Views accept --memory without --train,
 * because the summary and the JSON show the memory of training even without --train. */
static bool check_memory(const Options *options) {
  const bool code = options_backend(options->kind) || options->kind == OUTPUT_C ||
                    options->kind == OUTPUT_HEADER || options->kind == OUTPUT_LIBRARY;
  if (!options->memory || options->train || !code) return true;
  if (options->kind == OUTPUT_PROGRAM)
    return usage_error("--memory is for training, which --no-train disables");
  return usage_error("--memory is for training: it needs --train");
}

/* ---- targets and systems ---- */
#ifndef __wasi__
/* Chooses the machine of --os. one: the target whose architecture is used; NULL: the system's usual
 * architecture. */
static bool choose_system(Options *options, const Target *one) {
  const System *system = options->system;
  const char *arch = one ? one->arch : system_default_arch(system), *other = system->arch[1];
  if (!system_has_arch(system, arch))
    return usage_error("--os=%s is for %s%s%s, not for %s", system->name, system->arch[0],
                       other ? " and " : "", other ? other : "", one->name);
  options->machine = one ? one : target_find(arch);
  return true;
}

/* Chooses the machine that the backend compiles for, and checks that the targets and the output fit it. */
static bool choose_machine(Options *options) {
  const Target *one = options->kind == OUTPUT_WASM ? target_find("wasm32") : NULL;
  for (int i = 0; i < options->targets.n; i++) {
    const Target *target = options->targets.data[i];
    if (!target->arch) continue;
    if (one && strcmp(one->arch, target->arch) != 0)
      return options->kind == OUTPUT_WASM
                 ? usage_error("WebAssembly needs the target wasm32, not %s", target->name)
                 : usage_error(
                       "one object file cannot contain code for both %s and %s: write C (-o FILE.c), or "
                       "one file per target",
                       one->name, target->name);
    one = target;
  }
  if (options->kind == OUTPUT_WASM && options->targets.n > 1)
    return usage_error(
        "WebAssembly cannot choose between targets at run time: write one .wasm file per target");
  if (options->system) return choose_system(options, one);
  if (!one && options->cpu) one = target_find(options->cpu->target);
  if (!one || (!target_is_foreign(one) && options->kind != OUTPUT_WASM)) return true;
  options->machine = one;
  if (options->kind == OUTPUT_PROGRAM)
    return usage_error("an executable can be built only for this machine, not for %s: write C or an object "
                       "(-o FILE.c, -o FILE.o) and link it with that machine's tools%s",
                       one->name, one->bare ? "" : "; or name the system with --os");
  if (options->kind == OUTPUT_SHARED && one->bare)
    return usage_error("%s has no shared libraries: write an object (-o FILE.o)%s", one->name,
                       strcmp(one->arch, "wasm32") == 0 ? " or WebAssembly (-o FILE.wasm)" : "");
  if (options->kind == OUTPUT_WASM && options->threaded)
    return usage_error("WebAssembly has no threads: use --threads=none");
  return true;
}
#endif

bool options_check_streaming(const Streaming *s) {
  if (s->lookahead && !s->use.n) return usage_error("--lookahead is for --stream, which is missing");
  return !s->use.n || !s->slide ||
         usage_error("--stream and --slide are two ways to call a net: choose one of them");
}

static bool check_streaming(const Options *options) {
  const Streaming *s = &options->streaming;
  const char *about = s->use.n ? "stream" : s->slide ? "slide" : NULL;
  if (!options_check_streaming(s)) return false;
  if (!about) return true;
  if (options->train)
    return usage_error(
        "--%s is for inference, and training code needs whole sequences: compile the net twice", about);
  if (options->look) return usage_error("--network=look inspects whole sequences: remove --%s", about);
  return options->kind != OUTPUT_ONNX ||
         usage_error("an ONNX model takes whole sequences: remove --%s", about);
}

/* Whether the text is MAJOR.MINOR.PATCH, which a suffix of semantic versioning may follow. */
static bool is_version(const char *text) {
  static const char digits[] = "0123456789";
  for (int part = 0; part < 3; part++) {
    const size_t n = strspn(text, digits);
    if (n == 0 || n > 9 || (n > 1 && *text == '0') || (part < 2 && text[n] != '.')) return false;
    text += n + (part < 2);
  }
  const size_t n =
      strspn(text + (*text != 0), "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-+");
  return !*text || ((*text == '-' || *text == '+') && n > 0 && !text[n + 1]);
}

/* Whether a value is one line of printable text. */
static bool is_line(const char *text) {
  for (const char *c = text; *c; c++)
    if ((unsigned char)*c < ' ' || *c == 127) return false;
  return *text != 0;
}

static bool check_library(const Options *options) {
  const bool library = options->kind == OUTPUT_LIBRARY;
  const char *about = options->version_name ? "version-name"
                      : options->author     ? "author"
                      : options->url        ? "url"
                                            : NULL;
  if (about && !library) return usage_error("--%s is for libraries: it needs --emit=library", about);
  if (!library) return true;
  if (options->output && strcmp(options->output, "-") == 0)
    return usage_error("a library is a folder, and cannot be written to standard output: -o FOLDER");
  if (options->single_file) return usage_error("--single-file omits the header, but a library needs it");
  if (options->embed != EMBED_BY_SIZE && options->embed != EMBED_AS_TEXT)
    return usage_error("a library contains its weights as text: remove --embed, because the path of a weight "
                       "file would be wrong after the library is moved");
  if (options->version_name && !is_version(options->version_name))
    return usage_error("--version-name must be a version, such as 1.2.0, not '%s'", options->version_name);
  if (options->author && !is_line(options->author)) return usage_error("--author must be one line of text");
  return !options->url || (is_line(options->url) && !strchr(options->url, ' ')) ||
         usage_error("--url must be a URL, such as https://example.com/net, not '%s'", options->url);
}

static const char *const all_x86[] = {"x86-64-v4", "x86-64-v3", "x86-64",
                                      NULL}; /* code for the first target compiles slowest */

static void add_all_x86(Options *options, Arena *arena) {
  for (int i = options->level == LEVEL_QUICK; all_x86[i]; i++)
    options_add_target(options, arena, target_find(all_x86[i]));
}

#ifndef __wasi__
/* Chooses the targets of the system's usual CPU. */
static void system_targets(Options *options, Arena *arena) {
  const Target *usual = target_find(system_default_arch(options->system));
  if (strcmp(usual->name, "x86-64") == 0) add_all_x86(options, arena);
  else options_add_target(options, arena, usual);
}
#endif

static void default_targets(Options *options, Arena *arena) {
  if (options->kind == OUTPUT_WASM) options_add_target(options, arena, target_find("wasm32"));
#ifndef __wasi__
  else if (options->system && !options_plain(options)) system_targets(options, arena);
#endif
  else if (options->cpu) {
    options_add_target(options, arena, target_find(options->cpu->target));
    options->targets_given = true;
  } else if (options_plain(options)) options_add_target(options, arena, target_find("generic"));
  else if (options->kind == OUTPUT_LIBRARY) {
    options_add_target(options, arena, target_find("armv7m"));
    options_add_target(options, arena, target_find("generic"));
  } else if (options->kind == OUTPUT_PROGRAM || (options->tune && !options->output) ||
             target_is_foreign(target_find("x86-64"))) {
    options_add_target(options, arena, target_native());
    options->native = true;
  } else add_all_x86(options, arena);
}

/* Sets the default targets if there is no --target. Then checks that the CPU of --cpu can run code for each
 * target: the target must have the CPU's architecture, or be generic. */
static bool choose_targets(Options *options, Arena *arena) {
  if (options->targets.n == 0) default_targets(options, arena);
  const Cpu *cpu = options->cpu;
  bool board = cpu && !cpu->core;
  if (cpu && options->kind == OUTPUT_WASM)
    return usage_error("WebAssembly does not depend on the CPU: remove --cpu");
  for (int i = 0; i < options->targets.n; i++) board = board || cpu_cycles(options->targets.data[i]);
  if (options->flash_wait && !board)
    return usage_error(
        "--flash-wait is for microcontrollers: it needs --cpu=NAME or a microcontroller's --target");
  for (int i = 0; cpu && i < options->targets.n; i++) {
    const Target *target = options->targets.data[i];
    if (target->arch && strcmp(target->arch, target_find(cpu->target)->arch) != 0)
      return usage_error("a %s cannot run code for %s: remove --target, which defaults to %s", cpu->name,
                         target->name, cpu->target);
  }
  return true;
}

/* By default, only executables use threads. If the C compiler has no OpenMP, or a system is set, they use the
 * thread pool; otherwise OpenMP. */
static void choose_threads(Options *options, Arena *arena) {
  enum { OPENMP, POOL, NONE };
  const int usual = options->kind != OUTPUT_PROGRAM                              ? NONE
                    : options->system || !backend_has_openmp(arena, options->cc) ? POOL
                                                                                 : OPENMP;
  const int threads = options->threads < 0 ? usual : options->threads;
  options->pool = threads == POOL;
  options->threaded = threads != NONE;
}

#ifndef __wasi__
/* Checks that the other options fit the system, which --os names or the output's suffix implies. Chooses zig
 * if no C compiler is named. */
static bool check_system(Options *options, Arena *arena) {
  const System *system = options->system;
  const char *named = getenv("CNNC_CC");
  if (!system) return true;
  const char *about = !options_backend(options->kind)
                          ? "--os is for executables, shared libraries and objects; everything else is the "
                            "same on every system"
                      : options->kind == OUTPUT_WASM ? "WebAssembly is the same on every system: remove --os"
                      : options->cpu && !options->cpu->core
                          ? "the CPU of --cpu is for boards without an operating system: remove --os or --cpu"
                      : options->mpi ? "--mpi builds for this machine only: remove --os"
                                     : NULL;
  if (about) return usage_error("%s", about);
  const char *dot = options->output ? strrchr(base_name(options->output), '.') : NULL;
  if (options->kind == OUTPUT_PROGRAM && !options->kind_given && !*system->program && dot &&
      strcmp(dot, ".exe") == 0 && dot > base_name(options->output))
    return usage_error("an executable for %s has no suffix; --emit=exe allows any", system->name);
  if (options->kind == OUTPUT_SHARED && !options->kind_given && !strstr(options->output, system->shared))
    return usage_error("a shared library for %s has the suffix %s; --emit=shared allows any", system->name,
                       system->shared);
  if (!options->cc && !(named && *named)) options->cc = backend_zig(arena);
  return true;
}
#endif

bool options_check(Options *options, Arena *arena) {
  const bool kind_given = options->kind_given;
  if (options->tune && options_plain(options))
    return usage_error("--tune has no schedules to choose from with -O0 and -Os: use -O1 or -O2");
  if (!options->output) {
    if (kind_given && options->kind == OUTPUT_C) options->output = "-";
    else if (kind_given && options->kind == OUTPUT_HEADER) options->output = "-";
    else if (options_view(options->kind)) options->output = "-";
    else if (options_backend(options->kind) || options->kind == OUTPUT_MODEL || options->kind == OUTPUT_ONNX)
      return usage_error("an object, library, executable or model needs an output file: -o FILE");
    else if (options->kind == OUTPUT_LIBRARY)
      return usage_error("--emit=library needs an output folder: -o FOLDER");
  } else if (!*options->output) return usage_error("the output's file name is empty");
  else if (!kind_given && !kind_from_suffix(options, arena)) return false;
  if (options->output && strcmp(options->output, "-") == 0) {
    if (options_backend(options->kind) || options->kind == OUTPUT_ONNX)
      return usage_error("an object, library, executable or ONNX model cannot be written to standard output");
    if (options->summary) return usage_error("--summary and -o - both write to standard output");
    options->single_file = options->kind == OUTPUT_C || options->single_file;
  }
  if (!check_weight_options(options) || !check_library(options) || !check_onnx(options)) return false;
#ifndef __wasi__
  if (!check_system(options, arena)) return false;
#endif
  if (options->single_file && options->kind == OUTPUT_HEADER)
    return usage_error("--single-file omits the header file");
  if (options->dependencies && !options->dependency_file &&
      (!options->output || strcmp(options->output, "-") == 0))
    return usage_error("-MD without -o FILE needs -MF FILE");
  if (!check_after(options)) return false;
  if (!check_streaming(options)) return false;
  if (!options->train_given) options->train = options->kind == OUTPUT_PROGRAM && !options_step(options);
  if (!choose_targets(options, arena)) return false;
  choose_threads(options, arena);
  if (!check_mpi(options) || !check_memory(options)) return false;
#ifndef __wasi__
  if (!check_acsl(options) || !check_reports(options)) return false;
  if ((options_backend(options->kind) || options->embed == EMBED_AS_OBJECT) && !choose_machine(options))
    return false;
#endif
  return true;
}
