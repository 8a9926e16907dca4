/* options.c: reading the command line. One table gives what is accepted, what --help prints and what a
 * misspelt option is compared with. */
// SPDX-License-Identifier: Apache-2.0
#include "options.h"
#include "options_check.h"
#include "options_words.h"
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/text.h"
#include "command.h"
#include "passes/plan.h"

enum { /* long options without a letter of their own */
       LONG_EMIT = 256,
       LONG_AFTER,
       LONG_WEIGHTS,
       LONG_WEIGHTS_PREFIX,
       LONG_RENAME,
       LONG_MATCH,
       LONG_LAYOUT,
       LONG_EMBED,
       LONG_SINGLE_FILE,
       LONG_BATCH,
       LONG_TRAIN,
       LONG_NO_TRAIN,
       LONG_MEMORY,
       LONG_NETWORK,
       LONG_TARGET,
       LONG_CPU,
       LONG_FLASH,
       LONG_RAM,
       LONG_FLASH_WAIT,
       LONG_THREADS,
       LONG_MPI,
       LONG_PREFIX,
       LONG_VERSION_NAME,
       LONG_AUTHOR,
       LONG_URL,
       LONG_EXACT,
       LONG_UPDATABLE,
       LONG_NO_FMA,
       LONG_TUNE,
       LONG_DIAGNOSTICS,
       LONG_COLOR,
       LONG_EXPLAIN,
       LONG_SUMMARY,
       LONG_TIME_REPORT,
       LONG_CC,
       LONG_RUNTIME,
       LONG_VERSION,
       LONG_HELP,
       LONG_FIX,
};

const OptionRow options_table[] = {
    {NULL, 'o', required_argument, "-o FILE",
     "what to write, by its suffix: .c (and .h beside it), .o, .so, .wasm, .model (the weights alone), "
     ".onnx; "
     "without a suffix: a program; -: C on standard output. Without -o the program is checked and "
     "summarized",
     "@file"},
    {"emit", LONG_EMIT, required_argument, "--emit=KIND",
     "c header obj shared exe wasm model onnx; library: a folder for Arduino, PlatformIO, ESP-IDF, Zephyr "
     "and "
     "CMake; or a view of the program: summary json dot ast graph nests lir schedule",
     "@kinds"},
    {"after", LONG_AFTER, required_argument, "--after=PASS",
     "with --emit=graph: the graph behind that pass of the compiler, for inference; with --train the "
     "training "
     "graph, before --memory takes effect",
     "@passes"},
    {"single-file", LONG_SINGLE_FILE, no_argument, "--single-file", "the header's text goes into the C file",
     NULL},
    {"weights", LONG_WEIGHTS, required_argument, "--weights=FILE[:KEY]",
     "trained weights that go into the output: .safetensors, .npz, or PyTorch's .pt, .pth, .ckpt, .bin; KEY: "
     "which dictionary of PyTorch's file",
     "@file"},
    {"weights-prefix", LONG_WEIGHTS_PREFIX, required_argument, "--weights-prefix=PREFIX",
     "removes PREFIX ('module.') from the names in that file; names that do not begin with it are "
     "ignored. A prefix of all names need not be given",
     NULL},
    {"rename", LONG_RENAME, required_argument, "--rename=FILE",
     "gives the arrays in that file other names: lines 'theirs = ours', with '*' for any text; later ones "
     "win; 'theirs =' leaves one out",
     "@file"},
    {"match", LONG_MATCH, required_argument, "--match=HOW",
     "how the arrays in that file are found: by name; or in the order of the file, where all shapes "
     "agree, which prints the pairs of names as a file for --rename",
     "name order"},
    {"layout", LONG_LAYOUT, required_argument, "--layout=ORDER",
     "how a model of ONNX takes its pictures: chw, as is usual there, or hwc, channels last", "chw hwc"},
    {"embed", LONG_EMBED, required_argument, "--embed=HOW",
     "weights go into the C file as text (up to 1 MB), a file NAME.weights.bin beside it (incbin), or an"
     " object NAME.weights.o beside it (object)",
     "text incbin object"},
    {"batch", LONG_BATCH, required_argument, "--batch=N", "images a call of NAME_infer takes (1)", NULL},
    {"train", LONG_TRAIN, no_argument, "--train",
     "with the training code (the default for programs, -o NAME, of nets with a train block; C files and "
     "objects need this option)",
     NULL},
    {"no-train", LONG_NO_TRAIN, no_argument, "--no-train", "without it", NULL},
    {"memory", LONG_MEMORY, required_argument, "--memory=BYTES",
     "the most memory that a training step may take, as 64M or 1.5G: where it is short, values are computed "
     "again instead of kept",
     NULL},
    {"network", LONG_NETWORK, optional_argument, "--network[=look]",
     "with NAME_network, by which the runtime (libcnn) loads, saves and evaluates the net; look: and looks "
     "inside it. Programs have both, --train has the former",
     "look"},
    {"target", LONG_TARGET, required_argument, "--target=T[,T...]",
     "x86-64-v4 x86-64-v3 x86-64 aarch64 riscv64 armv7m armv7e-m armv8.1-m rv32imc wasm32, generic (scalar "
     "C for any CPU), native; for nets of 8 bits x86-64-v4-vnni and aarch64-dotprod, which are taken "
     "beside x86-64-v4 and aarch64; of several, the best that the CPU runs is chosen at run time",
     "@targets"},
    {"cpu", LONG_CPU, required_argument, "--cpu=NAME",
     "a board's CPU: cortex-m0+ cortex-m3 cortex-m4 cortex-m7 cortex-m33 cortex-m55 cortex-m85 rv32imc. It "
     "chooses the target where --target does not, and the cycles by which schedules of 8 bits are chosen",
     "@cpus"},
    {"flash", LONG_FLASH, required_argument, "--flash=BYTES",
     "the most flash that weights, tables and labels may take, as 256K: layers of 8 bits take what is "
     "fastest and fits. The code is not counted",
     NULL},
    {"ram", LONG_RAM, required_argument, "--ram=BYTES",
     "the most RAM that inference may take: the workspace, weights that are not compiled in, and on boards "
     "the stack. Where a net does not fit, its first layers are computed in bands of rows",
     NULL},
    {"flash-wait", LONG_FLASH_WAIT, required_argument, "--flash-wait=CYCLES",
     "how many cycles longer reading 16 bytes takes from flash than from RAM; for the choice of schedules on "
     "boards",
     NULL},
    {"threads", LONG_THREADS, required_argument, "--threads=KIND",
     "openmp (the default for programs) or none", "openmp none"},
    {"mpi", LONG_MPI, optional_argument, "--mpi[=PROCESSES]",
     "a program whose train also runs under mpirun, to the same bits; PROCESSES: the most that share the "
     "work of a batch (8)",
     NULL},
    {"prefix", LONG_PREFIX, required_argument, "--prefix=NAME",
     "what the C names begin with, instead of the net's name", NULL},
    {"version-name", LONG_VERSION_NAME, required_argument, "--version-name=1.2.0",
     "the version of a library (1.0.0)", NULL},
    {"author", LONG_AUTHOR, required_argument, "--author=NAME",
     "whose library it is, as 'Ada Lovelace <ada@example.org>'", NULL},
    {"url", LONG_URL, required_argument, "--url=URL", "where the library is found", NULL},
    {NULL, 'D', required_argument, "-D NAME=VALUE", "replaces the value of a file's const", NULL},
    {NULL, 'I', required_argument, "-I DIR",
     "where imports are looked for, after the importing file's directory", "@folder"},
    {NULL, 'O', required_argument, "-O0 -O1 -O2 -Os",
     "-O2, the default: everything. -O1: quick to compile, and nearly as fast: -O1 of the C compiler, plain "
     "loops for what looks inside, no code of x86-64-v4 unless --target names it. -O0: plain loops to be "
     "read, one function a layer. -Os: small code: plain loops of merged layers, several sums in a loop; "
     "inference takes the least memory. -O0 and -Os are made for generic unless --target says otherwise",
     "0 1 2 s"},
    {"exact", LONG_EXACT, no_argument, "--exact",
     "no Winograd and no Strassen, whose results are rounded differently; int8: no algorithm that stores "
     "larger weights (Winograd's are exact there)",
     NULL},
    {"updatable", LONG_UPDATABLE, no_argument, "--updatable",
     "int8 models: code that depends on the program and the options, not on the weights, so that NAME_open "
     "takes a model file of later training (float models are so in any case)",
     NULL},
    {"no-fma", LONG_NO_FMA, no_argument, "--no-fma",
     "no fused multiply-adds: with --target=generic the C file gives the same bits on every CPU", NULL},
    {"tune", LONG_TUNE, no_argument, "--tune",
     "measures schedules on this machine; what is fastest is kept in NAME.tune beside NAME.cnn, for "
     "later compilations too",
     NULL},
    {NULL, 'W', required_argument, "-W[no-]SLUG",
     "a warning on or off; -Werror, -Werror=SLUG: warnings as errors", "@warnings"},
    ROW_DIAGNOSTICS(LONG_DIAGNOSTICS),
    ROW_COLOR(LONG_COLOR),
    {"explain", LONG_EXPLAIN, required_argument, "--explain=SLUG", "a page on a message, with an example",
     "@messages"},
    {"fix", LONG_FIX, no_argument, "--fix",
     "changes the program, and imports beside it, as its messages suggest", NULL},
    {"summary", LONG_SUMMARY, no_argument, "--summary",
     "the table of layers on standard output, besides what is written", NULL},
    {"time-report", LONG_TIME_REPORT, no_argument, "--time-report", "where the compiler's own time went",
     NULL},
    {NULL, 'M', required_argument, "-MD, -MF FILE", "a dependency file for make: imports, labels, weights",
     "D F"},
    {"cc", LONG_CC, required_argument, "--cc=COMPILER", "the C compiler that makes objects and programs",
     NULL},
    {"runtime-dir", LONG_RUNTIME, required_argument, NULL, NULL, "@folder"},
    {NULL, 'v', no_argument, "-v", "shows each command of the backend", NULL},
    {"version", LONG_VERSION, no_argument, "-V, --version", "the version", NULL},
    {"help", LONG_HELP, optional_argument, "-h, --help [TOPIC]",
     "this page, or one on an operator (conv), a loss, an optimizer, a statement of the language "
     "(train), or a list (operators); topics lists them all",
     "@topics"},
    {NULL, 0, 0, NULL, NULL, NULL},
};
enum { ROWS = sizeof options_table / sizeof *options_table - 1 };

typedef struct Kind {
  const char *name;
  OutputKind kind;
  const char *suffix;
} Kind;
static const Kind kinds[] = {
    {"c", OUTPUT_C, ".c"},
    {"header", OUTPUT_HEADER, ".h"},
    {"obj", OUTPUT_OBJECT, ".o"},
    {"shared", OUTPUT_SHARED, ".so"},
    {"exe", OUTPUT_PROGRAM, ""},
    {"wasm", OUTPUT_WASM, ".wasm"},
    {"model", OUTPUT_MODEL, ".model"},
    {"library", OUTPUT_LIBRARY, NULL},
    {"onnx", OUTPUT_ONNX, ".onnx"},
    {"summary", OUTPUT_SUMMARY, NULL},
    {"json", OUTPUT_JSON, NULL},
    {"dot", OUTPUT_DOT, NULL},
    {"ast", OUTPUT_AST, NULL},
    {"graph", OUTPUT_GRAPH, NULL},
    {"nests", OUTPUT_NESTS, NULL},
    {"lir", OUTPUT_LOWERED, NULL},
    {"schedule", OUTPUT_SCHEDULE, NULL},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

bool options_view(OutputKind kind) { return kind >= OUTPUT_SUMMARY; }
bool options_backend(OutputKind kind) {
  return kind == OUTPUT_OBJECT || kind == OUTPUT_SHARED || kind == OUTPUT_WASM || kind == OUTPUT_PROGRAM;
}

bool options_plain(const Options *options) {
  return options->level == LEVEL_PLAIN || options->level == LEVEL_SMALL;
}

/* ---- what values may be ---- */
typedef VEC(const char *) Words;

const char *const *options_kinds(Arena *arena) {
  Words words = {0};
  for (int i = 0; i < KINDS; i++) vec_push(arena, words, kinds[i].name);
  vec_push(arena, words, NULL);
  return words.data;
}

const char *const *options_slugs(Arena *arena, bool warnings) {
  Words words = {0};
  for (int i = 0; i < DIAG_COUNT; i++)
    if (!warnings || diag_info[i].level != DIAG_ERROR) vec_push(arena, words, diag_info[i].slug);
  vec_push(arena, words, NULL);
  return words.data;
}

/* ---- single options ---- */
static bool read_kind(Options *options, Arena *arena, const char *value, bool *given) {
  int index;
  if (strcmp(value, "program") == 0) value = "lir"; /* the former name, accepted until 0.2 */
  if (!read_word("--emit", value, options_kinds(arena), &index)) return false;
  options->kind = kinds[index].kind;
  return *given = true;
}

static bool read_after(Options *options, Arena *arena, const char *value) {
  int index;
  options->after = value;
  return read_word("--after", value, pass_names(arena), &index);
}

/* What others write under suffixes that cnnc does not. */
static const char *const other_suffixes[][2] = {
    {".a", "a library of objects is made of one: -o FILE.o, then ar rcs FILE.a FILE.o"},
    {".cc", "the net is written as C, which C++ can call: -o FILE.c"},
    {".cpp", "the net is written as C, which C++ can call: -o FILE.c"},
    {".cxx", "the net is written as C, which C++ can call: -o FILE.c"},
    {".exe", "a program has no suffix, unless --emit=exe says that it is one"},
    {".dll", "a shared library is .so, unless --emit=shared says that it is one"},
    {".dylib", "a shared library is .so, unless --emit=shared says that it is one"},
    {".s", "the C compiler makes assembly of the C: -o FILE.c, then cc -O2 -S FILE.c"},
    {".safetensors", "weights are written by training: cnnc FILE.cnn -o NAME, then ./NAME train"},
    {".npz", "weights are written by training: cnnc FILE.cnn -o NAME, then ./NAME train"},
    {".json", "--emit=json writes the table of layers as JSON"},
    {".dot", "--emit=dot writes the graph for Graphviz"},
    {NULL,
     "there are .c, .h, .o, .so, .wasm, .model, .onnx, and no suffix for a program; or use --emit=KIND"},
};

static const char *suffix_help(const char *suffix) {
  int i = 0;
  while (other_suffixes[i][0] && strcmp(other_suffixes[i][0], suffix) != 0) i++;
  return other_suffixes[i][1];
}

/* The output's suffix says what it is, where --emit does not. */
static bool kind_from_suffix(Options *options) {
  if (strcmp(options->output, "-") == 0) return options->kind = OUTPUT_C, true;
  const char *slash = strrchr(options->output, '/'), *name = slash ? slash + 1 : options->output,
             *suffix = strrchr(name, '.');
  if (!suffix || suffix == name) suffix = "";
  for (int i = 0; i < KINDS; i++)
    if (kinds[i].suffix && strcmp(suffix, kinds[i].suffix) == 0) {
      options->kind = kinds[i].kind;
      return true;
    }
  if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
    return options->kind = OUTPUT_PROGRAM, true; /* a directory: refused when it is written */
  return usage_error("cnnc writes no file with the suffix '%s', as '%s': %s", suffix, options->output,
                     suffix_help(suffix));
}

static bool read_warning(Options *options, Arena *arena, const char *text) {
  Sources sources = {.arena = arena};
  if (diags_option(diags_new(arena, &sources), text)) {
    vec_push(arena, options->warnings, text);
    return true;
  }
  const char *slug = text;
  for (const char *const *prefix = (const char *const[]){"no-error=", "error=", "no-", NULL}; *prefix;
       prefix++)
    if (strncmp(text, *prefix, strlen(*prefix)) == 0) {
      slug = text + strlen(*prefix);
      break;
    }
  if (diag_find(slug) >= 0) return usage_error("'%s' is an error, not a warning that -W could set", slug);
  return unknown_word("warning", slug, options_slugs(arena, true));
}

static bool read_explain(Options *options, Arena *arena, const char *slug) {
  if (diag_find(slug) < 0) return unknown_word("message", slug, options_slugs(arena, false));
  options->action = ACTION_EXPLAIN;
  options->topic = slug;
  return true;
}

static bool read_level(Options *options, const char *value) {
  static const char names[] = "012s";
  static const Level level[] = {LEVEL_PLAIN, LEVEL_QUICK, LEVEL_FULL, LEVEL_SMALL};
  const char *found = *value ? strchr(names, *value) : NULL;
  if (!found || value[1]) return usage_error("unknown option '-O%s': there are -O0, -O1, -O2 and -Os", value);
  options->level = level[found - names];
  return true;
}

static bool read_embed(Options *options, const char *value) {
  static const char *const names[] = {"text", "incbin", "object", NULL};
  static const EmbedKind kind[] = {EMBED_AS_TEXT, EMBED_AS_FILE, EMBED_AS_OBJECT};
  int index;
  if (!read_word("--embed", value, names, &index)) return false;
  options->embed = kind[index];
  return true;
}

/* -MD, -MF FILE and -MFFILE, as compilers write them. */
static bool read_dependencies(Options *options, const char *value, int argc, char **argv) {
  if (strcmp(value, "D") == 0) return options->dependencies = true;
  if (value[0] != 'F') return usage_error("unknown option '-M%s'; did you mean '-MD'?", value);
  if (!value[1] && optind >= argc) return usage_error("-MF wants a file name");
  options->dependency_file = value[1] ? value + 1 : argv[optind++];
  return options->dependencies = true;
}

bool options_color(int choice) {
  const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
  if (choice != 0) return choice == 1;
  return !(no && *no) && !(term && strcmp(term, "dumb") == 0) && isatty(STDERR_FILENO) == 1;
}

static bool is_program(const char *word) {
  const size_t n = strlen(word);
  return n > 4 && strcmp(word + n - 4, ".cnn") == 0;
}

/* ---- the whole ---- */
static bool check_input(Options *options, Arena *arena, int n, char **words) {
  if (n == 0) return usage_error("no program is given: cnnc [options] FILE.cnn [-o OUTPUT]");
#ifndef __wasi__
  const char *command = command_meant(arena, words[0]);
  if (command)
    return usage_error("'%s' is neither a program nor a command; did you mean '%s'?", words[0], command);
#else
  (void)arena;
#endif
  if (n > 1)
    return usage_error("several programs are given, '%s' and '%s': one is compiled at a time", words[0],
                       words[1]);
  const char *slash = strrchr(words[0], '/'), *name = slash ? slash + 1 : words[0],
             *suffix = strrchr(name, '.');
  if (!*words[0]) return usage_error("the program's file name is empty");
  if (suffix && suffix != name && suffix[1] && strcmp(suffix, ".cnn") != 0)
    return usage_error("'%s' is not a .cnn file", words[0]);
  options->input = strcmp(words[0], "-") == 0 ? "/dev/stdin" : words[0];
  return true;
}

static bool check_together(Options *options, Arena *arena, bool kind_given, int threads) {
  if (options->tune && options_plain(options))
    return usage_error("--tune has nothing to choose from with -O0 and -Os");
  if (!options->output) {
    if (kind_given && options->kind == OUTPUT_C) options->output = "-";
    else if (kind_given && options->kind == OUTPUT_HEADER) options->output = "-";
    else if (options_view(options->kind)) options->output = "-";
    else if (options_backend(options->kind) || options->kind == OUTPUT_MODEL || options->kind == OUTPUT_ONNX)
      return usage_error("an object, library, program or model needs a file to be written to: -o FILE");
    else if (options->kind == OUTPUT_LIBRARY)
      return usage_error("--emit=library needs a folder to be written to: -o FOLDER");
  } else if (!*options->output) return usage_error("the output's file name is empty");
  else if (!kind_given && !kind_from_suffix(options)) return false;
  if (options->output && strcmp(options->output, "-") == 0) {
    if (options_backend(options->kind) || options->kind == OUTPUT_ONNX)
      return usage_error("an object, library, program or model of ONNX cannot be written to standard output");
    if (options->summary) return usage_error("--summary and -o - both write to standard output");
    options->single_file = options->kind == OUTPUT_C || options->single_file;
  }
  if (!options_weights(options) || !options_library(options) || !options_onnx(options)) return false;
  if (options->single_file && options->kind == OUTPUT_HEADER)
    return usage_error("--single-file has no header to write");
  if (options->dependencies && !options->dependency_file &&
      (!options->output || strcmp(options->output, "-") == 0))
    return usage_error("-MD without -o FILE needs -MF FILE");
  if (!options_after(options)) return false;
  if (!options->train_given) options->train = options->kind == OUTPUT_PROGRAM;
  if (!options_choose_targets(options, arena)) return false;
  options->openmp = threads == 0 || (threads < 0 && options->kind == OUTPUT_PROGRAM);
  if (!options_mpi(options) || !options_memory(options)) return false;
  return !(options_backend(options->kind) || options->embed == EMBED_AS_OBJECT) || options_machine(options);
}

/* What was given, where that is not yet what it means. */
typedef struct Given {
  bool kind;
  int format, color, threads;
} Given;

static bool take_board(Options *options, Arena *arena, int code) {
  switch (code) {
  case LONG_CPU: return options_read_cpu(options, arena, optarg);
  case LONG_FLASH: return options_read_bytes("--flash", optarg, &options->flash);
  case LONG_RAM: return options_read_bytes("--ram", optarg, &options->ram);
  case LONG_FLASH_WAIT: return options_number("--flash-wait", optarg, &options->flash_wait);
  }
  return true;
}

static bool take_long(Options *options, Arena *arena, Given *given, int code) {
  static const char *const thread_kinds[] = {"openmp", "none", NULL},
                           *const matches[] = {"name", "order", NULL}, *const networks[] = {"look", NULL},
                           *const layouts[] = {"chw", "hwc", NULL};
  int only = 0;
  switch (code) {
  case LONG_EMIT: return read_kind(options, arena, optarg, &given->kind);
  case LONG_WEIGHTS: options->weights = optarg; return *optarg || usage_error("--weights wants a file name");
  case LONG_WEIGHTS_PREFIX: options->weights_prefix = optarg; break;
  case LONG_RENAME: options->rename = optarg; return *optarg || usage_error("--rename wants a file name");
  case LONG_MATCH: return read_word("--match", optarg, matches, &options->match);
  case LONG_LAYOUT: return read_word("--layout", optarg, layouts, &options->layout);
  case LONG_EMBED: return read_embed(options, optarg);
  case LONG_SINGLE_FILE: options->single_file = true; break;
  case LONG_BATCH: return options_number("--batch", optarg, &options->batch);
  case LONG_TRAIN:
  case LONG_NO_TRAIN:
    options->train_given = true;
    options->train = code == LONG_TRAIN;
    break;
  case LONG_MEMORY: return options_read_bytes("--memory", optarg, &options->memory);
  case LONG_NETWORK:
    options->network = true;
    options->look = optarg || options->look;
    return !optarg || read_word("--network", optarg, networks, &only);
  case LONG_TARGET: return options_read_targets(options, arena, optarg);
  case LONG_THREADS: return read_word("--threads", optarg, thread_kinds, &given->threads);
  case LONG_MPI: options->mpi = true; return !optarg || options_number("--mpi", optarg, &options->mpi_most);
  case LONG_PREFIX:
    options->prefix = optarg;
    return is_name(optarg, strlen(optarg)) ||
           usage_error("--prefix wants a name as C has them, not '%s'", optarg);
  case LONG_VERSION_NAME: options->version_name = optarg; break;
  case LONG_AUTHOR: options->author = optarg; break;
  case LONG_URL: options->url = optarg; break;
  case LONG_EXACT: options->exact = true; break;
  case LONG_UPDATABLE: options->updatable = true; break;
  case LONG_NO_FMA: options->no_fma = true; break;
  case LONG_TUNE: options->tune = true; break;
  case LONG_AFTER: return read_after(options, arena, optarg);
  case LONG_DIAGNOSTICS: return read_diagnostics(optarg, &given->format);
  case LONG_COLOR: return read_color(optarg, &given->color);
  case LONG_EXPLAIN: return read_explain(options, arena, optarg);
  case LONG_FIX: options->fix = true; break;
  case LONG_SUMMARY: options->summary = true; break;
  case LONG_TIME_REPORT: options->time_report = true; break;
  case LONG_CC: options->cc = optarg; return *optarg || usage_error("--cc wants the name of a C compiler");
  case LONG_RUNTIME: options->runtime = optarg; break;
  case LONG_VERSION: options->action = ACTION_VERSION; break;
  case LONG_HELP:
    options->action = ACTION_HELP;
    if (optarg) options->topic = optarg;
    break;
  default: return take_board(options, arena, code);
  }
  return true;
}

static bool take_letter(Options *options, Arena *arena, int code, int argc, char **argv) {
  switch (code) {
  case 'o':
    if (options->output) return usage_error("-o is given twice");
    options->output = optarg;
    break;
  case 'D': return read_define(arena, optarg, &options->defines);
  case 'I': vec_push(arena, options->directories, optarg); break;
  case 'O': return read_level(options, optarg);
  case 'W': return read_warning(options, arena, optarg);
  case 'M': return read_dependencies(options, optarg, argc, argv);
  case 'v': options->verbose = true; break;
  case 'V': options->action = ACTION_VERSION; break;
  case 'h': options->action = ACTION_HELP; break;
  default: return wrong_option(arena, options_table, code, argv);
  }
  return true;
}

bool options_parse(Options *options, Arena *arena, int argc, char **argv) {
  *options = (Options){.batch = 1, .layout = -1};
  struct option table[ROWS + 1] = {{0}};
  for (int i = 0, n = 0; i < ROWS; i++)
    if (options_table[i].name)
      table[n++] =
          (struct option){options_table[i].name, options_table[i].has_arg, NULL, options_table[i].code};
  Given given = {.threads = -1};
  bool good = true;
  int row = -1;
  opterr = 0;
  for (int code; good && (code = getopt_long(argc, argv, ":o:D:I:O:W:M:vhV", table, &row)) != -1;) {
    const char *word = argv[optind - 1 - (optarg && optarg == argv[optind - 1])];
    if (code >= LONG_EMIT && !in_full(word, table[row].name))
      return unknown_option(arena, options_table, word);
    good = code >= LONG_EMIT ? take_long(options, arena, &given, code)
                             : take_letter(options, arena, code, argc, argv);
  }
  options->format = (DiagFormat)given.format;
  options->color = options_color(given.color);
  if (!good) return false;
  if (options->action == ACTION_HELP && !options->topic && optind < argc && !is_program(argv[optind]))
    options->topic = argv[optind];
  if (options->action != ACTION_COMPILE) return true;
  return check_input(options, arena, argc - optind, argv + optind) &&
         check_together(options, arena, given.kind, given.threads);
}
