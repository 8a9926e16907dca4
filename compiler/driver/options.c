/* options.c: the subcommands, and cnnc's own options: how each is read, what they mean together, their table.
 */
// SPDX-License-Identifier: Apache-2.0
#include "options.h"
#include <string.h>
#include <unistd.h>
#include "base/text.h"
#include "command.h"
#include "fmt.h"
#include "import.h"
#include "lsp.h"
#include "new.h"
#include "passes/plan.h"
#include "quantize.h"

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

/* ---- subcommands ---- */
const Command *const command_table[] = {
#ifndef __wasi__ /* a page has no files to format */
    &fmt_command,
#endif
    &import_command,
#ifndef __wasi__ /* a page has no data, no editors to serve and no folders */
    &quantize_command,
    &lsp_command,
    &new_command,
#endif
    NULL,
};

#ifndef __wasi__ /* a page calls them by the right name */
const char *command_meant(Arena *arena, const char *word) {
  VEC(const char *) names = {0};
  for (const Command *const *c = command_table; *c; c++) vec_push(arena, names, (*c)->name);
  vec_push(arena, names, NULL);
  const bool file = strpbrk(word, "./") || access(word, F_OK) == 0 ||
                    access(arena_printf(arena, "%s.cnn", word), F_OK) == 0;
  return file ? NULL : suggest(word, names.data);
}
#endif

/* ---- what values may be ---- */
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
  return options->output ? usage_error("-o is given twice") : flag_text(use, member, value);
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

static bool read_prefix(const FlagUse *use, void *member, const char *value) {
  if (!is_name(value, strlen(value)))
    return usage_error("--prefix wants a name as C has them, not '%s'", value);
  return flag_text(use, member, value);
}

static bool read_compiler(const FlagUse *use, void *member, const char *value) {
  return *value ? flag_text(use, member, value) : usage_error("--cc wants the name of a C compiler");
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
  if (diag_find(slug) >= 0) return usage_error("'%s' is an error, not a warning that -W could set", slug);
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
  if (!value[1] && optind >= use->argc) return usage_error("-MF wants a file name");
  options->dependency_file = value[1] ? value + 1 : use->argv[optind++];
  return options->dependencies = true;
}

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
static bool is_listed_target(const Options *options, const Target *target) {
  for (int i = 0; i < options->targets.n; i++)
    if (options->targets.data[i] == target) return true;
  return false;
}

static void add_target(Options *options, Arena *arena, const Target *target) {
  if (is_listed_target(options, target)) return;
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
    if (length == 0) return usage_error("--target wants a list of targets, not '%s'", list);
    if (!target) return unknown_word("target", name, options_targets(arena));
    add_target(options, arena, target);
    at += length;
    if (!*at) return true;
  }
}

static bool read_cpu(const FlagUse *use, void *member, const char *name) {
  const Cpu *cpu = cpu_find(name);
  *(const Cpu **)member = cpu;
  return cpu || unknown_word("CPU", name, options_cpus(use->arena));
}

#define AT(member) offsetof(Options, member)
const Flag options_table[] = {
    {NULL, 'o', required_argument, read_output, AT(output), "-o FILE",
     "what to write, by its suffix: .c (and .h beside it), .o, .so, .wasm, .model (the weights alone), "
     ".onnx; "
     "without a suffix: a program; -: C on standard output. Without -o the program is checked and "
     "summarized",
     "@file"},
    {"emit", 0, required_argument, read_kind, 0, "--emit=KIND",
     "c header obj shared exe wasm model onnx; library: a folder for Arduino, PlatformIO, ESP-IDF, Zephyr "
     "and "
     "CMake; or a view of the program: summary json dot ast graph nests lir schedule",
     "@kinds"},
    {"after", 0, required_argument, read_after, AT(after), "--after=PASS",
     "with --emit=graph: the graph behind that pass of the compiler, for inference; with --train the "
     "training "
     "graph, before --memory takes effect",
     "@passes"},
    {"single-file", 0, no_argument, flag_set, AT(single_file), "--single-file",
     "the header's text goes into the C file", NULL},
    {"weights", 0, required_argument, flag_file, AT(weights), "--weights=FILE[:KEY]",
     "trained weights that go into the output: .safetensors, .npz, or PyTorch's .pt, .pth, .ckpt, .bin; KEY: "
     "which dictionary of PyTorch's file",
     "@file"},
    {"weights-prefix", 0, required_argument, flag_text, AT(weights_prefix), "--weights-prefix=PREFIX",
     "removes PREFIX ('module.') from the names in that file; names that do not begin with it are "
     "ignored. A prefix of all names need not be given",
     NULL},
    {"rename", 0, required_argument, flag_file, AT(rename), "--rename=FILE",
     "gives the arrays in that file other names: lines 'theirs = ours', with '*' for any text; later ones "
     "win; 'theirs =' leaves one out",
     "@file"},
    {"match", 0, required_argument, flag_choice, AT(match), "--match=HOW",
     "how the arrays in that file are found: by name; or in the order of the file, where all shapes "
     "agree, which prints the pairs of names as a file for --rename",
     "name order"},
    {"layout", 0, required_argument, flag_choice, AT(layout), "--layout=ORDER",
     "how a model of ONNX takes its pictures: chw, as is usual there, or hwc, channels last", "chw hwc"},
    {"embed", 0, required_argument, read_embed, AT(embed), "--embed=HOW",
     "weights go into the C file as text (up to 1 MB), a file NAME.weights.bin beside it (incbin), or an"
     " object NAME.weights.o beside it (object)",
     "text incbin object"},
    {"batch", 0, required_argument, flag_number, AT(batch), "--batch=N",
     "images a call of NAME_infer takes (1)", NULL},
    {"train", 0, no_argument, read_train, AT(train), "--train",
     "with the training code (the default for programs, -o NAME, of nets with a train block; C files and "
     "objects need this option)",
     NULL},
    {"no-train", 0, no_argument, read_train, AT(train), "--no-train", "without it", NULL},
    {"memory", 0, required_argument, flag_bytes, AT(memory), "--memory=BYTES",
     "the most memory that a training step may take, as 64M or 1.5G: where it is short, values are computed "
     "again instead of kept",
     NULL},
    {"network", 0, optional_argument, read_network, AT(look), "--network[=look]",
     "with NAME_network, by which the runtime (libcnn) loads, saves and evaluates the net; look: and looks "
     "inside it. Programs have both, --train has the former",
     "look"},
    {"target", 0, required_argument, read_targets, 0, "--target=T[,T...]",
     "x86-64-v4 x86-64-v3 x86-64 aarch64 riscv64 armv7m armv7e-m armv8.1-m rv32imc wasm32, generic (scalar "
     "C for any CPU), native; for nets of 8 bits x86-64-v4-vnni and aarch64-dotprod, which are taken "
     "beside x86-64-v4 and aarch64; of several, the best that the CPU runs is chosen at run time",
     "@targets"},
    {"cpu", 0, required_argument, read_cpu, AT(cpu), "--cpu=NAME",
     "a board's CPU: cortex-m0+ cortex-m3 cortex-m4 cortex-m7 cortex-m33 cortex-m55 cortex-m85 rv32imc. It "
     "chooses the target where --target does not, and the cycles by which schedules of 8 bits are chosen",
     "@cpus"},
    {"flash", 0, required_argument, flag_bytes, AT(flash), "--flash=BYTES",
     "the most flash that weights, tables and labels may take, as 256K: layers of 8 bits take what is "
     "fastest and fits. The code is not counted",
     NULL},
    {"ram", 0, required_argument, flag_bytes, AT(ram), "--ram=BYTES",
     "the most RAM that inference may take: the workspace, weights that are not compiled in, and on boards "
     "the stack. Where a net does not fit, its first layers are computed in bands of rows",
     NULL},
    {"flash-wait", 0, required_argument, flag_number, AT(flash_wait), "--flash-wait=CYCLES",
     "how many cycles longer reading 16 bytes takes from flash than from RAM; for the choice of schedules on "
     "boards",
     NULL},
    {"threads", 0, required_argument, flag_choice, AT(threads), "--threads=KIND",
     "openmp (the default for programs) or none", "openmp none"},
    {"mpi", 0, optional_argument, read_mpi, AT(mpi_most), "--mpi[=PROCESSES]",
     "a program whose train also runs under mpirun, to the same bits; PROCESSES: the most that share the "
     "work of a batch (8)",
     NULL},
    {"prefix", 0, required_argument, read_prefix, AT(prefix), "--prefix=NAME",
     "what the C names begin with, instead of the net's name", NULL},
    {"version-name", 0, required_argument, flag_text, AT(version_name), "--version-name=1.2.0",
     "the version of a library (1.0.0)", NULL},
    {"author", 0, required_argument, flag_text, AT(author), "--author=NAME",
     "whose library it is, as 'Ada Lovelace <ada@example.org>'", NULL},
    {"url", 0, required_argument, flag_text, AT(url), "--url=URL", "where the library is found", NULL},
    FLAG_DEFINE(AT(defines)),
    FLAG_INCLUDE(AT(directories)),
    {NULL, 'O', required_argument, read_level, AT(level), "-O0 -O1 -O2 -Os",
     "-O2, the default: everything. -O1: quick to compile, and nearly as fast: -O1 of the C compiler, plain "
     "loops for what looks inside, no code of x86-64-v4 unless --target names it. -O0: plain loops to be "
     "read, one function a layer. -Os: small code: plain loops of merged layers, several sums in a loop; "
     "inference takes the least memory. -O0 and -Os are made for generic unless --target says otherwise",
     "0 1 2 s"},
    {"exact", 0, no_argument, flag_set, AT(exact), "--exact",
     "no Winograd and no Strassen, whose results are rounded differently; int8: no algorithm that stores "
     "larger weights (Winograd's are exact there)",
     NULL},
    {"updatable", 0, no_argument, flag_set, AT(updatable), "--updatable",
     "int8 models: code that depends on the program and the options, not on the weights, so that NAME_open "
     "takes a model file of later training (float models are so in any case)",
     NULL},
    {"no-fma", 0, no_argument, flag_set, AT(no_fma), "--no-fma",
     "no fused multiply-adds: with --target=generic the C file gives the same bits on every CPU", NULL},
    {"tune", 0, no_argument, flag_set, AT(tune), "--tune",
     "measures schedules on this machine; what is fastest is kept in NAME.tune beside NAME.cnn, for "
     "later compilations too",
     NULL},
    {NULL, 'W', required_argument, read_warning, AT(warnings), "-W[no-]SLUG",
     "a warning on or off; -Werror, -Werror=SLUG: warnings as errors", "@warnings"},
    FLAG_DIAGNOSTICS(AT(format)),
    FLAG_COLOR(AT(color)),
    {"explain", 0, required_argument, read_explain, 0, "--explain=SLUG",
     "a page on a message, with an example", "@messages"},
    {"fix", 0, no_argument, flag_set, AT(fix), "--fix",
     "changes the program, and imports beside it, as its messages suggest", NULL},
    {"summary", 0, no_argument, flag_set, AT(summary), "--summary",
     "the table of layers on standard output, besides what is written", NULL},
    {"time-report", 0, no_argument, flag_set, AT(time_report), "--time-report",
     "where the compiler's own time went", NULL},
    {NULL, 'M', required_argument, read_dependencies, 0, "-MD, -MF FILE",
     "a dependency file for make: imports, labels, weights", "D F"},
    {"cc", 0, required_argument, read_compiler, AT(cc), "--cc=COMPILER",
     "the C compiler that makes objects and programs", NULL},
    {"runtime-dir", 0, required_argument, flag_text, AT(runtime), NULL, NULL, "@folder"},
    {NULL, 'v', no_argument, flag_set, AT(verbose), "-v", "shows each command of the backend", NULL},
    {"version", 'V', no_argument, read_version, 0, "-V, --version", "the version", NULL},
    {"help", 'h', optional_argument, read_help, 0, "-h, --help [TOPIC]",
     "this page, or one on an operator (conv), a loss, an optimizer, a statement of the language "
     "(train), or a list (operators); topics lists them all",
     "@topics"},
    FLAG_END,
};

/* ---- options that need others ---- */
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

/* A pass belongs to some graphs only: with --train that of training is shown. */
static bool check_after(const Options *options) {
  const char *pass = options->after;
  if (!pass) return true;
  if (options->kind != OUTPUT_GRAPH)
    return usage_error("--after=%s shows a graph: it wants --emit=graph", pass);
  if (!options->train)
    return pass_belongs(pass, PLAN_INFERENCE) || pass_belongs(pass, PLAN_LOOK) ||
           usage_error("'%s' is a pass of the training graph, which --train shows", pass);
  return pass_belongs(pass, PLAN_TRAINING) ||
         usage_error("'%s' is no pass of the training graph, which --train shows", pass);
}

static bool check_onnx(const Options *options) {
  if (options->layout >= 0 && options->kind != OUTPUT_ONNX)
    return usage_error("--layout is about a model of ONNX: it wants -o FILE.onnx; for C, `input x: 28x28x1 "
                       "(layout=chw)` in the program says how the caller's buffers lie");
  return options->kind != OUTPUT_ONNX || options->batch == 1 ||
         usage_error("a model of ONNX takes any number of images: leave --batch out");
}

static bool check_weight_options(const Options *options) {
  const char *about = options->weights_prefix ? "weights-prefix"
                      : options->rename       ? "rename"
                      : options->match        ? "match"
                                              : NULL;
  if (about && !options->weights)
    return usage_error("--%s is about the file of --weights, which is not given", about);
  if (options->match && options->output && strcmp(options->output, "-") == 0)
    return usage_error("--match=order and the output both write to standard output");
  return true;
}

static bool check_mpi(const Options *options) {
  if (!options->mpi) return true;
  if (options->kind != OUTPUT_PROGRAM && !(options->kind == OUTPUT_LOWERED && options->train))
    return usage_error("--mpi is about training by several processes: it wants a program, -o NAME");
  return options->train || usage_error("--mpi is about training, which --no-train leaves out");
}

/* A view tells of training without --train, too. */
static bool check_memory(const Options *options) {
  const bool code = options_backend(options->kind) || options->kind == OUTPUT_C ||
                    options->kind == OUTPUT_HEADER || options->kind == OUTPUT_LIBRARY;
  if (!options->memory || options->train || !code) return true;
  if (options->kind == OUTPUT_PROGRAM)
    return usage_error("--memory is about training, which --no-train leaves out");
  return usage_error("--memory is about training: it wants --train");
}

/* What the backend makes is for one machine: this one, or another that can be had without its C library. */
static bool choose_machine(Options *options) {
  const Target *one = options->kind == OUTPUT_WASM ? target_find("wasm32") : NULL;
  for (int i = 0; i < options->targets.n; i++) {
    const Target *target = options->targets.data[i];
    if (!target->arch) continue;
    if (one && strcmp(one->arch, target->arch) != 0)
      return options->kind == OUTPUT_WASM
                 ? usage_error("WebAssembly holds code of wasm32, not of %s", target->name)
                 : usage_error("one file made by the C compiler cannot hold code of both %s and %s: write C "
                               "(-o FILE.c), or one file for each",
                               one->name, target->name);
    one = target;
  }
  if (!one && options->cpu) one = target_find(options->cpu->target);
  if (!one || (!target_is_foreign(one) && options->kind != OUTPUT_WASM)) return true;
  options->machine = one;
  if (options->kind == OUTPUT_PROGRAM)
    return usage_error("a program is made for this machine only, whose runtime it is linked with, not for "
                       "%s: write C or an object (-o FILE.c, -o FILE.o) and link it there",
                       one->name);
  if (options->kind == OUTPUT_SHARED && one->bare)
    return usage_error("%s has no shared libraries: write an object (-o FILE.o)%s", one->name,
                       strcmp(one->name, "wasm32") == 0 ? " or WebAssembly (-o FILE.wasm)" : "");
  if (options->kind == OUTPUT_WASM && options->openmp)
    return usage_error("WebAssembly is made without threads: --threads=none");
  return true;
}

/* MAJOR.MINOR.PATCH, with what semantic versioning allows behind it. */
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

/* A value in a line of its own. */
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
  if (about && !library) return usage_error("--%s is about a library: it wants --emit=library", about);
  if (!library) return true;
  if (options->output && strcmp(options->output, "-") == 0)
    return usage_error("a library is a folder, and cannot be written to standard output: -o FOLDER");
  if (options->single_file) return usage_error("--single-file has no header, and a library has one");
  if (options->embed != EMBED_BY_SIZE && options->embed != EMBED_AS_TEXT)
    return usage_error(
        "a library has its weights as text: others move its files, and no path would stay right");
  if (options->version_name && !is_version(options->version_name))
    return usage_error("--version-name wants a version as 1.2.0, not '%s'", options->version_name);
  if (options->author && !is_line(options->author)) return usage_error("--author wants a line of text");
  return !options->url || (is_line(options->url) && !strchr(options->url, ' ')) ||
         usage_error("--url wants an address as https://example.com/net, not '%s'", options->url);
}

static void default_targets(Options *options, Arena *arena) {
  static const char *const all[] = {"x86-64-v4", "x86-64-v3", "x86-64", NULL}; /* slowest to compile first */
  if (options->kind == OUTPUT_WASM) add_target(options, arena, target_find("wasm32"));
  else if (options->cpu) {
    add_target(options, arena, target_find(options->cpu->target));
    options->targets_given = true;
  } else if (options_plain(options)) add_target(options, arena, target_find("generic"));
  else if (options->kind == OUTPUT_LIBRARY) {
    add_target(options, arena, target_find("armv7m"));
    add_target(options, arena, target_find("generic"));
  } else if (options->kind == OUTPUT_PROGRAM || (options->tune && !options->output) ||
             target_is_foreign(target_find("x86-64"))) {
    add_target(options, arena, target_native());
    options->native = true;
  } else
    for (int i = options->level == LEVEL_QUICK; all[i]; i++) add_target(options, arena, target_find(all[i]));
}

/* A CPU belongs to all targets of the file, but for those that are of any CPU. */
static bool choose_targets(Options *options, Arena *arena) {
  if (options->targets.n == 0) default_targets(options, arena);
  const Cpu *cpu = options->cpu;
  bool board = cpu != NULL;
  if (cpu && options->kind == OUTPUT_WASM)
    return usage_error("WebAssembly runs on no board: leave --cpu out");
  for (int i = 0; i < options->targets.n; i++) board = board || cpu_cycles(options->targets.data[i]);
  if (options->flash_wait && !board)
    return usage_error("--flash-wait is about a board: it wants --cpu=NAME, or the target of one");
  for (int i = 0; cpu && i < options->targets.n; i++) {
    const Target *target = options->targets.data[i];
    if (target->arch && strcmp(target->arch, target_find(cpu->target)->arch) != 0)
      return usage_error("a %s does not run code of %s: leave --target out, which is %s then", cpu->name,
                         target->name, cpu->target);
  }
  return true;
}

/* ---- the whole ---- */
static bool is_program(const char *word) {
  const size_t n = strlen(word);
  return n > 4 && strcmp(word + n - 4, ".cnn") == 0;
}

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

static bool check_together(Options *options, Arena *arena) {
  const bool kind_given = options->kind_given;
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
  if (!check_weight_options(options) || !check_library(options) || !check_onnx(options)) return false;
  if (options->single_file && options->kind == OUTPUT_HEADER)
    return usage_error("--single-file has no header to write");
  if (options->dependencies && !options->dependency_file &&
      (!options->output || strcmp(options->output, "-") == 0))
    return usage_error("-MD without -o FILE needs -MF FILE");
  if (!check_after(options)) return false;
  if (!options->train_given) options->train = options->kind == OUTPUT_PROGRAM;
  if (!choose_targets(options, arena)) return false;
  options->openmp = options->threads == 0 || (options->threads < 0 && options->kind == OUTPUT_PROGRAM);
  if (!check_mpi(options) || !check_memory(options)) return false;
  return !(options_backend(options->kind) || options->embed == EMBED_AS_OBJECT) || choose_machine(options);
}

bool options_parse(Options *options, Arena *arena, int argc, char **argv) {
  *options = (Options){.batch = 1, .layout = -1, .threads = -1};
  const bool read = flags_read(arena, options_table, options, argc, argv);
  options->color = flag_wants_color(options->color);
  if (!read) return false;
  if (options->action == ACTION_HELP && !options->topic && optind < argc && !is_program(argv[optind]))
    options->topic = argv[optind];
  if (options->action != ACTION_COMPILE) return true;
  return check_input(options, arena, argc - optind, argv + optind) && check_together(options, arena);
}
