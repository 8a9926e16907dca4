/* options.c: Subcommands and options of cnnc: the tables, readers of values, checks of combinations. */
// SPDX-License-Identifier: Apache-2.0
#include "options.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "backend/backend.h"
#include "base/text.h"
#include "command.h"
#include "base/file.h"
#include "passes/plan.h"

typedef struct Kind {
  const char *name;
  OutputKind kind;
  const char *suffix;
} Kind;
static const Kind kinds[] = {
    {"c", OUTPUT_C, ".c"},
    {"header", OUTPUT_HEADER, ".h"},
    {"obj", OUTPUT_OBJECT, ".o"},
    {"shared", OUTPUT_SHARED, SHARED_SUFFIX},
    {"exe", OUTPUT_PROGRAM, PROGRAM_SUFFIX},
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
Precision options_precision(const Options *o) {
  return o->precision < 0 ? PRECISION_GIVEN : o->precision ? PRECISION_BF16 : PRECISION_F32;
}

bool options_step(const Options *o) { return o->streaming.use.n || o->streaming.slide; }

bool options_backend(OutputKind kind) {
  return kind == OUTPUT_OBJECT || kind == OUTPUT_SHARED || kind == OUTPUT_WASM || kind == OUTPUT_PROGRAM;
}

bool options_plain(const Options *options) {
  return options->level == LEVEL_PLAIN || options->level == LEVEL_SMALL;
}

/* ---- subcommands ---- */
const Command *const command_table[] = {
#ifndef __wasi__ /* the browser build has no files to format */
    &fmt_command,
#endif
    &import_command,
#ifndef __wasi__ /* the browser build has no data, no editors and no folders */
    &quantize_command,
    &lsp_command,
    &new_command,
    &assure_command,
#endif
    NULL,
};

#ifndef __wasi__ /* the browser build has one caller, which spells commands correctly */
/* The command most similar to a word that is neither a command nor a file, or NULL. */
static const char *command_meant(Arena *arena, const char *word) {
  VEC(const char *) names = {0};
  for (const Command *const *c = command_table; *c; c++) vec_push(arena, names, (*c)->name);
  vec_push(arena, names, NULL);
  const bool file = strpbrk(word, "./") || access(word, F_OK) == 0 ||
                    access(arena_printf(arena, "%s.cnn", word), F_OK) == 0;
  return file ? NULL : suggest(word, names.data);
}
#endif

/* ---- values of options ---- */
const char *const *options_kinds(Arena *arena) {
  WordList words = {0};
  for (int i = 0; i < KINDS; i++) vec_push(arena, words, kinds[i].name);
  vec_push(arena, words, NULL);
  return words.data;
}

const char *const *options_slugs(Arena *arena, bool warnings) {
  WordList words = {0};
  for (int i = 0; i < DIAG_COUNT; i++)
    if (!warnings || diag_info[i].level != DIAG_ERROR) vec_push(arena, words, diag_info[i].slug);
  vec_push(arena, words, NULL);
  return words.data;
}

const char *const *options_targets(Arena *arena) {
  WordList words = {0};
  for (const Target *t = target_table; t->name; t++) vec_push(arena, words, t->name);
  vec_push(arena, words, "native");
  vec_push(arena, words, NULL);
  return words.data;
}

const char *const *options_cpus(Arena *arena) {
  WordList words = {0};
  for (const Cpu *cpu = cpu_table; cpu->name; cpu++) vec_push(arena, words, cpu->name);
  vec_push(arena, words, NULL);
  return words.data;
}

/* ---- single options ---- */
static bool read_output(const FlagUse *use, void *member, const char *value) {
  const Options *options = use->options;
  return options->output ? usage_error("-o is set twice") : flag_text(use, member, value);
}

static bool read_kind(const FlagUse *use, void *member, const char *value) {
  Options *options = use->options;
  int index;
  (void)member;
  if (strcmp(value, "program") == 0) value = "lir"; /* the former name, accepted until 0.2 */
  if (!word_index("--emit", value, options_kinds(use->arena), &index)) return false;
  options->kind = kinds[index].kind;
  return options->kind_given = true;
}

static bool read_after(const FlagUse *use, void *member, const char *value) {
  int index;
  return flag_text(use, member, value) && word_index("--after", value, pass_names(use->arena), &index);
}

static bool read_embed(const FlagUse *use, void *member, const char *value) {
  int index;
  if (!flag_choice(use, &index, value)) return false;
  *(EmbedKind *)member = (EmbedKind[]){EMBED_AS_TEXT, EMBED_AS_FILE, EMBED_AS_OBJECT}[index];
  return true;
}

/* --train and --no-train. */
static bool read_train(const FlagUse *use, void *member, const char *value) {
  (void)value;
  *(bool *)member = strcmp(use->flag->name, "train") == 0;
  return ((Options *)use->options)->train_given = true;
}

static bool read_network(const FlagUse *use, void *member, const char *value) {
  const char *word;
  ((Options *)use->options)->network = true;
  if (!value) return true;
  return *(bool *)member = flag_word(use, &word, value);
}

static bool read_mpi(const FlagUse *use, void *member, const char *value) {
  ((Options *)use->options)->mpi = true;
  return !value || flag_number(use, member, value);
}

/* N or INPUT:N[,INPUT:N...] */
static bool read_stream(const FlagUse *use, void *member, const char *list) {
  Streaming *streaming = member;
  for (const char *at = list;; at++) {
    const size_t length = strcspn(at, ",");
    const char *one = arena_copy(use->arena, at, length), *colon = strrchr(one, ':');
    StreamUse rows = {colon ? arena_copy(use->arena, one, (size_t)(colon - one)) : NULL, 0};
    if (colon && !is_name(rows.input, strlen(rows.input)))
      return usage_error("--stream must be a number of rows or INPUT:ROWS, not '%s'", one);
    if (!flag_number(use, &rows.rows, colon ? colon + 1 : one)) return false;
    vec_push(use->arena, streaming->use, rows);
    at += length;
    if (!*at) return true;
  }
}

static bool read_prefix(const FlagUse *use, void *member, const char *value) {
  if (!is_name(value, strlen(value))) return usage_error("--prefix must be a C identifier, not '%s'", value);
  return flag_text(use, member, value);
}

static bool read_compiler(const FlagUse *use, void *member, const char *value) {
  return *value ? flag_text(use, member, value) : usage_error("--cc needs the name of a C compiler");
}

static bool read_warning(const FlagUse *use, void *member, const char *text) {
  Arena *arena = use->arena;
  Sources sources = {.arena = arena};
  if (diags_option(diags_new(arena, &sources), text)) return flag_list(use, member, text);
  const char *slug = text;
  for (const char *const *prefix = (const char *const[]){"no-error=", "error=", "no-", NULL}; *prefix;
       prefix++)
    if (strncmp(text, *prefix, strlen(*prefix)) == 0) {
      slug = text + strlen(*prefix);
      break;
    }
  if (diag_find(slug) >= 0) return usage_error("'%s' is an error, not a warning: -W cannot set it", slug);
  return unknown_word("warning", slug, options_slugs(arena, true));
}

static bool read_explain(const FlagUse *use, void *member, const char *slug) {
  Options *options = use->options;
  (void)member;
  if (diag_find(slug) < 0) return unknown_word("message", slug, options_slugs(use->arena, false));
  options->action = ACTION_EXPLAIN;
  options->topic = slug;
  return true;
}

static bool read_level(const FlagUse *use, void *member, const char *value) {
  static const char names[] = "012s";
  static const Level level[] = {LEVEL_PLAIN, LEVEL_QUICK, LEVEL_FULL, LEVEL_SMALL};
  const char *found = *value ? strchr(names, *value) : NULL;
  (void)use;
  if (!found || value[1]) return usage_error("unknown option '-O%s': there are -O0, -O1, -O2 and -Os", value);
  *(Level *)member = level[found - names];
  return true;
}

/* -MD, -MF FILE and -MFFILE, as compilers write them. */
static bool read_dependencies(const FlagUse *use, void *member, const char *value) {
  Options *options = use->options;
  (void)member;
  if (strcmp(value, "D") == 0) return options->dependencies = true;
  if (value[0] != 'F') return usage_error("unknown option '-M%s'; did you mean '-MD'?", value);
  if (!value[1] && optind >= use->argc) return usage_error("-MF needs a file name");
  options->dependency_file = value[1] ? value + 1 : use->argv[optind++];
  return options->dependencies = true;
}

#ifndef __wasi__
/* KIND or KIND:FILE */
static bool read_report(const FlagUse *use, void *member, const char *value) {
  Options *options = use->options;
  const char *colon = strchr(value, ':');
  ReportUse report = {.path = colon ? colon + 1 : "-"};
  int kind;
  (void)member;
  if (!flag_choice(use, &kind, colon ? arena_copy(use->arena, value, (size_t)(colon - value)) : value))
    return false;
  if (!*report.path) return usage_error("--report=%s needs a file name", value);
  report.kind = (ReportKind)kind;
  vec_push(use->arena, options->reports, report);
  return true;
}
#endif

static bool read_version(const FlagUse *use, void *member, const char *value) {
  (void)member, (void)value;
  ((Options *)use->options)->action = ACTION_VERSION;
  return true;
}

static bool read_help(const FlagUse *use, void *member, const char *value) {
  Options *options = use->options;
  (void)member;
  options->action = ACTION_HELP;
  if (value) options->topic = value;
  return true;
}

/* ---- targets ---- */
static bool options_has_target(const Options *options, const Target *target) {
  for (int i = 0; i < options->targets.n; i++)
    if (options->targets.data[i] == target) return true;
  return false;
}

void options_add_target(Options *options, Arena *arena, const Target *target) {
  if (options_has_target(options, target)) return;
  vec_push(arena, options->targets, target);
  for (int i = options->targets.n - 1;
       i > 0 && options->targets.data[i - 1]->march_level < options->targets.data[i]->march_level; i--) {
    const Target *better = options->targets.data[i];
    options->targets.data[i] = options->targets.data[i - 1];
    options->targets.data[i - 1] = better;
  }
}

static bool read_targets(const FlagUse *use, void *member, const char *list) {
  Options *options = use->options;
  Arena *arena = use->arena;
  (void)member;
  options->targets_given = true;
  options->targets.n = 0;
  for (const char *at = list;; at++) {
    const size_t length = strcspn(at, ",");
    const char *name = arena_copy(arena, at, length);
    const Target *target = strcmp(name, "native") == 0 ? target_native() : target_find(name);
    options->native = options->native || strcmp(name, "native") == 0;
    if (length == 0) return usage_error("--target must be a list of targets, not '%s'", list);
    if (!target) return unknown_word("target", name, options_targets(arena));
    options_add_target(options, arena, target);
    at += length;
    if (!*at) return true;
  }
}

static bool read_cpu(const FlagUse *use, void *member, const char *name) {
  const Cpu *cpu = cpu_find(name);
  *(const Cpu **)member = cpu;
  return cpu || unknown_word("CPU", name, options_cpus(use->arena));
}

#ifndef __wasi__
static bool read_system(const FlagUse *use, void *member, const char *value) {
  int index;
  if (!flag_choice(use, &index, value)) return false;
  *(const System **)member = &system_table[index];
  return true;
}
#endif

#define AT(member) offsetof(Options, member)
const Flag options_table[] = {
    {NULL, 'o', required_argument, read_output, AT(output), "-o FILE",
     "output file; its suffix selects the format: .c (with its .h), .o, .so, .wasm, .model (only the "
     "weights), .onnx; no suffix: an executable; -: C to standard output. Without -o, check the program "
     "and print a summary",
     "@file"},
    {"emit", 0, required_argument, read_kind, 0, "--emit=KIND",
     "output format: c header obj shared exe wasm model onnx; library: a folder for Arduino, PlatformIO, "
     "ESP-IDF, Zephyr and CMake; or a view of the program: summary json dot ast graph nests lir schedule",
     "@kinds"},
    {"after", 0, required_argument, read_after, AT(after), "--after=PASS",
     "with --emit=graph: the inference graph after this compiler pass; with --train the training graph, "
     "before --memory takes effect",
     "@passes"},
    {"single-file", 0, no_argument, flag_set, AT(single_file), "--single-file",
     "put the header into the C file", NULL},
    {"weights", 0, required_argument, flag_file, AT(weights), "--weights=FILE[:KEY]",
     "trained weights to compile in: .safetensors, .npz, or PyTorch's .pt, .pth, .ckpt, .bin; KEY selects a "
     "dictionary in a PyTorch file",
     "@file"},
    {"weights-prefix", 0, required_argument, flag_text, AT(weights_prefix), "--weights-prefix=PREFIX",
     "remove PREFIX ('module.') from the names in the weight file; names without it are ignored. A prefix "
     "that all names have is removed automatically",
     NULL},
    {"rename", 0, required_argument, flag_file, AT(rename), "--rename=FILE",
     "rename the arrays in the weight file: lines 'theirs = ours', with '*' for any text; later lines win; "
     "'theirs =' drops an array",
     "@file"},
    {"match", 0, required_argument, flag_choice, AT(match), "--match=HOW",
     "match the arrays in the weight file by name, or by file order where all shapes agree; order prints "
     "the pairs of names as a file for --rename",
     "name order"},
    {"layout", 0, required_argument, flag_choice, AT(layout), "--layout=ORDER",
     "image layout of an ONNX model: chw, the usual one, or hwc, channels last", "chw hwc"},
    {"opset", 0, required_argument, flag_choice, AT(opset), "--opset=N",
     "operator set of an ONNX model: 17, the default, or 23, which has Attention, RMSNormalization and "
     "RotaryEmbedding",
     "17 23"},
    {"embed", 0, required_argument, read_embed, AT(embed), "--embed=HOW",
     "store the weights in the C file as text (the default up to 1 MB), in a file NAME.weights.bin next to "
     "it (incbin), or in an object NAME.weights.o next to it (object)",
     "text incbin object"},
    {"batch", 0, required_argument, flag_number, AT(batch), "--batch=N", "images per call of NAME_infer (1)",
     NULL},
    {"stream", 0, required_argument, read_stream, AT(streaming), "--stream=N|INPUT:N[,INPUT:N]",
     "generate NAME_step, which takes the next N rows of a sequence of any length and returns the output "
     "rows that they complete; a caller-owned struct keeps the state between calls",
     NULL},
    {"slide", 0, required_argument, flag_number, AT(streaming.slide), "--slide=N",
     "generate NAME_step, which takes the next N rows and returns the outputs for a window of the last rows, "
     "as long as the input; layers without padding compute only the new rows",
     NULL},
    {"lookahead", 0, required_argument, flag_number, AT(streaming.lookahead), "--lookahead=R",
     "with --stream: padding at the end of a layer is allowed; outputs may be up to R input rows late", NULL},
    {"train", 0, no_argument, read_train, AT(train), "--train",
     "generate training code (the default for executables, -o NAME, of nets with a train block; C files "
     "and objects need this option)",
     NULL},
    {"no-train", 0, no_argument, read_train, AT(train), "--no-train", "do not generate training code", NULL},
    {"memory", 0, required_argument, flag_bytes, AT(memory), "--memory=BYTES",
     "memory limit of a training step, as 64M or 1.5G: values are recomputed instead of stored to meet it",
     NULL},
    {"network", 0, optional_argument, read_network, AT(look), "--network[=look]",
     "generate NAME_network, with which the runtime (libcnn) loads, saves and evaluates the net; look: and "
     "also inspects it. Executables have both; --train implies --network",
     "look"},
    {"target", 0, required_argument, read_targets, 0, "--target=T[,T...]",
     "x86-64-v4 x86-64-v3 x86-64 aarch64 riscv64 armv7m armv7e-m armv8.1-m rv32imc wasm32, generic (scalar "
     "C for any CPU), native; for int8 models x86-64-v4-vnni and aarch64-dotprod, for bf16 x86-64-v4-amx "
     "and x86-64-v4-bf16, which are added to x86-64-v4 and aarch64. Of several targets, the best that the "
     "CPU supports is "
     "selected at run time",
     "@targets"},
#ifndef __wasi__
    {"os", 0, required_argument, read_system, AT(system), "--os=SYSTEM",
     "executables, shared libraries and objects for linux, linux-musl, windows or macos, by zig. -o "
     "NAME.exe, .dll and .dylib imply it. --target selects the CPU, x86-64 or aarch64",
     "linux linux-musl windows macos"},
#endif
    {"cpu", 0, required_argument, read_cpu, AT(cpu), "--cpu=NAME",
     "a microcontroller's CPU: cortex-m0+ cortex-m3 cortex-m4 cortex-m7 cortex-m33 cortex-m55 cortex-m85 "
     "rv32imc. It sets the default of --target and the cycle counts used to choose int8 schedules",
     "@cpus"},
    {"flash", 0, required_argument, flag_bytes, AT(flash), "--flash=BYTES",
     "flash limit for weights, tables and labels, as 256K: int8 layers use the fastest schedules that fit. "
     "The code is not counted",
     NULL},
    {"ram", 0, required_argument, flag_bytes, AT(ram), "--ram=BYTES",
     "RAM limit of inference: the workspace, weights that are not compiled in, and on microcontrollers the "
     "stack. If a net does not fit, its first layers are computed in row bands",
     NULL},
    {"flash-wait", 0, required_argument, flag_number, AT(flash_wait), "--flash-wait=CYCLES",
     "extra cycles to read 16 bytes from flash instead of RAM; used to choose schedules on microcontrollers",
     NULL},
    {"threads", 0, required_argument, flag_choice, AT(threads), "--threads=KIND",
     "openmp, the default for executables; pool, a thread pool in the generated C, the default if the C "
     "compiler has no OpenMP; or none",
     "openmp pool none"},
    {"mpi", 0, optional_argument, read_mpi, AT(mpi_most), "--mpi[=PROCESSES]",
     "build an executable whose train also runs under mpirun, with bit-identical results; PROCESSES: the "
     "maximum number that share a batch (8)",
     NULL},
    {"prefix", 0, required_argument, read_prefix, AT(prefix), "--prefix=NAME",
     "prefix of the C names (default: the net's name)", NULL},
    {"version-name", 0, required_argument, flag_text, AT(version_name), "--version-name=1.2.0",
     "version of a library (1.0.0)", NULL},
    {"author", 0, required_argument, flag_text, AT(author), "--author=NAME",
     "author of a library, as 'Ada Lovelace <ada@example.org>'", NULL},
    {"url", 0, required_argument, flag_text, AT(url), "--url=URL", "home page of a library", NULL},
    FLAG_DEFINE(AT(defines)),
    FLAG_INCLUDE(AT(directories)),
    {NULL, 'O', required_argument, read_level, AT(level), "-O0 -O1 -O2 -Os",
     "-O2, the default: all optimizations. -O1: compiles quickly, and the code is nearly as fast: -O1 of the "
     "C compiler, "
     "reference loops for inspection, no x86-64-v4 code unless --target names it. -O0: readable reference "
     "loops, one function per layer. -Os: small code: merged functions, several sums per loop, the least "
     "memory for inference. The default target of -O0 and -Os is generic",
     "0 1 2 s"},
#ifndef __wasi__
    {"precision", 0, required_argument, flag_choice, AT(precision), "--precision=KIND",
     "bf16: operands of convolutions, dense layers and matmul are rounded to bf16, and the sums are floats; "
     "weights need half the memory. f32: the default. precision= in the program overrides the option",
     "f32 bf16"},
#endif
    {"exact", 0, no_argument, flag_set, AT(exact), "--exact",
     "no Winograd and no Strassen, which round differently; int8: no algorithm that stores larger weights "
     "(Winograd is exact there)",
     NULL},
    {"updatable", 0, no_argument, flag_set, AT(updatable), "--updatable",
     "int8 models: generate code that does not depend on the weights, so that NAME_open can load a model "
     "file from later training (it always can for float models)",
     NULL},
    {"no-fma", 0, no_argument, flag_set, AT(no_fma), "--no-fma",
     "no fused multiply-adds: with --target=generic the results are bit-identical on every CPU", NULL},
    {"acsl", 0, no_argument, flag_set, AT(acsl), "--acsl",
     "annotate the C for Frama-C: the same code with contracts of functions and loops as comments, and "
     "NAME.acsl.c, which calls the net with any input and has the command that checks it. Needs -O0 or -Os, "
     "and "
     "--target=generic",
     NULL},
#ifndef __wasi__
    {"report", 0, required_argument, read_report, 0, "--report=KIND[:FILE]",
     "trace: the layers, weights and schedules of each function and table in the C file. wcet: estimated "
     "cycles of an int8 model by layer, for a microcontroller without caches. On standard output or in a "
     "FILE: as JSON if its suffix is .json",
     "trace wcet"},
#endif
    {"tune", 0, no_argument, flag_set, AT(tune), "--tune",
     "measure schedules on this machine; the fastest are stored in NAME.tune next to NAME.cnn, for later "
     "compilations too",
     NULL},
    {NULL, 'W', required_argument, read_warning, AT(warnings), "-W[no-]SLUG",
     "enable or disable a warning; -Werror, -Werror=SLUG: treat warnings as errors", "@warnings"},
    FLAG_DIAGNOSTICS(AT(format)),
    FLAG_COLOR(AT(color)),
    {"explain", 0, required_argument, read_explain, 0, "--explain=SLUG", "explain a message, with an example",
     "@messages"},
    {"fix", 0, no_argument, flag_set, AT(fix), "--fix",
     "apply the suggested fixes to the program and its imports", NULL},
    {"summary", 0, no_argument, flag_set, AT(summary), "--summary",
     "also print the table of layers to standard output", NULL},
    {"time-report", 0, no_argument, flag_set, AT(time_report), "--time-report",
     "print the compiler's own time by stage", NULL},
    {NULL, 'M', required_argument, read_dependencies, 0, "-MD, -MF FILE",
     "write a dependency file for make: imports, labels, weights", "D F"},
    {"cc", 0, required_argument, read_compiler, AT(cc), "--cc=COMPILER",
     "the C compiler for objects and executables, one or several words ('zig cc'); default: $CNNC_CC, clang, "
     "or zig",
     NULL},
    {"runtime-dir", 0, required_argument, flag_text, AT(runtime), NULL, NULL, "@folder"},
    {NULL, 'v', no_argument, flag_set, AT(verbose), "-v", "print each command of the backend", NULL},
    {"version", 'V', no_argument, read_version, 0, "-V, --version", "print the version", NULL},
    {"help", 'h', optional_argument, read_help, 0, "-h, --help [TOPIC]",
     "print this page, or one about an operator (conv), a loss, an optimizer, a statement of the language "
     "(train), or a list (operators); topics lists them all",
     "@topics"},
    FLAG_END,
};

/* ---- combinations of options ---- */
/* Help for suffixes that other compilers write and cnnc does not. */
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
           ", .wasm, .model, .onnx, or no suffix for an executable; or use --emit=KIND"},
};

static const char *suffix_help(const char *suffix) {
  int i = 0;
  while (other_suffixes[i][0] && strcmp(other_suffixes[i][0], suffix) != 0) i++;
  return other_suffixes[i][1];
}

#ifndef __wasi__ /* the browser build has no C compiler */
/* The suffixes of another system: those of --os, else .exe, .dll or .dylib, which imply it. */
static bool kind_of_system(Options *options, Arena *arena, const char *suffix) {
  const System *system = options->system ? options->system : system_of_suffix(suffix);
  if (!system) return false;
  const bool shared = strcmp(suffix, system->shared) == 0, bare = !*suffix;
  if (!shared && !bare && strcmp(suffix, system->program) != 0) return false;
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
  for (int i = 0; i < KINDS; i++)
    if (kinds[i].suffix && strcmp(suffix, kinds[i].suffix) == 0) {
      options->kind = kinds[i].kind;
      return true;
    }
  if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
    return options->kind = OUTPUT_PROGRAM, true; /* a directory: the error is reported when it is written */
  return usage_error("cnnc writes no file with the suffix '%s', as '%s': %s", suffix, options->output,
                     suffix_help(suffix));
}

/* --after must name a pass of the graph that is shown. With --train, that is the training graph. */
static bool check_after(const Options *options) {
  const char *pass = options->after;
  if (!pass) return true;
  if (options->kind != OUTPUT_GRAPH)
    return usage_error("--after=%s prints a graph: it needs --emit=graph", pass);
  if (!options->train)
    return pass_belongs(pass, PLAN_INFERENCE) || pass_belongs(pass, PLAN_LOOK) ||
           usage_error("'%s' is a pass of the training graph, which --train prints", pass);
  return pass_belongs(pass, PLAN_TRAINING) ||
         usage_error("'%s' is not a pass of the training graph, which --train prints", pass);
}

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
    return usage_error("--%s applies to the file of --weights, which is missing", about);
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

/* Frama-C reads standard C: the annotations are for the reference loops of one image. */
static bool check_acsl(const Options *options) {
  if (!options->acsl) return true;
  const Target *target = options->targets.data[0];
  if (options->kind != OUTPUT_C || !options->output || strcmp(options->output, "-") == 0 ||
      options->single_file)
    return usage_error("--acsl writes C with a header, and NAME.acsl.c next to them: it needs -o FILE.c");
  if (!options_plain(options))
    return usage_error("--acsl needs -O0 or -Os: Frama-C cannot read the vector code of other levels");
  if (options->targets.n > 1 || strcmp(target->name, "generic") != 0)
    return usage_error(
        "--acsl needs --target=generic: the code for %s has vectors or instructions that Frama-C "
        "cannot read",
        options->targets.n > 1 ? "several targets" : target->name);
  const char *about = options->train      ? "training code: remove --train"
                      : options->network  ? "the runtime's tables: remove --network"
                      : options->threaded ? "threads: remove --threads"
                                          : NULL;
  if (about) return usage_error("--acsl has no annotations for %s", about);
  if (options->batch > 1) return usage_error("--acsl checks a call with one image: remove --batch");
  return !options->updatable ||
         usage_error(
             "--acsl checks the weights that are compiled in, and --updatable code also runs with others: "
             "remove one of the two");
}

#ifndef __wasi__
static bool check_reports(const Options *options) {
  const bool code = !options->output || !options_view(options->kind);
  bool printed = options->output && strcmp(options->output, "-") == 0;
  for (int i = 0; i < options->reports.n; i++) {
    const ReportUse *report = &options->reports.data[i];
    if (report->kind == REPORT_TRACE && options->kind != OUTPUT_C)
      return usage_error("--report=trace is about a C file: it needs -o FILE.c");
    if (report->kind == REPORT_WCET && (!code || options->kind == OUTPUT_ONNX))
      return usage_error("--report=wcet is about generated code: remove --emit, or write code (-o FILE.c)");
    if (report->kind == REPORT_WCET && options->targets.n > 1)
      return usage_error("--report=wcet is about one CPU: it needs --cpu=NAME, not several targets");
    if (strcmp(report->path, "-") != 0) continue;
    if (printed) return usage_error("--report and -o - both write to standard output: --report=KIND:FILE");
    printed = true;
  }
  return true;
}
#endif

/* --memory needs training. Views include training even without --train. */
static bool check_memory(const Options *options) {
  const bool code = options_backend(options->kind) || options->kind == OUTPUT_C ||
                    options->kind == OUTPUT_HEADER || options->kind == OUTPUT_LIBRARY;
  if (!options->memory || options->train || !code) return true;
  if (options->kind == OUTPUT_PROGRAM)
    return usage_error("--memory is for training, which --no-train disables");
  return usage_error("--memory is for training: it needs --train");
}

#ifndef __wasi__
/* The CPU of --os. one: the target that names the CPU, or NULL. */
static bool choose_system(Options *options, const Target *one) {
  const System *system = options->system;
  const char *arch = one ? one->arch : system_default_arch(system), *other = system->arch[1];
  if (!system_has_arch(system, arch))
    return usage_error("--os=%s is for %s%s%s, not for %s", system->name, system->arch[0],
                       other ? " and " : "", other ? other : "", one->name);
  options->machine = one ? one : target_find(arch);
  return true;
}
#endif

/* Chooses the one machine that the backend compiles for: this one, one of another system, or another CPU
 * without a C library. */
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
#ifndef __wasi__
  if (options->system) return choose_system(options, one);
#endif
  if (!one && options->cpu) one = target_find(options->cpu->target);
  if (!one || (!target_is_foreign(one) && options->kind != OUTPUT_WASM)) return true;
  options->machine = one;
  if (options->kind == OUTPUT_PROGRAM)
    return usage_error("an executable can be built for this machine only, not for %s: write C or an object "
                       "(-o FILE.c, -o FILE.o) and link it there%s",
                       one->name, one->bare ? "" : "; or name its system with --os");
  if (options->kind == OUTPUT_SHARED && one->bare)
    return usage_error("%s has no shared libraries: write an object (-o FILE.o)%s", one->name,
                       strcmp(one->name, "wasm32") == 0 ? " or WebAssembly (-o FILE.wasm)" : "");
  if (options->kind == OUTPUT_WASM && options->threaded)
    return usage_error("WebAssembly has no threads: use --threads=none");
  return true;
}

static bool check_streaming(const Options *options) {
  const Streaming *s = &options->streaming;
  const char *about = s->use.n ? "stream" : s->slide ? "slide" : NULL;
  if (s->lookahead && !s->use.n) return usage_error("--lookahead is for --stream, which is missing");
  if (!about) return true;
  if (s->use.n && s->slide)
    return usage_error("--stream and --slide are two ways to call a net: choose one of them");
  if (options->train)
    return usage_error("--%s is for inference, and --train for whole sequences: compile twice", about);
  if (options->look) return usage_error("--network=look inspects whole sequences: remove --%s", about);
  return options->kind != OUTPUT_ONNX ||
         usage_error("an ONNX model takes whole sequences: remove --%s", about);
}

/* MAJOR.MINOR.PATCH, with the suffixes of semantic versioning. */
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
  if (options->single_file) return usage_error("--single-file has no header, but a library needs one");
  if (options->embed != EMBED_BY_SIZE && options->embed != EMBED_AS_TEXT)
    return usage_error(
        "a library has its weights as text: its files may be moved, which would break a path to weights");
  if (options->version_name && !is_version(options->version_name))
    return usage_error("--version-name must be a version, such as 1.2.0, not '%s'", options->version_name);
  if (options->author && !is_line(options->author)) return usage_error("--author must be one line of text");
  return !options->url || (is_line(options->url) && !strchr(options->url, ' ')) ||
         usage_error("--url must be a URL, such as https://example.com/net, not '%s'", options->url);
}

static const char *const all_x86[] = {"x86-64-v4", "x86-64-v3", "x86-64",
                                      NULL}; /* slowest to compile first */

static void add_all_x86(Options *options, Arena *arena) {
  for (int i = options->level == LEVEL_QUICK; all_x86[i]; i++)
    options_add_target(options, arena, target_find(all_x86[i]));
}

#ifndef __wasi__
/* Those of the system's usual CPU. */
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

/* Sets the default targets, and checks them against --cpu, which allows its own architecture and generic. */
static bool choose_targets(Options *options, Arena *arena) {
  if (options->targets.n == 0) default_targets(options, arena);
  const Cpu *cpu = options->cpu;
  bool board = cpu != NULL;
  if (cpu && options->kind == OUTPUT_WASM)
    return usage_error("WebAssembly does not run on microcontrollers: remove --cpu");
  for (int i = 0; i < options->targets.n; i++) board = board || cpu_cycles(options->targets.data[i]);
  if (options->flash_wait && !board)
    return usage_error("--flash-wait is for microcontrollers: it needs --cpu=NAME or such a target");
  for (int i = 0; cpu && i < options->targets.n; i++) {
    const Target *target = options->targets.data[i];
    if (target->arch && strcmp(target->arch, target_find(cpu->target)->arch) != 0)
      return usage_error("a %s cannot run code for %s: remove --target, which defaults to %s", cpu->name,
                         target->name, cpu->target);
  }
  return true;
}

/* ---- the command line ---- */
static bool is_program(const char *word) {
  const size_t n = strlen(word);
  return n > 4 && strcmp(word + n - 4, ".cnn") == 0;
}

static bool check_input(Options *options, Arena *arena, int n, char **words) {
  if (n == 0) return usage_error("missing program: cnnc [options] FILE.cnn [-o OUTPUT]");
#ifndef __wasi__
  const char *command = command_meant(arena, words[0]);
  if (command)
    return usage_error("'%s' is neither a program nor a command; did you mean '%s'?", words[0], command);
#else
  (void)arena;
#endif
  if (n > 1)
    return usage_error("more than one program, '%s' and '%s': cnnc compiles one at a time", words[0],
                       words[1]);
  const char *name = base_name(words[0]), *suffix = strrchr(name, '.');
  if (!*words[0]) return usage_error("the program's file name is empty");
  if (suffix && suffix != name && suffix[1] && strcmp(suffix, ".cnn") != 0)
    return usage_error("'%s' is not a .cnn file", words[0]);
  options->input = strcmp(words[0], "-") == 0 ? "/dev/stdin" : words[0];
  return true;
}

/* Executables have threads: of OpenMP, if the compiler has it. */
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
/* --os, also if the suffix of the output implies it. */
static bool check_system(Options *options, Arena *arena) {
  const System *system = options->system;
  const char *named = getenv("CNNC_CC");
  if (!system) return true;
  const char *about = !options_backend(options->kind)
                          ? "--os is for executables, shared libraries and objects; everything else is the "
                            "same on every system"
                      : options->kind == OUTPUT_WASM ? "WebAssembly is the same on every system: remove --os"
                      : options->cpu ? "--cpu is for boards, which have no system: remove --os"
                      : options->mpi ? "--mpi builds for this machine only: remove --os"
                                     : NULL;
  if (about) return usage_error("%s", about);
  if (options->kind == OUTPUT_SHARED && !options->kind_given && !strstr(options->output, system->shared))
    return usage_error("a shared library for %s has the suffix %s; --emit=shared allows any", system->name,
                       system->shared);
  if (!options->cc && !(named && *named)) options->cc = backend_zig(arena);
  return true;
}
#endif

static bool check_together(Options *options, Arena *arena) {
  const bool kind_given = options->kind_given;
  if (options->tune && options_plain(options))
    return usage_error("--tune has nothing to choose from with -O0 and -Os");
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
    return usage_error("--single-file has no header to write");
  if (options->dependencies && !options->dependency_file &&
      (!options->output || strcmp(options->output, "-") == 0))
    return usage_error("-MD without -o FILE needs -MF FILE");
  if (!check_after(options)) return false;
  if (!check_streaming(options)) return false;
  if (!options->train_given) options->train = options->kind == OUTPUT_PROGRAM && !options_step(options);
  if (!choose_targets(options, arena)) return false;
  choose_threads(options, arena);
  if (!check_mpi(options) || !check_memory(options)) return false;
  if (!check_acsl(options)) return false;
#ifndef __wasi__
  if (!check_reports(options)) return false;
#endif
  return !(options_backend(options->kind) || options->embed == EMBED_AS_OBJECT) || choose_machine(options);
}

bool options_parse(Options *options, Arena *arena, int argc, char **argv) {
  *options = (Options){.batch = 1, .layout = -1, .opset = -1, .threads = -1, .precision = -1};
  const bool read = flags_read(arena, options_table, options, argc, argv);
  options->color = flag_wants_color(options->color);
  if (!read) return false;
  if (options->action == ACTION_HELP && !options->topic && optind < argc && !is_program(argv[optind]))
    options->topic = argv[optind];
  if (options->action != ACTION_COMPILE) return true;
  return check_input(options, arena, argc - optind, argv + optind) && check_together(options, arena);
}
