/* compile.c: the way of a program, from the file to what is written: compile() is the list of stages. */
// SPDX-License-Identifier: Apache-2.0
#include "compile.h"
#include <stdio.h>
#include <string.h>
#include "backend/origin.h"
#include "backend/quantized.h"
#include "backend/weights.h"
#include "quantize/quantize.h"
#include "schedule/float/images.h"
#include "sema/sema.h"
#include "compilation.h"
#include "fix.h"
#include "tune.h"

/* ---- reading ---- */
static bool read_program(Compilation *c) {
  const Options *o = c->options;
  c->program = program_read(c->arena, c->diags, &c->sources, o->input, o->directories.n, o->directories.data);
  stage_done(c, "read and parse");
  return c->program != NULL; /* what could be read is checked too, so that all errors are told at once */
}

static void put_count(Text *out, int n, const char *what) {
  if (n) text_put(out, "%s %d %s%s", out->n ? "," : "", n, what, n == 1 ? "" : "s");
}

/* What a file without a net is good for. */
static void tell_library(Compilation *c) {
  int count[DECL_NET + 1] = {0};
  const File *file = c->program->main;
  for (int i = 0; i < file->n; i++) count[file->decl[i]->kind]++;
  if (file->n == 0) {
    Diag *diag = diag_report(c->diags, DIAG_empty_file, NO_SPAN, NULL,
                             "'%s' is empty: it has no net, no blocks and no constants", file->path);
    diag_help(diag, "a program begins like this: net NAME { input image: 28x28x1; ... }");
    return;
  }
  Text counts = {.arena = c->arena};
  put_count(&counts, count[DECL_CONST], "constant");
  put_count(&counts, count[DECL_BLOCK], "block");
  put_count(&counts, count[DECL_IMPORT], "import");
  printf("%s: a library, for programs to import:%s\n", file->path, counts.s);
}

/* True if there is nothing more to do for a file without a net. */
static bool is_library(Compilation *c) {
  if (c->graph) return false;
  if (c->options->kind != OUTPUT_NONE || c->options->train)
    diag_report(c->diags, DIAG_no_net, (Span){1, 0, 0}, NULL,
                "this file has no net, so there is nothing to compile");
  else if (good(c)) tell_library(c);
  return true;
}

static bool build_graph(Compilation *c) {
  const Options *o = c->options;
  const SemaOptions options = {o->directories.n, o->directories.data, &c->labels_file, NULL};
  c->graph = sema_build(c->arena, c->diags, &c->sources, c->program, o->defines.data, o->defines.n, &options);
  stage_done(c, "check and expand");
  if (!good(c) || is_library(c)) return false;
  graph_verify(c->graph);
  return true;
}

/* A summary tells the memory of all that can be made of the program. */
static bool summarized(const Options *o) {
  return !o->output || o->kind == OUTPUT_SUMMARY || o->kind == OUTPUT_JSON;
}

static bool check_training(Compilation *c) {
  const Training *training = c->graph->training;
  if (c->options->train_given && c->options->train && !training) {
    Diag *diag = diag_report(c->diags, DIAG_no_train, c->graph->name_span, NULL,
                             "--train needs a train block, and net %s has none", c->graph->name);
    diag_help(diag, "train { loss = cross_entropy } is the least that is needed");
    return false;
  }
  c->training = training && (c->options->train || (summarized(c->options) && !c->options->train_given));
  return good(c);
}

/* cnn_network and cnn_target are types of the header shared with the runtime. */
static bool check_name(Compilation *c) {
  const bool code = c->options->output && !options_view(c->options->kind),
             shared = c->training || c->options->network || c->options->kind == OUTPUT_PROGRAM;
  if (!code || !shared || strcmp(c_name(c), "cnn") != 0) return true;
  Diag *diag = diag_report(c->diags, DIAG_name_clash, c->graph->name_span, NULL,
                           "with 'cnn' before them, the names of net %s in C would be those of the runtime: "
                           "cnn_network, cnn_target",
                           c->graph->name);
  diag_help(diag, "give the net another name, or its C names with --prefix=NAME");
  return false;
}

static bool has_target(const Options *o, const Target *target) {
  for (int i = 0; i < o->targets.n; i++)
    if (o->targets.data[i] == target) return true;
  return false;
}

/* Where no target was named, the better one for nets of 8 bits comes beside the one for floats, and instead
 * of it in code for this CPU. */
static const Options *targets_for_bytes(const Options *o, Arena *arena) {
  Options *own = NEW(arena, Options);
  *own = *o;
  own->targets.data = NULL;
  own->targets.n = own->targets.room = 0;
  if (o->kind == OUTPUT_LIBRARY && !o->targets_given) { /* for boards: schedules that share their weights */
    vec_push(arena, own->targets, target_find("armv7e-m"));
    vec_push(arena, own->targets, target_find("armv7m"));
    return own;
  }
  for (int i = 0; i < o->targets.n; i++) {
    const Target *target = o->targets.data[i], *better = target_for_bytes(target);
    const bool instead = better && o->native && target_runs_here(better);
    if (better && (instead || !o->targets_given) && !has_target(own, better))
      vec_push(arena, own->targets, better);
    if (!instead) vec_push(arena, own->targets, target);
  }
  return own;
}

/* A board's target has its schedules where all targets of the file have them. */
static void tell_plain(const Compilation *c) {
  const Options *o = c->options;
  const Target *widest = target_widest(o->targets.n, o->targets.data);
  for (int i = 0; i < o->targets.n && o->targets_given && !widest->dsp && !options_plain(o); i++) {
    const Target *target = o->targets.data[i];
    if (!target->dsp) continue;
    Diag *diag = diag_report(c->diags, DIAG_plain_beside, c->graph->name_span, NULL,
                             "layers of 8 bits have plain loops on %s, because %s is in the same file",
                             target->name, widest->name);
    diag_help(diag, "--target=%s alone: its C compiles for any CPU, to the same bytes", target->name);
  }
}

/* A file of 8 bits makes the net one of 8 bits. */
static bool read_quantized(Compilation *c, const WeightsWay *way) {
  QuantFile *file;
  if (!quantized_read(c->arena, c->diags, way, &file)) return false;
  c->quantized = file != NULL;
  if (!file) return true;
  const Options *o = c->options;
  c->training = false;
  if ((o->train_given && o->train) || o->look) {
    Diag *diag = diag_report(c->diags, DIAG_weights_file, NO_SPAN, NULL, "%s has weights of 8 bits, %s",
                             way->path, o->look ? "and --look needs floats" : "which cannot be trained on");
    diag_help(diag, "train the weights of floats, and quantize them again: cnnc quantize");
    return false;
  }
  if (!origin_read(c->arena, c->diags, way->path, c->graph)) return false;
  c->file = file;
  c->made = NEW_ARRAY(c->arena, Node *, c->graph->nodes.n + 1);
  const QuantizeOptions options = {
      .floats = o->network || o->kind == OUTPUT_PROGRAM, .updatable = o->updatable, .made = c->made};
  c->graph = quantize_graph(c->arena, c->diags, c->graph, file, &options);
  if (c->graph) c->weights = constant_weights(c->arena, c->graph);
  c->options = targets_for_bytes(c->options, c->arena);
  if (c->graph) tell_plain(c);
  stage_done(c, "read weights, quantize");
  return c->graph != NULL;
}

static bool read_weights(Compilation *c) {
  c->weights = constant_weights(c->arena, c->graph);
  if (!c->options->weights) return true;
  float *weights = NEW_ARRAY(c->arena, float, c->graph->parameters + 1);
  Text order = {.arena = c->arena};
  const WeightsWay way = {.path = c->options->weights,
                          .prefix = c->options->weights_prefix,
                          .rename = c->options->rename,
                          .order = c->options->match ? &order : NULL};
  if (!read_quantized(c, &way)) return false;
  if (c->quantized) return good(c);
  if (!weights_read(c->arena, c->diags, &way, c->graph, weights)) return false;
  c->order = order.s;
  if (!origin_read(c->arena, c->diags, c->options->weights, c->graph)) return false;
  c->weights = weights;
  stage_done(c, "read weights");
  return good(c);
}

/* Measured choices go into the code as the program does, so what cannot be used is told and left alone. */
static void read_tuning(Compilation *c) {
  const char *path = with_suffix(c->arena, c->options->input, ".tune"), *why = NULL;
  c->tuning.arena = c->arena;
  if (options_plain(c->options) || !file_exists(path)) return;
  c->tuning_file = path;
  size_t n;
  const char *text = file_read(c->arena, path, &n, &why);
  if (text) tuning_read(&c->tuning, c->diags, &c->sources, sources_add(&c->sources, path, text, n));
  else diag_report(c->diags, DIAG_tuning_ignored, NO_SPAN, NULL, "cannot read '%s': %s", path, why);
}

/* Measures what can be chosen, and writes NAME.tune with what was known before of other targets and kernels.
 */
static bool measure(Compilation *c) {
  const Options *o = c->options;
  const char *why = NULL;
  if (!o->tune) return true;
  const int images = images_side_by_side(c->graph, o->targets.n, o->targets.data, o->batch, false);
  PlanOptions options = plan_options(c, PLAN_INFERENCE);
  options.whole_batch = 0;
  const Plan *plan = plan_new(c->arena, c->graph, PLAN_INFERENCE, options);
  const TuneJob job = {
      .arena = c->arena,
      .plan = plan,
      .ntargets = images > 1 ? 0 : o->targets.n,
      .target = o->targets.data,
      .exact = o->exact,
      .threads = (o->openmp || !o->output) && o->batch <= 1,
      .weight_bytes = graph_weight_bytes(c->graph),
      .backend = {.arena = c->arena, .cc = o->cc, .verbose = o->verbose, .messages = messages_open(c)},
      .progress = o->format == DIAG_TEXT,
      .tuning = &c->tuning};
  const bool tuned = tune(&job, &why) || backend_failed(c, &job.backend, why);
  if (job.backend.messages) fclose(job.backend.messages);
  if (!tuned) return false;
  stage_done(c, "tune");
  c->tuning_file = with_suffix(c->arena, o->input, ".tune");
  Text text = {.arena = c->arena};
  tuning_put(&text, &c->tuning, base_name(o->input));
  return outputs_add(c->outputs, c->tuning_file, text.s, text.n, &why) ||
         cannot_write(c, c->tuning_file, why);
}

/* ---- the list of stages ---- */
static bool run(Compilation *c) {
  if (!read_program(c)) return false;
  if (c->options->kind == OUTPUT_AST) return good(c) && write_view(c) && write_dependencies(c);
  if (!build_graph(c)) return good(c);
  if (!check_training(c) || !check_name(c)) return false;
  if (!read_weights(c)) return false;
  read_tuning(c);
  if (!measure(c)) return false;
  Text summary = {.arena = c->arena};
  graph_summary(&summary, c->graph);
  c->summary = summary.s;
  return write_all(c);
}

static int compile_to(Arena *arena, const Options *options, Programs *lowered) {
  Compilation c = {.arena = arena,
                   .options = options,
                   .sources = {.arena = arena},
                   .outputs = outputs_new(arena),
                   .since = now()};
  c.diags = diags_new(arena, &c.sources);
  for (int i = 0; i < options->warnings.n; i++) diags_option(c.diags, options->warnings.data[i]);
  const char *why = NULL, *path = NULL;
  if (options->fix && !fix_program(arena, options, &path, &why)) cannot_write(&c, path, why);
  if (!run(&c) || !good(&c) || lowered) outputs_abandon(c.outputs);
  else if (!outputs_commit(c.outputs, &why)) cannot_write(&c, options->output ? options->output : "-", why);
  if (options->time_report) print_times(&c);
  diags_print(c.diags, stderr, options->format, options->color);
  if (lowered) *lowered = c.programs;
  return diags_errors(c.diags) ? 1 : 0;
}

int compile(Arena *arena, const Options *options) { return compile_to(arena, options, NULL); }

int compile_dry(Arena *arena, const Options *options, Programs *lowered) {
  return compile_to(arena, options, lowered);
}
