/* output.c: Last stages of a compilation: writes the output (a view, C, a library, a model file), the reports
 * and the dependency file, and runs the C compiler. */
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "backend/weights.h"
#include "compilation.h"
#include "export/onnx_out.h"
#include "report/dot.h"
#include "report/graph_dump.h"
#include "report/memory_table.h"
#include "report/trace.h"
#include "report/wcet.h"

static bool same_file(const char *a, const char *b) { return a && b && file_same(a, b); }

static const char *weights_path(const Compilation *c) {
  return c->options->weights ? weights_file(c->arena, c->options->weights) : NULL;
}

/* All input files: the program first, then its imports, then the other files. */
WordList input_files(const Compilation *c) {
  const char *const other[] = {c->labels_file, weights_path(c), c->options->rename, c->tuning_file};
  WordList files = {0};
  for (int i = c->program ? c->program->files.n - 1 : -1; i >= 0; i--)
    vec_push(c->arena, files, c->program->files.data[i]->path);
  for (int i = 0; i < 4; i++)
    if (other[i]) vec_push(c->arena, files, other[i]);
  return files;
}

/* Whether the output would overwrite an input file; if so, an error is reported. */
static bool overwrites_input(Compilation *c, const char *path) {
  const WordList files = input_files(c);
  bool same = false;
  for (int i = 0; i < files.n; i++) same = same || same_file(path, files.data[i]);
  return same && !cannot_write(c, path, "it is an input file");
}

static bool add_output_bytes(Compilation *c, const char *path, const void *bytes, size_t n) {
  const char *why = NULL;
  if (overwrites_input(c, path)) return false;
  return outputs_add(c->outputs, path, bytes, n, &why) || cannot_write(c, path, why);
}

static bool add_output(Compilation *c, const char *path, const Text *text) {
  return add_output_bytes(c, path, text->n ? text->s : "", text->n);
}

static void dump_after(const Compilation *c, Text *text) {
  const char *pass = c->options->after;
  const PlanKind kind = c->training                          ? PLAN_TRAINING
                        : pass_belongs(pass, PLAN_INFERENCE) ? PLAN_INFERENCE
                                                             : PLAN_LOOK;
  plan_dump(text, plan_after(c->arena, c->graph, kind, plan_options(c, kind), pass));
}

/* The table of layers; with --target or --cpu, also the use of flash and RAM. */
static void put_program_summary(Compilation *c, Text *text) {
  text_put(text, "%s", c->summary);
  if (!c->options->targets_given) return;
  text_put(text, "\n");
  memory_table(text, c->layout, c->options->train_given);
}

static bool put_view(Compilation *c) {
  const Options *o = c->options;
  Text text = {.arena = c->arena};
  if (o->kind == OUTPUT_AST) ast_dump(&text, c->program);
  else if (o->kind == OUTPUT_DOT) graph_dot(&text, c->graph);
  else if (o->kind == OUTPUT_GRAPH && o->after) dump_after(c, &text);
  else if (o->kind == OUTPUT_GRAPH) graph_dump(&text, c->graph);
  else if (o->kind == OUTPUT_SUMMARY) put_program_summary(c, &text);
  else if (o->kind == OUTPUT_NESTS) program_nests(&text, &c->programs);
  else if (o->kind == OUTPUT_LOWERED) {
    const Program *const all[] = {c->programs.infer, c->programs.train, c->programs.look};
    for (int i = 0; i < 3; i++)
      if (all[i]) program_dump(&text, all[i]);
  } else if (o->kind == OUTPUT_SCHEDULE) program_schedules(&text, &c->programs, &c->lowering, &c->sources);
  else {
    const SummarySizes sizes = sizes_of(c);
    Text board = {.arena = c->arena};
    if (o->targets_given) footprint_json(&board, c->layout);
    graph_json(&text, &c->sources, c->graph, &sizes, board.n ? board.s : "");
  }
  return add_output(c, o->output, &text);
}

static bool write_header(Compilation *c, const char *path) {
  Text text = {.arena = c->arena};
  emit_header(&text, c->net);
  return add_output(c, path, &text);
}

/* ---- C ---- */
static const BackendKind backend_kind[] = {[OUTPUT_OBJECT] = BACKEND_OBJECT,
                                           [OUTPUT_SHARED] = BACKEND_SHARED,
                                           [OUTPUT_WASM] = BACKEND_WASM,
                                           [OUTPUT_PROGRAM] = BACKEND_PROGRAM};

static bool write_text(Compilation *c) {
  const Options *o = c->options;
  const bool compiled = options_backend(o->kind);
  const bool several = compiled && backend_takes_units(c->arena, backend_kind[o->kind], o->machine != NULL);
  c->units = emit_units(c->arena, c->net, several, &c->nunits);
  stage_done(c, "print");
  c->data.bytes = emit_weights(c->net, &c->data.n);
  if (c->data.bytes) stage_done(c, "pack weights");
  if (compiled) return true;
  if (!add_output(c, o->output, &c->units->text)) return false;
  if (!c->data.bytes || c->emit.embed == EMBED_OBJECT) return true;
  const char *path = with_suffix(c->arena, o->output, ".weights.bin");
  if (!add_output_bytes(c, path, c->data.bytes, c->data.n)) return false;
  stage_done(c, "write weights");
  return true;
}

static bool write_acsl_entry(Compilation *c) {
  const char *path = with_suffix(c->arena, c->options->output, ".acsl.c");
  Text text = {.arena = c->arena};
  if (!c->options->acsl) return true;
  if (c->data.bytes)
    return cannot_write(c, path, "Frama-C reads weights in the C file only; --embed=text puts them there");
  emit_acsl_entry(&text, c->net, base_name(c->options->output));
  return add_output(c, path, &text);
}

static bool write_model(Compilation *c) {
  size_t n;
  const void *model = emit_model(c->net, &n);
  stage_done(c, "pack weights");
  return add_output_bytes(c, c->options->output, model, n);
}

/* False, after an error: the output needs weights, and there are none. An ONNX model of a net without
 * parameters needs no weights. */
static bool has_weights(Compilation *c) {
  const bool onnx = c->options->kind == OUTPUT_ONNX;
  if (c->quantized) return true;
  if (c->graph->parameters ? c->weights != NULL : onnx) return true;
  const char *name = c->graph->name;
  if (c->graph->parameters == 0)
    diag_report(c->diags, DIAG_no_weights, c->graph->name_span, NULL,
                "net %s has no parameters, so there is no model to write", name);
  else {
    Diag *diag = diag_report(c->diags, DIAG_no_weights, c->graph->name_span, NULL,
                             "%s needs trained weights, but net %s has none",
                             onnx ? "an ONNX model" : "a model file", name);
    diag_help(diag, "--weights=FILE reads them from a .safetensors, .npz or PyTorch file");
  }
  return false;
}

static bool adopt_output(Compilation *c, const char *path, const char **temporary) {
  const char *why = NULL;
  if (overwrites_input(c, path)) return false;
  return outputs_adopt(c->outputs, path, temporary, &why) || cannot_write(c, path, why);
}

/* ---- ONNX ---- */
#ifdef __wasi__ /* the browser build reads no weights and creates no folders */
static bool write_onnx(Compilation *c) {
  return cannot_write(c, c->options->output, "the browser build writes no ONNX models");
}

static bool write_library(Compilation *c) {
  return cannot_write(c, c->options->output, "the browser build creates no folders");
}
static bool write_example(Compilation *c) { return write_library(c); }
static bool library_possible(Compilation *c) { return write_library(c); }
static const char *library_file(const Compilation *c, const char *path) { return (void)c, path; }
#else
static const size_t onnx_most = 0x7fffffff; /* maximum bytes of a protobuf message */
/* bytes; if a model exceeds onnx_most, its tensors of at least this size are stored in a separate file */
enum { ONNX_DETACHED = 1024 };

/* ONNX needs the parameters of an activation such as prelu. An activation cannot be exported if the weight
 * file has only the activation's lookup table. */
static bool check_function_tables(Compilation *c) {
  for (int i = 0; i < c->graph->floats->nodes.n; i++) {
    const Node *node = c->graph->floats->nodes.data[i];
    if (!quant_file_find(c->file, arena_printf(c->arena, "%s.table", node->name))) continue;
    for (int k = 0; k < node->nweights; k++)
      if (node->weight[k] && !quant_file_find(c->file, node->weight[k]->name)) {
        diag_report(c->diags, DIAG_onnx_operator, node->span, node->site,
                    "%s '%s' cannot be exported to ONNX: the weight file has a lookup table instead of '%s'",
                    node->op->name, node->name, node->weight[k]->name);
        return false;
      }
  }
  return true;
}

/* ONNX has no operator for a recurrent layer with int8 weights and values. */
static bool check_recurrent_layers(Compilation *c) {
  for (int i = 0; i < c->graph->floats->nodes.n; i++) {
    const Node *node = c->graph->floats->nodes.data[i];
    const Int8Form form = node->op->traits.int8;
    if ((form != INT8_RECURRENT && form != INT8_SVDF) || !c->made[i]) continue;
    const QuantArray *weight = quant_file_find(c->file, node->weight[0]->name);
    if (!weight || weight->elem != I8) continue;
    Diag *diag =
        diag_report(c->diags, DIAG_onnx_operator, node->span, node->site,
                    "%s '%s' has no form in ONNX: an int8 recurrent layer", node->op->name, node->name);
    diag_help(diag, "cnnc quantize --keep=%s leaves the layer in float", node->name);
    return false;
  }
  return true;
}

static const Graph *int8_export_graph(Compilation *c, OnnxNumbers *numbers) {
  Arrays *arrays = NEW(c->arena, Arrays);
  const Graph *graph = quantize_written(c->arena, c->graph, c->made, c->file, arrays);
  *numbers = (OnnxNumbers){constant_weights(c->arena, graph), arrays};
  Rounding rounding = c->file->rounding;
  for (int i = 0; i < c->graph->nodes.n && rounding == ROUNDING_FLOAT; i++)
    rounding = quant_file_rounding(c->file, c->graph->nodes.data[i]->name);
  if (rounding == ROUNDING_FLOAT) return graph;
  Diag *diag = diag_report(
      c->diags, DIAG_onnx_rounding, c->graph->name_span, NULL,
      "ONNX rounds as in the rounding mode float, but this net uses %s: int8 results may differ by 1",
      rounding_name(rounding));
  diag_help(diag, "cnnc import --rounding=%s restores the exact results", rounding_name(rounding));
  return graph;
}

static bool write_onnx(Compilation *c) {
  const char *path = c->options->output, *beside = with_suffix(c->arena, path, ".onnx.data"), *temporary;
  OnnxNumbers numbers = {.weights = c->weights};
  if (c->quantized && (!check_function_tables(c) || !check_recurrent_layers(c))) return false;
  const Graph *graph = c->quantized ? int8_export_graph(c, &numbers) : c->graph;
  const OnnxOptions options = {c->options->layout == 1, c->options->opset == 1 ? 23 : 17};
  ModelProto *model = onnx_out(c->arena, c->diags, graph, &numbers, &options);
  if (!model) return false;
  if (onnx_bytes(model) > onnx_most) {
    const WireList data = onnx_detach(c->arena, model, base_name(beside), ONNX_DETACHED);
    if (!adopt_output(c, beside, &temporary)) return false;
    if (!onnx_save_detached(&data, temporary)) return cannot_write(c, beside, strerror(errno));
  }
  if (!adopt_output(c, path, &temporary)) return false;
  if (!onnx_save(model, temporary)) return cannot_write(c, path, strerror(errno));
  stage_done(c, "write ONNX");
  return true;
}

/* ---- a program that calls the net ---- */
static bool write_example(Compilation *c) {
  Text text = {.arena = c->arena};
  emit_embed(&text, c->net);
  return add_output(c, c->options->output, &text);
}

/* ---- libraries ---- */
/* Whether the file was generated for this library. *there: whether the file exists. */
static bool has_library_mark(Compilation *c, const char *path, bool *there) {
  size_t n;
  const char *why, *text = file_read(c->arena, path, &n, &why);
  *there = text || file_exists(path);
  return text && strstr(text, library_mark(c->arena, c_name(c))) != NULL;
}

static bool overwrites_other_file(Compilation *c, const char *path) {
  bool there;
  if (has_library_mark(c, path, &there) || !there) return false;
  return !cannot_write(
      c, path,
      arena_printf(c->arena,
                   "it exists, and was not created by cnnc for the library %s; move it, or write the "
                   "library to another folder",
                   c_name(c)));
}

/* Whether an option has no effect on the files of a library, or command_of prints it itself. */
static bool is_no_part(const Flag *flag) {
  static const char letters[] = "oMWv";
  static const char *const names[] = {"emit",        "target", "cc",  "diagnostics", "color", "summary",
                                      "time-report", "report", "fix", "runtime-dir", NULL};
  for (int i = 0; flag->name && names[i]; i++)
    if (strcmp(names[i], flag->name) == 0) return true;
  return !flag->name && strchr(letters, flag->letter);
}

/* The command that generates the folder, with base names of files. It names the targets, because the default
 * depends on the machine. */
static const char *command_of(const Compilation *c) {
  const Options *o = c->options;
  Text text = {.arena = c->arena};
  text_put(&text, "cnnc %s", text_shell(c->arena, base_name(o->input)));
  for (int i = 0; i < o->given.n; i++)
    if (!is_no_part(o->given.data[i].flag)) text_put(&text, " %s", flag_shell(c->arena, &o->given.data[i]));
  for (int i = 0; i < o->targets.n; i++)
    text_put(&text, "%s%s", i ? "," : " --target=", o->targets.data[i]->name);
  text_put(&text, " --emit=library -o %s", c_name(c));
  return text.s;
}

static LibraryMetadata library_metadata(const Compilation *c) {
  const Options *o = c->options;
  return (LibraryMetadata){.version = o->version_name ? o->version_name : "1.0.0",
                           .author = o->author ? o->author : "The author of the net",
                           .url = o->url ? o->url : "https://example.com",
                           .command = command_of(c)};
}

static const char *library_file(const Compilation *c, const char *path) {
  return arena_printf(c->arena, "%s/%s", c->options->output, path);
}

static bool create_parent_folder(Compilation *c, const char *path) {
  const char *why, *folder = arena_copy(c->arena, path, (size_t)(base_name(path) - 1 - path));
  return outputs_folder(c->outputs, folder, &why) || cannot_write(c, folder, why);
}

static bool library_possible(Compilation *c) {
  const char *name = c_name(c);
  return !library_name_taken(name) ||
         cannot_write(c, library_file(c, arena_printf(c->arena, "src/%s.h", name)),
                      "a system header has this name: choose another name with --prefix=NAME");
}

static bool write_library(Compilation *c) {
  const LibraryMetadata metadata = library_metadata(c);
  const LibraryFile *files = emit_library(c->net, &metadata);
  stage_done(c, "print");
  bool fine = true;
  for (const LibraryFile *file = files; file->path; file++)
    fine = !overwrites_other_file(c, library_file(c, file->path)) && fine;
  for (const LibraryFile *file = files; fine && file->path; file++) {
    const char *path = library_file(c, file->path);
    fine = create_parent_folder(c, path) && add_output(c, path, &file->text);
  }
  return fine;
}
#endif

bool output_possible(Compilation *c) {
  const Options *o = c->options;
  const char *header = o->output && !options_view(o->kind) ? header_path(c) : NULL;
  if (o->kind == OUTPUT_ONNX || o->kind == OUTPUT_MODEL) return has_weights(c);
  if (header && strpbrk(base_name(header), "\"\\\n"))
    return cannot_write(c, header, "C cannot include a header with this name");
  return o->kind != OUTPUT_LIBRARY || library_possible(c);
}

static bool write_code(Compilation *c) {
  const Options *o = c->options;
  const char *header = header_path(c);
  if (o->kind == OUTPUT_ONNX) return write_onnx(c);
  c->net = emit_net(c->layout, &c->sources, &c->emit);
  if (o->kind == OUTPUT_LIBRARY) return write_library(c);
  if (o->kind == OUTPUT_EXAMPLE) return write_example(c);
  if (o->kind == OUTPUT_MODEL) return write_model(c);
  if (o->kind == OUTPUT_HEADER) return write_header(c, o->output);
  return write_text(c) && (!header || write_header(c, header)) && write_acsl_entry(c);
}

/* ---- reports ---- */
#ifdef __wasi__ /* the browser build has no reports */
static bool write_reports(Compilation *c) { return (void)c, true; }
#else
/* The layers as written in the program: the float layers of the whole net, not of a step. */
static const Graph *written_graph(const Compilation *c) {
  const Graph *graph = c->graph->stream ? c->graph->stream->whole : c->graph;
  return c->quantized ? c->floats : graph;
}

static bool ends_with(const char *path, const char *suffix) {
  const size_t n = strlen(path), m = strlen(suffix);
  return n >= m && strcmp(path + n - m, suffix) == 0;
}

static void put_trace(Compilation *c, Text *text, const char *path) {
  const TraceOf of = {.layout = c->layout,
                      .sources = &c->sources,
                      .program = written_graph(c),
                      .made = c->quantized ? c->made : NULL,
                      .c = c->units->text.s,
                      .file = base_name(c->options->output)};
  const Trace *trace = trace_new(c->arena, &of);
  if (ends_with(path, ".json")) trace_json(text, trace);
  else if (ends_with(path, ".csv")) trace_csv(text, trace);
  else trace_text(text, trace);
}

static bool put_wcet(Compilation *c, Text *text, const char *path) {
  const Options *o = c->options;
  const WcetOf of = {.layout = c->layout,
                     .cpu = o->cpu,
                     .flash_wait = o->flash_wait,
                     .plain = options_plain(o),
                     .int8 = c->quantized};
  const char *help, *why = wcet_refused(&of, &help);
  if (why) {
    Diag *diag = diag_report(c->diags, DIAG_no_bound, NO_SPAN, NULL, "no estimate of cycles: %s", why);
    if (help) diag_help(diag, "%s", help);
    return false;
  }
  if (ends_with(path, ".json")) wcet_json(text, &of);
  else wcet_text(text, &of);
  return true;
}

static bool write_reports(Compilation *c) {
  for (int i = 0; i < c->options->reports.n; i++) {
    const ReportUse *report = &c->options->reports.data[i];
    Text text = {.arena = c->arena};
    if (report->kind == REPORT_TRACE) put_trace(c, &text, report->path);
    else if (!put_wcet(c, &text, report->path)) return false;
    if (!add_output(c, report->path, &text)) return false;
  }
  return true;
}
#endif

/* ---- for make ---- */
/* Prints a file name in a rule, escaped as make requires; nothing for NULL. */
static void put_path(Text *out, const char *before, const char *path) {
  if (!path) return;
  text_put(out, "%s", before);
  for (; *path; path++) {
    if (*path == '$') text_put(out, "$");
    else if (*path == ' ' || *path == '#' || *path == '\\') text_put(out, "\\");
    text_bytes(out, path, 1);
  }
}

/* The target of the rule: for a library one of its files, because the modification time of a folder is not
 * reliable. */
static const char *output_target(const Compilation *c) {
  const Options *o = c->options;
  if (o->kind == OUTPUT_LIBRARY) return library_file(c, arena_printf(c->arena, "src/%s.c", c_name(c)));
  return o->output && strcmp(o->output, "-") != 0 ? o->output
                                                  : with_suffix(c->arena, base_name(o->input), ".c");
}

static bool write_dependencies(Compilation *c) {
  const Options *o = c->options;
  if (!o->dependencies) return true;
  Text text = {.arena = c->arena};
  const char *path = o->dependency_file ? o->dependency_file : with_suffix(c->arena, o->output, ".d");
  put_path(&text, "", output_target(c));
  text_put(&text, ":");
  const WordList files = input_files(c);
  for (int i = 0; i < files.n; i++) put_path(&text, " ", files.data[i]);
  text_put(&text, "\n");
  return add_output(c, path, &text);
}

/* ---- stages ---- */
bool emit_output(Compilation *c) {
  const Options *o = c->options;
  return (!o->output || (options_view(o->kind) ? put_view(c) : write_code(c))) && write_reports(c) &&
         write_dependencies(c);
}

/* The import library of a .dll is next to it: net.dll, net.lib. */
static bool adopt_import(Compilation *c, Backend *backend) {
  const Options *o = c->options;
  const System *system = o->system ? o->system : o->machine ? NULL : system_here();
  if (backend->kind != BACKEND_SHARED || !system || !system->import) return true;
  return adopt_output(c, with_suffix(c->arena, o->output, system->import), &backend->import);
}

static bool run_backend(Compilation *c, BackendKind kind, const EmitUnit *from, int n, const char *path) {
  const Options *o = c->options;
  static const char *const optimize[] = {
      [LEVEL_FULL] = "-O3", [LEVEL_PLAIN] = "-O1", [LEVEL_QUICK] = "-O1", [LEVEL_SMALL] = "-Os"};
  static const char *const less[] = {[USE_HOT] = "-O3", [USE_PACKING] = "-O2", [USE_COLD] = "-O1"};
  BackendUnit *unit = NEW_ARRAY(c->arena, BackendUnit, n);
  for (int i = 0; i < n; i++)
    unit[i] = (BackendUnit){from[i].text.s, from[i].text.n,
                            o->level == LEVEL_FULL ? less[from[i].use] : optimize[o->level],
                            .vectorize = o->level == LEVEL_QUICK};
  const char *const *cross = !o->machine               ? NULL
                             : o->system               ? system_cross(c->arena, o->system, o->machine->arch)
                             : o->cpu && o->cpu->cross ? o->cpu->cross
                                                       : o->machine->cross;
  Backend backend = {.arena = c->arena,
                     .kind = kind,
                     .cc = o->cc,
                     .cross = cross,
                     .system = o->system,
                     .arch = o->machine ? o->machine->arch : NULL,
                     .file = base_name(o->output),
                     .runtime = o->runtime,
                     .openmp = o->threaded && !o->pool,
                     .pool = o->pool,
                     .mpi = o->mpi,
                     .verbose = o->verbose,
                     .data = c->data.bytes,
                     .data_bytes = c->data.n};
  const char *temporary = NULL, *why = NULL;
  if (!adopt_output(c, path, &temporary) || !adopt_import(c, &backend)) return false;
  backend.messages = messages_open(c);
  const bool done = backend_compile(&backend, unit, n, temporary, &why);
  stage_done(c, "C compiler");
  if (!done) backend_failed(c, &backend, why);
  if (backend.messages) fclose(backend.messages);
  return done;
}

static bool compile_weights(Compilation *c) {
  EmitUnit unit = {.text = {.arena = c->arena}};
  emit_weights_object(&unit.text, c->net);
  return run_backend(c, BACKEND_OBJECT, &unit, 1, with_suffix(c->arena, c->options->output, ".weights.o"));
}

bool backend(Compilation *c) {
  const Options *o = c->options;
  if (options_backend(o->kind)) return run_backend(c, backend_kind[o->kind], c->units, c->nunits, o->output);
  return !c->data.bytes || c->emit.embed != EMBED_OBJECT || compile_weights(c);
}

void print_results(Compilation *c) {
  Text text = {.arena = c->arena};
  if (c->order) fputs(c->order, stdout);
  if (!c->layout || (!c->options->summary && (c->options->output || c->order))) return;
  put_program_summary(c, &text);
  fputs(text.s, stdout);
}
