/* options.c: Tables of cnnc's subcommands and options, and functions that read the values of options. */
// SPDX-License-Identifier: Apache-2.0
#include "options.h"
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "command.h"
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

bool options_kind_of_suffix(const char *suffix, OutputKind *kind) {
  for (int i = 0; i < KINDS; i++)
    if (kinds[i].suffix && strcmp(suffix, kinds[i].suffix) == 0) return *kind = kinds[i].kind, true;
  return false;
}

bool options_view(OutputKind kind) { return kind >= OUTPUT_SUMMARY; }
Precision options_precision(const Options *o) {
  static const Precision of[] = {PRECISION_F32, PRECISION_BF16, PRECISION_F16W};
  return o->precision < 0 ? PRECISION_GIVEN : of[o->precision];
}

bool options_step(const Options *o) { return o->streaming.use.n || o->streaming.slide; }

bool options_backend(OutputKind kind) {
  return kind == OUTPUT_OBJECT || kind == OUTPUT_SHARED || kind == OUTPUT_WASM || kind == OUTPUT_PROGRAM;
}

bool options_plain(const Options *options) {
  return options->level == LEVEL_PLAIN || options->level == LEVEL_SMALL;
}

#ifdef __wasi__ /* the browser build has no bf16 */
#define BF16_TARGETS ""
#else
#define BF16_TARGETS "; for bf16: x86-64-v4-amx, x86-64-v4-bf16 and aarch64-bf16"
#endif

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
  if (strcmp(value, "program") == 0) value = "lir"; /* lir's former name, accepted until 0.2 */
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

static bool read_prefix(const FlagUse *use, void *member, const char *value) {
  if (!is_name(value, strlen(value))) return usage_error("--prefix must be a C identifier, not '%s'", value);
  return flag_text(use, member, value);
}

static bool read_compiler(const FlagUse *use, void *member, const char *value) {
  return *value ? flag_text(use, member, value) : usage_error("--cc needs the name of a C compiler");
}

static bool read_explain(const FlagUse *use, void *member, const char *slug) {
  Options *options = use->options;
  (void)member;
  if (diag_find(slug) < 0) return unknown_word("message", slug, flag_slugs(use->arena, false));
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

/* -MD, -MF FILE and -MFFILE, as C compilers accept them. */
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
     "match the arrays in the weight file by name, or by their order in the file; --match=order "
     "prints the pairs of names as a file for --rename",
     "name order"},
    {"layout", 0, required_argument, flag_choice, AT(layout), "--layout=ORDER",
     "image layout of an ONNX model: chw (the default) or hwc (channels last)", "chw hwc"},
    {"opset", 0, required_argument, flag_choice, AT(opset), "--opset=N",
     "operator set of an ONNX model: 17 (default) or 23, which has Attention, RMSNormalization and "
     "RotaryEmbedding",
     "17 23"},
    {"embed", 0, required_argument, read_embed, AT(embed), "--embed=HOW",
     "store the weights in the C file as text (the default up to 1 MB), in a file NAME.weights.bin next to "
     "it (incbin), or in an object NAME.weights.o next to it (object)",
     "text incbin object"},
    {"batch", 0, required_argument, flag_number, AT(batch), "--batch=N", "images per call of NAME_infer (1)",
     NULL},
    FLAG_STREAMING(AT(streaming)),
    {"train", 0, no_argument, read_train, AT(train), "--train",
     "generate training code (the default for executables, -o NAME, of nets with a train block; C files "
     "and objects need this option)",
     NULL},
    {"no-train", 0, no_argument, read_train, AT(train), "--no-train", "do not generate training code", NULL},
    {"memory", 0, required_argument, flag_bytes, AT(memory), "--memory=BYTES",
     "memory limit of a training step, such as 64M or 1.5G; to meet it, values are recomputed instead of "
     "stored",
     NULL},
    {"network", 0, optional_argument, read_network, AT(look), "--network[=look]",
     "generate NAME_network, with which the runtime (libcnn) loads, saves and evaluates the net; look: the "
     "runtime also inspects the net. Executables have both, but inspection is only for float nets "
     "without --stream or --slide; --train implies --network",
     "look"},
    {"target", 0, required_argument, read_targets, 0, "--target=T[,T...]",
     "x86-64-v4 x86-64-v3 x86-64 aarch64 riscv64 armv7m armv7e-m armv8.1-m rv32imc wasm32 wasm32-relaxed, "
     "generic (scalar C for any CPU), native. Variants of x86-64-v4 and aarch64 for int8 models: "
     "x86-64-v4-vnni and aarch64-dotprod" BF16_TARGETS
     ". The default targets include the variants that suit the net. If there are several targets, the best "
     "target that the CPU supports is selected at run time",
     "@targets"},
#ifndef __wasi__
    {"os", 0, required_argument, read_system, AT(system), "--os=SYSTEM",
     "build executables, shared libraries and objects with zig for linux, linux-musl, windows or macos. -o "
     "NAME.exe, .dll and .dylib imply the system. --target selects the CPU, x86-64 or aarch64",
     "linux linux-musl windows macos"},
#endif
    {"cpu", 0, required_argument, read_cpu, AT(cpu), "--cpu=NAME",
     "a microcontroller's CPU: cortex-m0+ cortex-m3 cortex-m4 cortex-m7 cortex-m33 cortex-m55 cortex-m85 "
     "rv32imc. It sets the default of --target and the cycle counts used to choose int8 schedules. znver4 "
     "selects schedules for AMD's Zen 4; --target=native on such a CPU implies znver4 if there is no "
     "training "
     "code",
     "@cpus"},
#ifndef __wasi__ /* the browser build fits no net to a board */
    {"flash", 0, required_argument, flag_bytes, AT(flash), "--flash=BYTES",
     "flash limit for weights, tables and labels, such as 256K: int8 layers use the fastest schedules that "
     "fit. The code is not counted",
     NULL},
    {"ram", 0, required_argument, flag_bytes, AT(ram), "--ram=BYTES",
     "RAM limit of inference: the workspace, states, weights that are not compiled in, and on "
     "microcontrollers the stack. If a net does not fit, its first layers are computed in row bands",
     NULL},
#endif
    {"flash-wait", 0, required_argument, flag_count, AT(flash_wait), "--flash-wait=CYCLES",
     "extra cycles to read 16 bytes from flash instead of RAM; used to choose schedules on microcontrollers",
     NULL},
    {"threads", 0, required_argument, flag_choice, AT(threads), "--threads=KIND",
     "openmp, the default for executables; pool, a thread pool in the generated C, the default for "
     "executables with --os or if the C compiler has no OpenMP; none, the default for other outputs",
     "openmp pool none"},
    {"mpi", 0, optional_argument, read_mpi, AT(mpi_most), "--mpi[=PROCESSES]",
     "build an executable whose command train also runs under mpirun, with bit-identical results; PROCESSES: "
     "number of processes that can share one batch (8)",
     NULL},
    {"prefix", 0, required_argument, read_prefix, AT(prefix), "--prefix=NAME",
     "prefix of the C names (default: the net's name)", NULL},
    {"version-name", 0, required_argument, flag_text, AT(version_name), "--version-name=1.2.0",
     "version of a library (1.0.0)", NULL},
    {"author", 0, required_argument, flag_text, AT(author), "--author=NAME",
     "author of a library, such as 'Ada Lovelace <ada@example.org>'", NULL},
    {"url", 0, required_argument, flag_text, AT(url), "--url=URL", "home page of a library", NULL},
    FLAG_DEFINE(AT(defines)),
    FLAG_INCLUDE(AT(directories)),
    {NULL, 'O', required_argument, read_level, AT(level), "-O0 -O1 -O2 -Os",
     "-O2, the default: all optimizations. -O1: compiles quickly, and the code is nearly as fast as with "
     "-O2. -O1 uses -O1 of the C compiler and reference loops for inspection, and x86-64-v4 code only "
     "with --target or in executables. "
     "-O0: readable reference loops, one function per layer. -Os: small code, with loops that each "
     "compute several sums, and the least memory for inference. The default target of -O0 and -Os is generic",
     "0 1 2 s"},
#ifndef __wasi__
    {"precision", 0, required_argument, flag_choice, AT(precision), "--precision=KIND",
     "bf16: operands of convolutions, dense layers and matmul are rounded to bf16, and the sums are floats; "
     "weights need half the memory. f16w: only the weights are rounded, to half precision, and everything is "
     "computed in floats. f32: the default. precision= in the program overrides the option",
     "f32 bf16 f16w"},
#endif
    {"exact", 0, no_argument, flag_set, AT(exact), "--exact",
     "no algorithms that round differently, such as Winograd and Strassen; int8 models: no Winograd on "
     "microcontrollers, so the weights stay int8",
     NULL},
    {"updatable", 0, no_argument, flag_set, AT(updatable), "--updatable",
     "int8 models: generate code that does not depend on the weights, so that NAME_open can load a model "
     "file from later training (float models do not need it)",
     NULL},
    {"no-fma", 0, no_argument, flag_set, AT(no_fma), "--no-fma",
     "no fused multiply-adds: with --target=generic the results are bit-identical on every CPU", NULL},
    {"denormals", 0, required_argument, flag_choice, AT(denormals), "--denormals=KIND",
     "flush, the default for executables and for Python: during a call, the CPU treats subnormal floats "
     "(below 1.2e-38) as zeros, because some CPUs are slow on them; the caller's mode is restored. keep, the "
     "default for other outputs: the mode does not change. In C files, flush defines NAME_FLUSH_DENORMALS",
     "flush keep"},
    {"acsl", 0, no_argument, flag_set, AT(acsl), "--acsl",
     "annotate the C for Frama-C: contracts of functions and loops are added as comments. Also write "
     "NAME.acsl.c, which calls the net with any input and contains the command for the check. Needs -O0 or "
     "-Os with --target=generic, or a microcontroller without vectors, such as --cpu=cortex-m4",
     NULL},
#ifndef __wasi__
    {"report", 0, required_argument, read_report, 0, "--report=KIND[:FILE]",
     "print a report, or write it to FILE (as JSON if its suffix is .json). trace: the layers, weights and "
     "schedules of each function and table in the C file (as CSV if the suffix of FILE is .csv). wcet: "
     "estimated cycles of an int8 model by layer, for a microcontroller without caches",
     "trace wcet"},
#endif
    {"tune", 0, no_argument, flag_set, AT(tune), "--tune",
     "measure schedules on this machine; the fastest are stored in NAME.tune next to NAME.cnn, for later "
     "compilations too",
     NULL},
    FLAG_WARNINGS(AT(warnings)),
    FLAG_DIAGNOSTICS(AT(format)),
    FLAG_COLOR(AT(color)),
    {"explain", 0, required_argument, read_explain, 0, "--explain=SLUG", "explain a message, with an example",
     "@messages"},
#ifndef __wasi__ /* the page applies fixes itself */
    {"fix", 0, no_argument, flag_set, AT(fix), "--fix",
     "apply the suggested fixes to the program and to imports from its folder", NULL},
#endif
    {"summary", 0, no_argument, flag_set, AT(summary), "--summary",
     "also print the table of layers to standard output", NULL},
    {"time-report", 0, no_argument, flag_set, AT(time_report), "--time-report",
     "print the compile time by stage", NULL},
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
     "print this page, or the page of an operator (conv), a loss, an optimizer, a statement of the language "
     "(train), or a list (operators); topics lists all pages",
     "@topics"},
    FLAG_END,
};

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

bool options_parse(Options *options, Arena *arena, int argc, char **argv) {
  *options = (Options)OPTIONS_DEFAULT;
  const bool read = flags_read(arena, options_table, options, &options->given, argc, argv);
  options->color = flag_wants_color(options->color);
  if (!read) return false;
  if (options->action == ACTION_HELP && !options->topic && optind < argc && !is_program(argv[optind]))
    options->topic = argv[optind];
  if (options->action != ACTION_COMPILE) return true;
  return check_input(options, arena, argc - optind, argv + optind) && options_check(options, arena);
}
