/* write.c: what a compilation writes: a view, C with its header and weights, or what the backend makes of it.
 */
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "backend/weights.h"
#include "compilation.h"
#include "export/onnx_out.h"
#include "report/dot.h"
#include "report/graph_dump.h"
#include "report/memory_table.h"

static bool same_file(const char *a, const char *b) {
  struct stat x, y;
  return a && b && stat(a, &x) == 0 && stat(b, &y) == 0 && S_ISREG(x.st_mode) && x.st_dev == y.st_dev &&
         x.st_ino == y.st_ino;
}

static const char *weights_path(const Compilation *c) {
  return c->options->weights ? weights_file(c->arena, c->options->weights) : NULL;
}

/* What was read is never written over. */
static bool spares_inputs(Compilation *c, const char *path) {
  bool same = same_file(path, weights_path(c)) || same_file(path, c->labels_file) ||
              same_file(path, c->options->rename) || same_file(path, c->tuning_file);
  for (int i = 0; i < c->program->files.n; i++)
    same = same || same_file(path, c->program->files.data[i]->path);
  return !same || cannot_write(c, path, "the program is read from it");
}

static bool add_bytes(Compilation *c, const char *path, const void *bytes, size_t n) {
  const char *why = NULL;
  if (!spares_inputs(c, path)) return false;
  return outputs_add(c->outputs, path, bytes, n, &why) || cannot_write(c, path, why);
}

bool add_output(Compilation *c, const char *path, const Text *text) {
  return add_bytes(c, path, text->n ? text->s : "", text->n);
}

static void dump_after(const Compilation *c, Text *text) {
  const char *pass = c->options->after;
  const PlanKind kind = c->training                          ? PLAN_TRAINING
                        : pass_belongs(pass, PLAN_INFERENCE) ? PLAN_INFERENCE
                                                             : PLAN_LOOK;
  plan_dump(text, plan_after(c->arena, c->graph, kind, plan_options(c, kind), pass));
}

/* What of flash and what of RAM, where one asks for a target. */
static void put_summary(Compilation *c, Text *text) {
  text_put(text, "%s", c->summary);
  if (!c->options->targets_given) return;
  text_put(text, "\n");
  memory_table(text, c->layout, c->options->train_given);
}

bool write_view(Compilation *c) {
  const Options *o = c->options;
  Text text = {.arena = c->arena};
  if (o->kind == OUTPUT_AST) ast_dump(&text, c->program);
  else if (o->kind == OUTPUT_DOT) graph_dot(&text, c->graph);
  else if (o->kind == OUTPUT_GRAPH && o->after) dump_after(c, &text);
  else if (o->kind == OUTPUT_GRAPH) graph_dump(&text, c->graph);
  else if (!lower(c)) return false;
  else if (o->kind == OUTPUT_SUMMARY) put_summary(c, &text);
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

/* The text of its functions, when they are lowered. */
static Net *net_of(Compilation *c) {
  if (!c->net) c->net = emit_net(c->layout, &c->sources, &c->emit);
  return c->net;
}

static bool write_header(Compilation *c, const char *path) {
  Text text = {.arena = c->arena};
  emit_header(&text, net_of(c));
  return add_output(c, path, &text);
}

typedef struct Bytes {
  const void *data;
  size_t n;
} Bytes;

static bool run_backend(Compilation *c, BackendKind kind, const EmitUnit *from, int n, Bytes weights,
                        const char *path) {
  const Options *o = c->options;
  static const char *const optimize[] = {
      [LEVEL_FULL] = "-O3", [LEVEL_PLAIN] = "-O1", [LEVEL_QUICK] = "-O1", [LEVEL_SMALL] = "-Os"};
  static const char *const less[] = {[USE_STEADY] = "-O3", [USE_PACKING] = "-O2", [USE_SELDOM] = "-O1"};
  BackendUnit *unit = NEW_ARRAY(c->arena, BackendUnit, n);
  for (int i = 0; i < n; i++)
    unit[i] = (BackendUnit){from[i].text.s, from[i].text.n,
                            o->level == LEVEL_FULL ? less[from[i].use] : optimize[o->level],
                            .vectorize = o->level == LEVEL_QUICK};
  Backend backend = {.arena = c->arena,
                     .kind = kind,
                     .cc = o->cc,
                     .cross = !o->machine ? NULL
                              : o->cpu    ? o->cpu->cross
                                          : o->machine->cross,
                     .soname = base_name(o->output),
                     .runtime = o->runtime,
                     .openmp = o->openmp,
                     .mpi = o->mpi,
                     .verbose = o->verbose,
                     .data = weights.data,
                     .data_bytes = weights.n};
  const char *temporary = NULL, *why = NULL;
  if (!spares_inputs(c, path)) return false;
  if (!outputs_adopt(c->outputs, path, &temporary, &why)) return cannot_write(c, path, why);
  backend.messages = messages_open(c);
  const bool done = backend_compile(&backend, unit, n, temporary, &why);
  stage_done(c, "C compiler");
  if (!done) backend_failed(c, &backend, why);
  if (backend.messages) fclose(backend.messages);
  return done;
}

static bool write_weights_object(Compilation *c, Bytes weights) {
  EmitUnit unit = {.text = {.arena = c->arena}};
  emit_weights_object(&unit.text, net_of(c));
  return run_backend(c, BACKEND_OBJECT, &unit, 1, weights,
                     with_suffix(c->arena, c->options->output, ".weights.o"));
}

/* What net.c does not hold itself. */
static bool write_weights(Compilation *c, Bytes weights) {
  if (!weights.data) return true;
  if (c->emit.embed == EMBED_OBJECT) return write_weights_object(c, weights);
  return add_bytes(c, with_suffix(c->arena, c->options->output, ".weights.bin"), weights.data, weights.n);
}

static bool write_text(Compilation *c) {
  const Options *o = c->options;
  static const BackendKind kind[] = {[OUTPUT_OBJECT] = BACKEND_OBJECT,
                                     [OUTPUT_SHARED] = BACKEND_SHARED,
                                     [OUTPUT_WASM] = BACKEND_WASM,
                                     [OUTPUT_PROGRAM] = BACKEND_PROGRAM};
  const bool backend = options_backend(o->kind);
  const bool several = backend && backend_takes_units(c->arena, kind[o->kind], o->machine != NULL);
  int n;
  Bytes weights;
  const EmitUnit *unit = emit_units(c->arena, net_of(c), several, &n);
  stage_done(c, "print");
  weights.data = emit_weights(net_of(c), &weights.n);
  if (weights.data) stage_done(c, "pack weights");
  if (backend) return run_backend(c, kind[o->kind], unit, n, weights, o->output);
  if (!add_output(c, o->output, &unit->text) || !write_weights(c, weights)) return false;
  if (weights.data) stage_done(c, "write weights");
  return true;
}

static bool write_model(Compilation *c) {
  Bytes model;
  model.data = emit_model(net_of(c), &model.n);
  stage_done(c, "pack weights");
  return add_bytes(c, c->options->output, model.data, model.n);
}

/* What a model is made of; one of ONNX may have none. */
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
                             "a model %s trained weights, and none are given for net %s",
                             onnx ? "of ONNX holds" : "is made of", name);
    diag_help(diag, "--weights=FILE names a .safetensors or .npz file of them, or one of PyTorch");
  }
  return false;
}

/* ---- ONNX ---- */
#ifdef __wasi__ /* a page reads no weights and makes no folders */
static bool write_onnx(Compilation *c) {
  return cannot_write(c, c->options->output, "a page writes no models of ONNX");
}

bool write_library(Compilation *c) { return cannot_write(c, c->options->output, "a page makes no folders"); }
static bool write_example(Compilation *c) { return write_library(c); }
const char *library_file(const Compilation *c, const char *path) { return (void)c, path; }
#else
enum { ONNX_DETACHED = 1024 }; /* bytes of the least tensor that goes into the file beside a large model */
static const size_t onnx_most = 0x7fffffff; /* bytes that a message may have */

static bool spare_file(Compilation *c, const char *path, const char **temporary) {
  const char *why = NULL;
  if (!spares_inputs(c, path)) return false;
  return outputs_adopt(c->outputs, path, temporary, &why) || cannot_write(c, path, why);
}

/* A function that the file has as a table alone, without its parameters, can be computed, but not named. */
static bool functions_known(Compilation *c) {
  for (int i = 0; i < c->graph->floats->nodes.n; i++) {
    const Node *node = c->graph->floats->nodes.data[i];
    if (!quant_file_find(c->file, arena_printf(c->arena, "%s.table", node->name))) continue;
    for (int k = 0; k < node->nweights; k++)
      if (node->weight[k] && !quant_file_find(c->file, node->weight[k]->name)) {
        diag_report(c->diags, DIAG_onnx_operator, node->span, node->site,
                    "%s '%s' has no form in ONNX: the weights hold a table in place of '%s'", node->op->name,
                    node->name, node->weight[k]->name);
        return false;
      }
  }
  return true;
}

static const Graph *graph_of_bytes(Compilation *c, OnnxNumbers *numbers) {
  Arrays *arrays = NEW(c->arena, Arrays);
  const Graph *graph = quantize_written(c->arena, c->graph, c->made, c->file, arrays);
  *numbers = (OnnxNumbers){constant_weights(c->arena, graph), arrays};
  Rounding rounding = c->file->rounding;
  for (int i = 0; i < c->graph->nodes.n && rounding == ROUNDING_FLOAT; i++)
    rounding = quant_file_rounding(c->file, c->graph->nodes.data[i]->name);
  if (rounding == ROUNDING_FLOAT) return graph;
  Diag *diag = diag_report(c->diags, DIAG_onnx_rounding, c->graph->name_span, NULL,
                           "models of ONNX round as float does, and this net %s: values may differ by a step",
                           rounding_name(rounding));
  diag_help(diag, "cnnc import --rounding=%s brings its bytes back", rounding_name(rounding));
  return graph;
}

static bool write_onnx(Compilation *c) {
  const char *path = c->options->output, *beside = with_suffix(c->arena, path, ".onnx.data"), *temporary;
  if (!has_weights(c)) return false;
  OnnxNumbers numbers = {.weights = c->weights};
  if (c->quantized && !functions_known(c)) return false;
  const Graph *graph = c->quantized ? graph_of_bytes(c, &numbers) : c->graph;
  ModelProto *model = onnx_out(c->arena, c->diags, graph, &numbers, c->options->layout == 1);
  if (!model) return false;
  if (onnx_bytes(model) > onnx_most) {
    const WireList data = onnx_detach(c->arena, model, base_name(beside), ONNX_DETACHED);
    if (!spare_file(c, beside, &temporary)) return false;
    if (!onnx_save_detached(&data, temporary)) return cannot_write(c, beside, strerror(errno));
  }
  if (!spare_file(c, path, &temporary)) return false;
  if (!onnx_save(model, temporary)) return cannot_write(c, path, strerror(errno));
  stage_done(c, "write ONNX");
  return true;
}

/* ---- the program around it ---- */
static bool write_example(Compilation *c) {
  Text text = {.arena = c->arena};
  if (!lower(c)) return false;
  emit_embed(&text, net_of(c));
  return add_output(c, c->options->output, &text);
}
#endif

static bool write_code(Compilation *c) {
  const Options *o = c->options;
  const char *header = header_path(c);
  if (o->kind == OUTPUT_ONNX) return write_onnx(c);
  if (header && strpbrk(base_name(header), "\"\\\n"))
    return cannot_write(c, header, "C cannot include a header of this name");
  if (o->kind == OUTPUT_LIBRARY) return write_library(c);
  if (o->kind == OUTPUT_EXAMPLE) return write_example(c);
  if (o->kind == OUTPUT_MODEL && !has_weights(c)) return false;
  if (!lower(c)) return false;
  if (o->kind == OUTPUT_MODEL) return write_model(c);
  if (o->kind == OUTPUT_HEADER) return write_header(c, o->output);
  return write_text(c) && (!header || write_header(c, header));
}

static void put_path(Text *out, const char *path) { /* as make wants it */
  for (; *path; path++) {
    if (*path == '$') text_put(out, "$");
    else if (*path == ' ' || *path == '#' || *path == '\\') text_put(out, "\\");
    text_bytes(out, path, 1);
  }
}

/* What make looks at: a folder's time says nothing. */
static const char *first_output(const Compilation *c) {
  const Options *o = c->options;
  if (o->kind == OUTPUT_LIBRARY) return library_file(c, arena_printf(c->arena, "src/%s.c", c_name(c)));
  return o->output && strcmp(o->output, "-") != 0 ? o->output
                                                  : with_suffix(c->arena, base_name(o->input), ".c");
}

bool write_dependencies(Compilation *c) {
  const Options *o = c->options;
  if (!o->dependencies) return true;
  Text text = {.arena = c->arena};
  const char *path = o->dependency_file ? o->dependency_file : with_suffix(c->arena, o->output, ".d");
  put_path(&text, first_output(c));
  text_put(&text, ":");
  for (int i = c->program->files.n - 1; i >= 0; i--) {
    text_put(&text, " ");
    put_path(&text, c->program->files.data[i]->path);
  }
  if (c->labels_file) {
    text_put(&text, " ");
    put_path(&text, c->labels_file);
  }
  if (o->weights) {
    text_put(&text, " ");
    put_path(&text, weights_path(c));
  }
  if (o->rename) {
    text_put(&text, " ");
    put_path(&text, o->rename);
  }
  if (c->tuning_file) {
    text_put(&text, " ");
    put_path(&text, c->tuning_file);
  }
  text_put(&text, "\n");
  return add_output(c, path, &text);
}

static void print_summary(Compilation *c) {
  Text text = {.arena = c->arena};
  put_summary(c, &text);
  fputs(text.s, stdout);
}

bool write_all(Compilation *c) {
  const Options *o = c->options;
  bool done = true;
  if (o->output) done = options_view(o->kind) ? write_view(c) : write_code(c);
  if (done && !c->layout && (o->summary || !o->output)) done = lower(c);
  done = done && write_dependencies(c);
  if (done && c->order) fputs(c->order, stdout);
  if (done && (o->summary || (!o->output && !c->order))) print_summary(c);
  return done;
}
