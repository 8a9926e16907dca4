/* assure.c: `cnnc assure`: writes a folder with the annotated C of a net, reports, copies of its sources, and
 * a Makefile that checks the C with other tools. */
// SPDX-License-Identifier: Apache-2.0
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "base/sha256.h"
#include "base/template.h"
#include "backend/weights.h"
#include "command.h"
#include "compile.h"
#include "flags.h"
#include "import.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0.1.0"
#endif

static const struct {
  const char *name, *text;
} assure_texts[] = {
#include "driver/assure_texts.inc"
    {NULL, NULL},
};

typedef struct AssurePack {
  Arena *arena;
  const char *input, *weights, *folder;
  const char *cpu_name;
  const Cpu *cpu;
  int64_t flash_wait;
  Streaming streaming;
  Defines defines;
  WordList warnings;
  bool help;
  FlagsGiven given;
  /* name: base name of the C files; prefix: prefix of C names; call: the net's function, "infer" or "step" */
  const char *name, *prefix, *call;
  /* constant: an int8 model without f32 inputs, so that the run time does not depend on the inputs' values */
  bool int8, constant;
  WordList inputs; /* the files that the compiler read */
  Outputs *outputs;
  Diags *diags;
} AssurePack;

#define AT(member) offsetof(AssurePack, member)
static const Flag assure_options[] = {
    {NULL, 'o', required_argument, flag_file, AT(folder), "-o FOLDER",
     "the new folder; existing files are never overwritten", "@folder"},
    {"weights", 0, required_argument, flag_file, AT(weights), "--weights=FILE",
     "trained weights to compile in", "@file"},
    {"cpu", 0, required_argument, flag_text, AT(cpu_name), "--cpu=NAME",
     "also write the optimized C for a microcontroller's CPU, with its estimated cycles, in a folder with "
     "the CPU's name; make prove checks this C with Eva, unless the CPU has vectors",
     "@cpus"},
    {"flash-wait", 0, required_argument, flag_count, AT(flash_wait), "--flash-wait=CYCLES",
     "with --cpu: extra cycles to read 16 bytes from flash instead of RAM", NULL},
    FLAG_STREAMING(AT(streaming)),
    FLAG_DEFINE(AT(defines)),
    FLAG_WARNINGS(AT(warnings)),
    FLAG_HELP(AT(help)),
    FLAG_END,
};

/* ---- the command line ---- */
/* Whether a word needs no quotes in a Makefile and in a shell. */
static bool is_plain_word(const char *word) {
  return !word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-/")];
}

static bool check_defines(const AssurePack *p) {
  for (int i = 0; i < p->defines.n; i++)
    if (!is_plain_word(p->defines.data[i].value))
      return usage_error("-D %s=%s: the Makefile needs a number or a word", p->defines.data[i].name,
                         p->defines.data[i].value);
  return true;
}

/* Checks that the name can be in single quotes in the Makefile. */
static bool check_file_name(const char *path) {
  return !strpbrk(base_name(path), "'$\\\n") ||
         usage_error("'%s': the Makefile cannot contain this name", path);
}

static bool read_assure_line(AssurePack *p, int argc, char **argv) {
  if (!flags_read(p->arena, assure_options, p, &p->given, argc, argv)) return false;
  if (p->help) return true;
  if (optind == argc) return usage_error("missing program: cnnc assure NET.cnn --weights=FILE -o FOLDER");
  if (argc - optind > 1) return usage_error("more than one program: cnnc assure checks one at a time");
  p->input = argv[optind];
  if (!p->weights) return usage_error("the checks need compiled-in weights: --weights=FILE is missing");
  if (!p->folder) return usage_error("missing folder: -o FOLDER");
  for (size_t n = strlen(p->folder); n > 1 && p->folder[n - 1] == '/'; n--)
    p->folder = arena_copy(p->arena, p->folder, n - 1);
  p->cpu = p->cpu_name ? cpu_find(p->cpu_name) : NULL;
  if (p->cpu && p->cpu->core)
    return usage_error("--cpu=%s: cnnc assure needs a microcontroller here; the folder has generic C, too",
                       p->cpu->name);
  if (p->cpu_name && !p->cpu) return unknown_word("CPU", p->cpu_name, options_cpus(p->arena));
  if (p->flash_wait && !p->cpu)
    return usage_error("--flash-wait is for microcontrollers: it needs --cpu=NAME");
  return options_check_streaming(&p->streaming) && check_defines(p) && check_file_name(p->input) &&
         check_file_name(p->weights);
}

/* ---- files ---- */
static bool add_pack_file(const AssurePack *p, const char *file, const char *bytes, size_t n) {
  const char *path = arena_printf(p->arena, "%s/%s", p->folder, file), *why = NULL,
             *folder = arena_copy(p->arena, path, (size_t)(base_name(path) - 1 - path));
  return (outputs_folder(p->outputs, folder, &why) && outputs_add(p->outputs, path, bytes, n, &why)) ||
         diag_cannot_write(p->diags, path, why);
}

static const char *assure_text(const char *name) {
  int i = 0;
  while (strcmp(assure_texts[i].name, name) != 0) i++;
  return assure_texts[i].text;
}

static bool add_filled(const AssurePack *p, const char *file, const char *template, const Blank *blanks) {
  Text out = {.arena = p->arena};
  template_put(&out, assure_text(template), blanks);
  return add_pack_file(p, file, out.s, out.n);
}

/* ---- sources ---- */
/* The path, relative to source/, to which an input file is copied. For the weights this is the base name; for
 * a file of the compiler's own library (audio.cnn), the same, because an import finds it next to the program;
 * for other files, the path relative to the program's folder. NULL: the file is in another folder. */
static const char *path_in_folder(const AssurePack *p, const char *path) {
  const size_t n = (size_t)(base_name(p->input) - p->input);
  const char *library = file_library(p->arena, base_name(path));
  if (file_same(path, weights_file(p->arena, p->weights)) || (library && file_same(path, library)))
    return base_name(path);
  if (strncmp(path, p->input, n) != 0 || file_absolute(path + n) || strncmp(path + n, "../", 3) == 0 ||
      strstr(path + n, "/../"))
    return NULL;
  return path + n;
}

static bool copy_sources(const AssurePack *p) {
  for (int i = 0; i < p->inputs.n; i++) {
    const char *path = p->inputs.data[i], *inside = path_in_folder(p, path), *why = NULL;
    size_t n;
    const char *bytes = inside ? file_read(p->arena, path, &n, &why) : NULL;
    if (!inside) why = "it is outside the program's folder, so a copy of the program could not import it";
    if (!bytes) {
      diag_report(p->diags, DIAG_file_unreadable, NO_SPAN, NULL, "cannot copy '%s': %s", path, why);
      return false;
    }
    if (!add_pack_file(p, arena_printf(p->arena, "source/%s", inside), bytes, n)) return false;
  }
  return true;
}

/* ---- outputs of the compiler ---- */
static Options compiler_options(const AssurePack *p, const char *file) {
  Options options = OPTIONS_DEFAULT;
  options.input = p->input;
  options.output = arena_printf(p->arena, "%s/%s", p->folder, file);
  options.defines = p->defines;
  options.streaming = p->streaming;
  options.color = flag_wants_color(0);
  return options;
}

static void add_report(const AssurePack *p, Options *options, ReportKind kind, const char *file) {
  const ReportUse report = {kind, arena_printf(p->arena, "%s/%s", p->folder, file)};
  vec_push(p->arena, options->reports, report);
}

/* Disables all warnings, because they were already reported for the annotated C. */
static void silence(const AssurePack *p, Options *options) {
  for (const char *const *slug = flag_slugs(p->arena, true); *slug; slug++)
    vec_push(p->arena, options->warnings, arena_printf(p->arena, "no-%s", *slug));
}

static bool write_annotated(AssurePack *p) {
  Compiled result;
  Options options = compiler_options(p, arena_printf(p->arena, "%s.c", p->name));
  options.kind = OUTPUT_C;
  options.weights = p->weights;
  options.warnings = p->warnings;
  options.level = LEVEL_PLAIN;
  options.embed = EMBED_AS_TEXT;
  options.acsl = true;
  vec_push(p->arena, options.targets, target_find("generic"));
  add_report(p, &options, REPORT_TRACE, "trace.txt");
  add_report(p, &options, REPORT_TRACE, "trace.json");
  add_report(p, &options, REPORT_TRACE, "trace.csv");
  if (compile_into(p->arena, &options, p->outputs, &result)) return false;
  const Graph *graph = result.programs.infer->graph;
  p->prefix = graph->name;
  p->int8 = p->constant = graph->floats != NULL;
  for (int i = 0; i < graph->inputs.n; i++)
    p->constant = p->constant && graph->inputs.data[i].node->port->elem != F32;
  p->call = graph->stream || graph_states(graph) ? "step" : "infer";
  p->inputs = result.inputs;
  return true;
}

/* Writes program.json, which the validator reads: the layers and shapes of the program. */
static bool write_layers(const AssurePack *p) {
  Compiled result;
  Options options = compiler_options(p, "program.json");
  options.kind = OUTPUT_JSON;
  options.level = LEVEL_PLAIN;
  vec_push(p->arena, options.targets, target_find("generic"));
  silence(p, &options);
  return compile_into(p->arena, &options, p->outputs, &result) == 0;
}

/* With --cpu: writes the C text for this CPU, and its reports. */
static bool write_board(const AssurePack *p) {
  Compiled result;
  const char *why = NULL;
  if (!p->cpu) return true;
  if (!outputs_folder(p->outputs, arena_printf(p->arena, "%s/%s", p->folder, p->cpu->name), &why))
    return diag_cannot_write(p->diags, p->folder, why);
  Options options = compiler_options(p, arena_printf(p->arena, "%s/%s.c", p->cpu->name, p->name));
  options.kind = OUTPUT_C;
  options.weights = p->weights;
  options.embed = EMBED_AS_TEXT;
  options.cpu = p->cpu;
  options.acsl = target_is_scalar_board(target_find(p->cpu->target)); /* Frama-C has no vector types */
  options.flash_wait = p->flash_wait;
  options.targets_given = true;
  vec_push(p->arena, options.targets, target_find(p->cpu->target));
  silence(p, &options);
  add_report(p, &options, REPORT_TRACE, arena_printf(p->arena, "%s/trace.txt", p->cpu->name));
  add_report(p, &options, REPORT_TRACE, arena_printf(p->arena, "%s/trace.json", p->cpu->name));
  add_report(p, &options, REPORT_TRACE, arena_printf(p->arena, "%s/trace.csv", p->cpu->name));
  if (p->int8 && !p->cpu->varies) {
    add_report(p, &options, REPORT_WCET, arena_printf(p->arena, "%s/wcet.txt", p->cpu->name));
    add_report(p, &options, REPORT_WCET, arena_printf(p->arena, "%s/wcet.json", p->cpu->name));
  }
  return compile_into(p->arena, &options, p->outputs, &result) == 0;
}

/* ---- the texts ---- */
/* Whether the C computes steps of a sequence that the program has as a whole. */
static bool has_steps(const AssurePack *p) { return p->streaming.use.n || p->streaming.slide; }

/* Why `make validate` cannot check the C; "": it can. */
static const char *unvalidated_text(const AssurePack *p) {
  if (!p->int8) return "the exact results of float nets are not defined";
  return has_steps(p) ? "the validator computes whole sequences, and this C computes steps; see README.md"
                      : "";
}

/* The paragraph of README.md about the function that computes a step. */
static const char *step_text(const AssurePack *p) {
  if (!has_steps(p)) return "";
  return arena_printf(
      p->arena,
      "\nThe C computes one step of a sequence per call: `%s_step`. Eva calls `%s_reset`, and then\n"
      "`%s_step` any number of times, with any rows. `make count` and `make coverage` run five steps\n"
      "after a reset for each input. `program.json` has the layers of the whole sequence, and the rows of\n"
      "a step (`stream`).\n",
      p->prefix, p->prefix, p->prefix);
}

/* The table row of README.md about the outputs. */
static const char *outputs_claim(const AssurePack *p) {
  if (has_steps(p)) return "";
  return "| the outputs are those that docs/int8.md of cnnc defines | the validator, which shares no code "
         "with the compiler; a test, not a proof | `make validate` | int8 nets only |\n";
}

/* The paragraph of README.md, about the outputs of steps, under "Not claimed". */
static const char *step_outputs(const AssurePack *p) {
  if (!has_steps(p)) return "";
  return "- That the outputs of the steps are right: the validator computes whole sequences, so `make\n"
         "  validate` ends with an error. `net.check_stream()` of cnnc's Python package compares the steps\n"
         "  with the whole sequence. For an int8 net, `cnnc assure` without the options of steps writes a\n"
         "  folder that validates the whole sequence.\n";
}

/* The lines of README.md about the run time. */
static const char *timing_text(const AssurePack *p) {
  if (!p->cpu) return "No CPU was named (`--cpu`), so no cycles are estimated.";
  const char *cpu = p->cpu->name;
  if (p->cpu->varies)
    return arena_printf(p->arena, "No cycles are estimated for a %s: %s.", cpu, p->cpu->varies);
  if (!p->int8)
    return arena_printf(p->arena, "No cycles are estimated for a %s: estimates exist only for int8 models.",
                        cpu);
  return arena_printf(
      p->arena,
      "`%s/wcet.txt` has the estimated cycles of each layer. The estimates are not upper "
      "bounds. `bench/wcet` in the sources of cnnc bounds the cycles of the linked program%s.",
      cpu, has_steps(p) ? " (`--cnnc-option` passes the options of steps)" : "");
}

/* The table row of README.md for the C text for the board. */
static const char *board_row(const AssurePack *p) {
  if (!p->cpu) return "";
  const char *cpu = p->cpu->name,
             *about = target_is_scalar_board(target_find(p->cpu->target))
                          ? arena_printf(p->arena, ", with annotations and its own `%s.acsl.c`", p->name)
                          : ", which Frama-C cannot read",
             *run = *unvalidated_text(p) ? "`make count` runs" : "`make validate` and `make count` run",
             *where = " it on this machine, with plain C instead of the board's instructions";
  return arena_printf(p->arena, "| `%s/` | faster C for a %s%s; its trace%s%s%s |\n", cpu, cpu, about,
                      p->int8 ? ". " : "", p->int8 ? run : "", p->int8 ? where : "");
}

/* The table row of README.md with the claim about the C text for the board. */
static const char *board_claim(const AssurePack *p) {
  if (!p->cpu || !target_is_scalar_board(target_find(p->cpu->target))) return "";
  return arena_printf(
      p->arena,
      "| the first two claims for `%s/%s.c`, with plain C instead of the board's instructions "
      "| Frama-C (Eva) | `make prove` | this plain C computes the same results as the instructions, "
      "as cnnc's tests check in an emulator |\n",
      p->cpu->name, p->name);
}

/* The command that wrote the folder, without -o FOLDER. */
static const char *assure_command_text(const AssurePack *p) {
  Text out = {.arena = p->arena};
  text_put(&out, "cnnc assure %s", text_shell(p->arena, base_name(p->input)));
  for (int i = 0; i < p->given.n; i++)
    if (p->given.data[i].flag->name || p->given.data[i].flag->letter == 'D')
      text_put(&out, " %s", flag_shell(p->arena, &p->given.data[i]));
  return out.s;
}

static bool add_texts(const AssurePack *p) {
  const Blank blanks[] = {
      {"NAME", p->name},
      {"CALL", p->call},
      {"PROGRAM", base_name(p->input)},
      {"WEIGHTS", base_name(weights_file(p->arena, p->weights))},
      {"CPU", p->cpu ? p->cpu->name : ""},
      {"CHECKS", arena_printf(p->arena, "prove%s%s coverage misra", *unvalidated_text(p) ? "" : " validate",
                              p->constant ? " count" : "")},
      {"UNVALIDATED", unvalidated_text(p)},
      {"STEP", step_text(p)},
      {"OUTPUTS_CLAIM", outputs_claim(p)},
      {"STEP_OUTPUTS", step_outputs(p)},
      {"KIND", p->int8 ? "int8" : "float"},
      {"VERSION", PACKAGE_VERSION},
      {"COMMAND", assure_command_text(p)},
      {"TIMING", timing_text(p)},
      {"BOARD_ROW", board_row(p)},
      {"BOARD_CLAIM", board_claim(p)},
      {"PREFIX", p->prefix},
      {NULL, NULL}};
  return add_filled(p, "Makefile", "makefile.in", blanks) &&
         add_filled(p, "README.md", "readme.md.in", blanks) &&
         add_filled(p, "tools/prove.sh", "prove.sh.in", blanks) &&
         add_filled(p, "tools/count.sh", "count.sh.in", blanks) &&
         add_filled(p, "tools/run.c", "run.c.in", blanks) &&
         add_filled(p, "tools/__fc_builtin.h", "builtin.h.in", blanks) &&
         add_pack_file(p, "misra.md", assure_text("misra.md"), strlen(assure_text("misra.md")));
}

/* Adds SHA256SUMS: the hashes of all other files of the folder. */
static bool add_hashes(const AssurePack *p) {
  Text out = {.arena = p->arena};
  const char *path, *bytes;
  size_t n;
  for (int i = 0; (bytes = outputs_bytes(p->outputs, i, &path, &n)) != NULL; i++)
    text_put(&out, "%s  %s\n", sha256_text(p->arena, bytes, n), path + strlen(p->folder) + 1);
  return add_pack_file(p, "SHA256SUMS", out.s, out.n);
}

static bool write_pack(AssurePack *p) {
  const char *path = NULL, *why = NULL;
  if (!file_folder_free(p->folder, &why) || !outputs_folder(p->outputs, p->folder, &why))
    return diag_cannot_write(p->diags, p->folder, why);
  return write_annotated(p) && write_layers(p) && write_board(p) && copy_sources(p) && add_texts(p) &&
         add_hashes(p) && (outputs_commit(p->outputs, &path, &why) || diag_cannot_write(p->diags, path, why));
}

static int assure(Arena *arena, const char *cnnc, int argc, char **argv) {
  const Sources sources = {.arena = arena};
  AssurePack p = {.arena = arena, .outputs = outputs_new(arena), .diags = diags_new(arena, &sources)};
  (void)cnnc;
  if (!read_assure_line(&p, argc, argv)) return 2;
  if (p.help) return command_help(arena, &assure_command);
  const char *base = base_name(p.input), *dot = strrchr(base, '.');
  p.name = import_net_name(arena, dot ? arena_copy(arena, base, (size_t)(dot - base)) : base);
  const bool done = write_pack(&p);
  if (!done) outputs_abandon(p.outputs);
  diags_print(p.diags, stderr, DIAG_TEXT, flag_wants_color(0));
  if (done)
    printf("%s: C, reports and checks of %s. Next: make -C %s prove\n", p.folder, base,
           text_shell(arena, p.folder));
  return done ? 0 : 1;
}

const Command assure_command = {
    "assure",
    "NET.cnn --weights=FILE -o FOLDER [--cpu=NAME] [--stream=N]",
    "creates a folder for checks of a net's C with other tools",
    "Creates a folder with the C of a net (annotated for Frama-C), a trace from its functions to the layers, "
    "a MISRA report, copies of the sources, hashes, and a Makefile that checks the C with other tools: `make "
    "prove` (Frama-C), `make validate` (a second implementation of int8 nets), `make count` (constant time), "
    "`make coverage`, `make misra`. README.md in the folder states each claim, the tool that confirms it, "
    "and its assumptions.",
    "Exit status: 0; 1 if the folder is not empty, or for an error in the program or the weights (nothing is "
    "written); 2 for a usage error; 3 for a bug in cnnc.",
    assure_options,
    ".cnn",
    assure,
};
