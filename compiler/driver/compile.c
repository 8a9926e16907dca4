/* compile.c: Compiler driver. The function run() is the list of stages from source file to output. */
// SPDX-License-Identifier: Apache-2.0
#include "compile.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "backend/origin.h"
#include "backend/quantized.h"
#include "backend/weights.h"
#include "graph/bf16.h"
#include "quantize/quantize.h"
#include "kernel/lower.h"
#include "lir/limits.h"
#include "ops/registry.h"
#include "passes/passes.h"
#include "schedule/float/conv_repeated.h"
#include "schedule/float/images.h"
#include "schedule/float/rows.h"
#include "schedule/schedule.h"
#include "sema/fix.h"
#include "sema/sema.h"
#include "compilation.h"
#include "tune.h"

/* ---- reading ---- */
enum { LARGEST_TEXT = 1 << 20 }; /* weights of up to this number of bytes are C text by default */

static bool parse(Compilation *c) {
  const Options *o = c->options;
  c->program = program_read(c->arena, c->diags, &c->sources, o->input, o->directories.n, o->directories.data);
  stage_done(c, "read and parse");
  return c->program != NULL; /* also true after a syntax error, so that one run reports all errors */
}

static void put_library_count(Text *out, int n, const char *what) {
  if (n) text_put(out, "%s %d %s%s", out->n ? "," : "", n, what, n == 1 ? "" : "s");
}

/* For a file without a net: prints how many constants, blocks and imports it has, or reports that it is
 * empty. */
static void print_library_contents(Compilation *c) {
  int count[DECL_NET + 1] = {0};
  const File *file = c->program->main;
  for (int i = 0; i < file->n; i++) count[file->decl[i]->kind]++;
  if (file->n == 0) {
    Diag *diag = diag_report(c->diags, DIAG_empty_file, (Span){1, 0, 0}, NULL,
                             "this file is empty: it has no net, no blocks and no constants");
    diag_help(diag, "a program begins like this: net NAME { input image: 28x28x1; ... }");
    return;
  }
  Text counts = {.arena = c->arena};
  put_library_count(&counts, count[DECL_CONST], "constant");
  put_library_count(&counts, count[DECL_BLOCK], "block");
  put_library_count(&counts, count[DECL_IMPORT], "import");
  printf("%s: a library, for programs to import:%s\n", file->path, counts.s);
}

bool diag_no_net(Diags *diags) {
  diag_report(diags, DIAG_no_net, (Span){1, 0, 0}, NULL,
              "this file has no net, so there is nothing to compile");
  return false;
}

/* True if the file has no net: prints its contents, or reports that the requested output needs a net. */
static bool is_library(Compilation *c) {
  if (c->graph) return false;
  if (c->options->kind != OUTPUT_NONE || c->options->train) diag_no_net(c->diags);
  else print_library_contents(c);
  return true;
}

/* Builds the graph. --precision is the precision of the layers for which the program states no precision. If
 * the weight file is quantized, read_quantized applies --precision, and only to the layers that stay
 * float. */
static bool build_graph(Compilation *c) {
  const Options *o = c->options;
  const bool int8 = o->precision >= 0 && o->weights && quantized_is(o->weights);
  const SemaOptions options = {.ndirs = o->directories.n,
                               .dirs = o->directories.data,
                               .labels_file = &c->labels_file,
                               .precision = int8 ? PRECISION_GIVEN : options_precision(o),
                               .streams = options_step(o)};
  c->graph = sema_build(c->arena, c->diags, &c->sources, c->program, o->defines.data, o->defines.n, &options);
  stage_done(c, "check and expand");
  if (has_errors(c) || is_library(c)) return false;
  graph_verify(c->graph);
  return true;
}

/* Whether the output is a summary or JSON. The sizes in these outputs include training even without --train,
 * if the net has a train block. */
static bool summarized(const Options *o) {
  return !o->output || o->kind == OUTPUT_SUMMARY || o->kind == OUTPUT_JSON;
}

static bool check_training(Compilation *c) {
  const Training *training = c->graph->training;
  if (c->options->train_given && c->options->train && !training) {
    Diag *diag = diag_report(c->diags, DIAG_no_train, c->graph->name_span, NULL,
                             "--train needs a train block, and net %s has none", c->graph->name);
    diag_help(diag, "train { loss = cross_entropy } is the minimum");
    return false;
  }
  c->training = training && (c->options->train || (summarized(c->options) && !c->options->train_given &&
                                                   !options_step(c->options)));
  return !has_errors(c);
}

/* Rejects the prefix 'cnn': cnn_network and cnn_target are types of the runtime's header. */
static bool check_name(Compilation *c) {
  const bool code = c->options->output && !options_view(c->options->kind),
             shared = c->training || c->options->network || c->options->kind == OUTPUT_PROGRAM;
  if (!code || !shared || strcmp(c_name(c), "cnn") != 0) return true;
  Diag *diag = diag_report(c->diags, DIAG_name_clash, c->graph->name_span, NULL,
                           "the C names of net %s would clash with names of the runtime, such as "
                           "cnn_network and cnn_target",
                           c->graph->name);
  diag_help(diag, "give the net another name, or set the prefix of its C names: --prefix=NAME");
  return false;
}

/* ---- targets ---- */
static Options *without_targets(const Options *o, Arena *arena) {
  Options *own = NEW(arena, Options);
  *own = *o;
  own->targets.data = NULL;
  own->targets.n = own->targets.room = 0;
  return own;
}

/* A copy of the options with better targets for a net. Some targets have variants that are faster for int8
 * models or for bf16 layers. If cnnc chose the target for this machine's CPU, or if --cpu names an x86 CPU,
 * the best variant for this CPU replaces the target. Without --target and --cpu, variants for other CPUs are
 * added before the target, but no AMX variants for int8 models. */
static const Options *with_better_targets(const Options *o, Arena *arena, bool int8) {
  Options *own = without_targets(o, arena);
  const CpuCore *core = o->cpu ? o->cpu->core : NULL;
  for (int i = 0; i < o->targets.n; i++) {
    const Target *target = o->targets.data[i], *better;
    const Target *chosen = target;
    bool instead = false;
    for (int n = 0; (better = target_better(target, int8, n)) && !instead; n++) {
      instead = o->native ? target_pays_here(better) : core && better->avx <= core->avx && better->avx > 0;
      if (instead) chosen = better;
      const bool added = !o->targets_given && !(int8 && better->tiles > 0);
      if (instead || added) options_add_target(own, arena, better);
    }
    const bool tiles = chosen->tiles > 0;
    if (!instead) options_add_target(own, arena, target);
    /* some systems do not let programs use tile registers: adds the variant without them */
    if (tiles && (instead || i + 1 == o->targets.n))
      options_add_target(own, arena, target_find(int8 ? "x86-64-v4-vnni" : "x86-64-v4"));
  }
  return own;
}

/* The options, with targets that have the throughput of the CPU in --cpu. Without --cpu, they have the
 * throughput of this machine's CPU if cnnc chose the targets for this machine. Training does not use the
 * throughput of this machine's CPU: all CPUs with the same vector instructions must compute the same
 * weights. */
static const Options *with_cpu(const Options *o, Arena *arena, bool training) {
  const Cpu *cpu = !o->cpu && o->native && !training ? cpu_native() : o->cpu;
  if (!cpu || !cpu->core) return o;
  Options *own = without_targets(o, arena);
  for (int i = 0; i < o->targets.n; i++)
    vec_push(arena, own->targets, cpu_target(arena, cpu, o->targets.data[i]));
  return own;
}

/* The options with the targets for an int8 model. By default, a library gets two targets of microcontrollers,
 * whose schedules read the same packed weights. */
static const Options *int8_targets(const Options *o, Arena *arena) {
  if (o->kind != OUTPUT_LIBRARY || o->targets_given) return with_better_targets(o, arena, true);
  Options *own = without_targets(o, arena);
  vec_push(arena, own->targets, target_find("armv7e-m"));
  vec_push(arena, own->targets, target_find("armv7m"));
  return own;
}

static const Options *bf16_targets(const Compilation *c, const Options *o) {
  return graph_has_bf16(c->graph) ? with_better_targets(o, c->arena, false) : o;
}

static bool add_targets(Compilation *c) {
  c->asked = c->options;
  c->options = with_cpu(bf16_targets(c, c->options), c->arena, c->training);
  return true;
}

static bool analyze(Compilation *c) {
  return build_graph(c) && check_training(c) && check_name(c) && add_targets(c);
}

/* ---- weights ---- */
/* Warns about a microcontroller target whose int8 schedules are unused, because another target of the
 * generated C has no such schedules. */
static void warn_reference_loops(const Compilation *c) {
  const Options *o = c->options;
  const Target *widest = target_widest(o->targets.n, o->targets.data);
  for (int i = 0; i < o->targets.n && o->targets_given && !widest->dsp && !options_plain(o); i++) {
    const Target *target = o->targets.data[i];
    if (!target->dsp) continue;
    Diag *diag = diag_report(c->diags, DIAG_plain_beside, c->graph->name_span, NULL,
                             "int8 layers use reference loops on %s, because the code is also for %s",
                             target->name, widest->name);
    diag_help(diag, "use only --target=%s: its C compiles for any CPU, with the same results", target->name);
  }
}

/* Replaces the targets of the float net by those of the int8 model, whose float layers may be in bf16. */
static void take_int8_targets(Compilation *c) {
  const Options *own = int8_targets(bf16_targets(c, c->asked), c->arena);
  c->options = with_cpu(own, c->arena, false);
  warn_reference_loops(c);
}

/* Quantizes the graph if the weight file is quantized. */
static bool read_quantized(Compilation *c, const WeightsSource *way) {
  QuantFile *file;
  if (!quantized_read(c->arena, c->diags, way, &file)) return false;
  c->quantized = file != NULL;
  if (!file) return true;
  const Options *o = c->options;
  c->training = false;
  if ((o->train_given && o->train) || o->look) {
    Diag *diag = diag_report(c->diags, DIAG_weights_file, NO_SPAN, NULL, "%s has int8 weights, %s", way->path,
                             o->look ? "but --network=look needs float" : "which cannot be trained");
    diag_help(diag, "%s",
              o->look ? "use the float weights"
                      : "train the float weights, then quantize them again: cnnc quantize");
    return false;
  }
  if (!origin_read(c->arena, c->diags, way->path, c->graph)) return false;
  c->file = file;
  c->made = NEW_ARRAY(c->arena, Node *, c->graph->nodes.n + 1);
  const QuantizeOptions options = {.floats = o->network || o->kind == OUTPUT_PROGRAM,
                                   .updatable = o->updatable,
                                   .made = c->made,
                                   .fallback = options_precision(o)};
  c->floats = c->graph;
  c->graph = quantize_graph(c->arena, c->diags, c->graph, file, &options);
  if (c->graph) c->weights = constant_weights(c->arena, c->graph);
  if (c->graph) take_int8_targets(c);
  stage_done(c, "read weights, quantize");
  return c->graph != NULL;
}

static bool load_weights(Compilation *c) {
  c->weights = constant_weights(c->arena, c->graph);
  if (!c->options->weights) return true;
  float *weights = NEW_ARRAY(c->arena, float, c->graph->parameters + 1);
  Text order = {.arena = c->arena};
  const WeightsSource way = {.path = c->options->weights,
                             .prefix = c->options->weights_prefix,
                             .rename = c->options->rename,
                             .order = c->options->match ? &order : NULL};
  if (!read_quantized(c, &way)) return false;
  if (c->quantized) return bf16_weights_finite(c->diags, c->graph, c->weights) && !has_errors(c);
  if (!weights_read(c->arena, c->diags, &way, c->graph, weights)) return false;
  c->order = order.s;
  if (!origin_read(c->arena, c->diags, c->options->weights, c->graph)) return false;
  c->weights = weights;
  if (!bf16_weights_finite(c->diags, c->graph, weights)) return false;
  stage_done(c, "read weights");
  return !has_errors(c);
}

/* Reads NAME.tune. If the file cannot be used, this function reports a warning, and the code is generated
 * without the measurements. */
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

/* Reads NAME.tune. With --tune, then measures the candidates and writes NAME.tune again; rows about other
 * targets or kernels are kept. */
static bool tune(Compilation *c) {
  const Options *o = c->options;
  const char *why = NULL;
  read_tuning(c);
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
      .threads = (o->threaded || !o->output) && o->batch <= 1,
      .weight_bytes = graph_weight_bytes(c->graph),
      .backend = {.arena = c->arena, .cc = o->cc, .verbose = o->verbose, .messages = messages_open(c)},
      .progress = o->format == DIAG_TEXT,
      .tuning = &c->tuning};
  const bool tuned = tune_kernels(&job, &why) || backend_failed(c, &job.backend, why);
  if (job.backend.messages) fclose(job.backend.messages);
  if (!tuned) return false;
  stage_done(c, "tune");
  c->tuning_file = with_suffix(c->arena, o->input, ".tune");
  Text text = {.arena = c->arena};
  tuning_put(&text, &c->tuning, base_name(o->input));
  return outputs_add(c->outputs, c->tuning_file, text.s, text.n, &why) ||
         cannot_write(c, c->tuning_file, why);
}

/* With --stream or --slide, replaces the graph by the graph of one step. */
static bool stream(Compilation *c) {
  if (!options_step(c->options)) return true;
  PassState state =
      passes_begin(c->arena, c->graph, PLAN_INFERENCE, (PlanOptions){.streaming = &c->options->streaming});
  state.diags = c->diags;
  state.source = c->quantized ? c->floats : c->graph;
  passes_run(&state, PASS_STREAM, PASS_STREAM);
  if (state.plan->graph) c->graph = state.plan->graph;
  stage_done(c, "stream");
  return !has_errors(c) && state.plan->graph;
}

/* ---- plans ---- */
static Fusing fusing_of(const Options *o) {
  return o->level == LEVEL_PLAIN ? FUSE_NOTHING : o->level == LEVEL_SMALL ? FUSE_APART : FUSE_ALL;
}

PlanOptions plan_options(const Compilation *c, PlanKind kind) {
  const Options *o = c->options;
  if (kind == PLAN_LOOK) return (PlanOptions){.fusing = FUSE_NOTHING};
  const bool training = kind == PLAN_TRAINING;
  const int64_t batch = options_plain(o) ? 1 : training ? c->graph->training->batch : o->batch;
  PlanOptions options = {.fusing = fusing_of(o),
                         .exact = o->exact,
                         .images =
                             images_side_by_side(c->graph, o->targets.n, o->targets.data, batch, training)};
  RowsCosts *costs = NEW(c->arena, RowsCosts);
  *costs = (RowsCosts){.target = target_widest(o->targets.n, o->targets.data),
                       .weight_bytes = 4 * c->graph->parameters,
                       .training = training,
                       .exact = o->exact,
                       .arena = c->arena};
  if (kind == PLAN_INFERENCE) options.bands = c->bands;
  options.whole_batch = o->batch > 1 ? o->batch : 0;
  /* With MPI, a batched kernel would compute the images of all processes in each process. */
  options.pays = training && o->mpi ? NULL : rows_pay;
  options.costs = costs;
  if (!training && options.fusing == FUSE_ALL && !o->exact)
    options.repeated = conv_repeated_where(c->arena, c->graph, target_widest(o->targets.n, o->targets.data));
  return options;
}

Plan *make_plan(const Compilation *c, PlanKind kind) {
  return plan_new(c->arena, c->graph, kind, plan_options(c, kind));
}

static const CpuCycles *cycles_of_board(const Compilation *c) {
  const Options *o = c->options;
  const Target *target = target_widest(o->targets.n, o->targets.data);
  const CpuCycles *usual = o->cpu && !o->cpu->core ? &o->cpu->cycles : cpu_cycles(target);
  if (!usual) return NULL;
  CpuCycles *own = NEW(c->arena, CpuCycles);
  *own = *usual;
  own->line = (double)o->flash_wait;
  return own;
}

/* The header that NAME.c includes, or NULL. */
static const char *included_header(const Compilation *c) {
  if (c->options->kind == OUTPUT_LIBRARY) return arena_printf(c->arena, "%s.h", c_name(c));
  return c->options->kind == OUTPUT_C ? base_name(header_path(c)) : NULL;
}

/* Chooses the form of the compiled-in weights. Only a C file with a header can have its weights in a file
 * next to it. */
static void choose_embedding(Compilation *c) {
  const Options *o = c->options;
  const bool backend = options_backend(o->kind), accompanied = o->kind == OUTPUT_C && header_path(c);
  const EmbedKind kind = backend || accompanied ? o->embed : EMBED_AS_TEXT;
  c->emit.embed_text = kind == EMBED_BY_SIZE ? LARGEST_TEXT : kind == EMBED_AS_TEXT ? INT64_MAX : 0;
  c->emit.embed = kind == EMBED_AS_TEXT     ? EMBED_TEXT
                  : backend                 ? EMBED_BACKEND
                  : kind == EMBED_AS_OBJECT ? EMBED_OBJECT
                                            : EMBED_BESIDE;
  c->emit.embed_file = c->emit.embed == EMBED_BESIDE
                           ? base_name(with_suffix(c->arena, o->output, ".weights.bin"))
                           : backend_data_path(c->arena, o->cc);
}

static void set_options(Compilation *c) {
  const Options *o = c->options;
  c->layout_options = (LayoutOptions){.prefix = c_name(c),
                                      .batch = o->batch,
                                      .ntargets = o->targets.n,
                                      .target = o->targets.data,
                                      .embedded = c->weights != NULL,
                                      .taken = prelude_has_name};
  c->emit = (EmitOptions){.header = included_header(c),
                          .summary = c->summary,
                          .openmp = o->threaded && !o->pool,
                          .pool = o->pool,
                          .no_fma = o->no_fma,
                          .flush = o->denormals == 0 || (o->denormals < 0 && o->kind == OUTPUT_PROGRAM),
                          .acsl = o->acsl,
                          .program = o->kind == OUTPUT_PROGRAM,
                          .network = o->network || c->training || o->kind == OUTPUT_PROGRAM,
                          .training = c->training,
                          .weights = c->weights};
  c->lowering =
      (ProgramOptions){.ntargets = o->targets.n,
                       .target = o->targets.data,
                       .threads = o->threaded,
                       .little_ram = o->ram > 0 || o->level == LEVEL_SMALL,
                       .plain = options_plain(o),
                       .sums = o->level == LEVEL_SMALL ? SMALL_SUMS : 0,
                       .exact = o->exact,
                       .batch = o->batch,
                       .written = c->graph,
                       .tuning = &c->tuning,
                       .cycles = cycles_of_board(c),
                       .cache = o->ram || o->flash || o->memory ? kernel_cache_new(c->arena) : NULL};
  choose_embedding(c);
}

/* Whether the output needs the lowered program. Without --summary, ASTs, graphs and ONNX models do not. */
static bool is_lowered(const Options *o) {
  const OutputKind kind = o->kind;
  return o->summary || !o->output ||
         (kind != OUTPUT_AST && kind != OUTPUT_DOT && kind != OUTPUT_GRAPH && kind != OUTPUT_ONNX);
}

/* The runtime and training code only support float outputs: i32 outputs become f32. */
static void integer_outputs_as_floats(const Compilation *c) {
  if (!c->options->network && c->options->kind != OUTPUT_PROGRAM && !c->training) return;
  for (int i = 0; i < c->graph->outputs.n; i++) {
    const Port *port = &c->graph->outputs.data[i];
    if (port->as == AS_I32) port->node->elem = F32;
  }
}

static bool plan(Compilation *c) {
  const Options *o = c->options;
  Text summary = {.arena = c->arena};
  if (!output_possible(c)) return false;
  integer_outputs_as_floats(c);
  if (!is_lowered(o)) return true;
  if (!check_call_limits(c->arena, c->diags, c->graph, o->batch)) return false;
  graph_summary(&summary, c->graph);
  c->summary = summary.s;
  set_options(c);
  c->plans.infer = make_plan(c, PLAN_INFERENCE);
  if (c->training) c->plans.train = make_plan(c, PLAN_TRAINING);
  if ((o->look || o->kind == OUTPUT_PROGRAM) && !c->quantized && !options_step(o))
    c->plans.look = make_plan(c, PLAN_LOOK);
  stage_done(c, "plan");
  return check_plan_limits(c->arena, c->diags, c->graph, c->plans.infer, c->plans.train);
}

/* ---- the lowered program ---- */
/* The lowering options of training. Inspection has the same options, because the code of training and
 * inspection shares functions. Without training code, inspection processes one image at a time. */
static ProgramOptions training_lowering(const Compilation *c) {
  ProgramOptions options = c->lowering;
  options.batch = c->training ? c->graph->training->batch : 1;
  if (c->options->mpi) options.processes = c->options->mpi_most > 0 ? c->options->mpi_most : 1;
  return options;
}

/* Inspection is rarely called, so at -O1 it has the reference schedule, which compiles fast. */
static ProgramOptions inspection_lowering(const Compilation *c) {
  ProgramOptions options = training_lowering(c);
  if (c->options->level != LEVEL_QUICK) return options;
  options.plain = true;
  options.sums = SMALL_SUMS;
  return options;
}

void lower_inference(Compilation *c) {
  c->programs.infer = program_lower(c->arena, PROGRAM_INFERENCE, c->plans.infer, &c->lowering);
}

void lower_training(Compilation *c) {
  const ProgramOptions options = training_lowering(c);
  c->programs.train = program_lower(c->arena, PROGRAM_TRAINING, c->plans.train, &options);
}

void lay_out(Compilation *c) { c->layout = layout_new(c->arena, c->graph, &c->programs, &c->layout_options); }

static bool lower(Compilation *c) {
  if (!c->plans.infer) return true;
  lower_inference(c);
  if (c->plans.train) lower_training(c);
  if (c->plans.look) {
    const ProgramOptions looking = inspection_lowering(c);
    c->programs.look = program_lower(c->arena, PROGRAM_LOOK, c->plans.look, &looking);
  }
  lay_out(c);
  stage_done(c, "schedule and prove");
  return true;
}

SummarySizes sizes_of(const Compilation *c) {
  const NetSizes sizes = layout_sizes(c->layout);
  return (SummarySizes){sizes.workspace_bytes,
                        sizes.workspace_bound,
                        c->training ? sizes.training_bytes : -1,
                        sizes.training_bound,
                        c->training ? c->options->memory : 0,
                        sizes.state_bytes,
                        c->recompute_overhead,
                        c->bands.n ? c->bands_to : NULL};
}

static const char *with_memory(const Compilation *c) {
  Text text = {.arena = c->arena};
  const SummarySizes sizes = sizes_of(c);
  text_put(&text, "%s", c->summary);
  graph_memory(&text, &sizes);
  return text.s;
}

/* With --updatable, the schedules assume properties of the weights and scales. Reports each such property
 * that the compiled-in weights or scales do not have. */
static void check_assumptions(const Compilation *c) {
  const Program *p = c->programs.infer;
  for (int i = 0; i < p->calls.n; i++)
    for (int t = 0; t < p->ntargets; t++) {
      const Lower *l = p->calls.data[i].version[t].lower;
      if (!l->broken.n) continue;
      Diag *diag = diag_report(c->diags, DIAG_not_updatable, l->node->span, l->node->site,
                               "the weights or scales of %s do not fit --updatable code", l->node->name);
      for (int k = 0; k < l->broken.n; k++) diag_fact(diag, "the code needs %s", l->broken.data[k]);
      diag_help(diag, "use -Os for the code and its models: reference loops support all weights");
      break;
    }
}

/* An invalid lowered program is a compiler bug: exits before anything is written. */
static void verify_programs(const Compilation *c) {
  const Program *const all[] = {c->programs.infer, c->programs.train, c->programs.look};
  for (int i = 0; i < 3; i++) {
    Arena *scratch = arena_new();
    const char *error = all[i] ? program_verify(scratch, all[i]) : NULL;
    if (error) {
      fprintf(stderr, "cnnc: internal error: the lowered program of %s is wrong: %s\n", c->graph->name,
              error);
      outputs_abandon(c->outputs);
      exit(3);
    }
    arena_free(scratch);
  }
}

static bool verify(Compilation *c) {
  if (!c->layout) return true;
  check_assumptions(c);
  const NetSizes sizes = layout_sizes(c->layout);
  if (!check_target_limits(c->arena, c->diags, c->graph, &c->layout_options, c->training, &sizes) ||
      !fits_board(c))
    return false;
  c->summary = c->emit.summary = with_memory(c);
  verify_programs(c);
  stage_done(c, "verify");
  tuning_report(&c->tuning, c->diags);
  return !has_errors(c);
}

/* ---- the list of stages ---- */
static bool run(Compilation *c) {
  if (c->options->kind == OUTPUT_AST) return parse(c) && !has_errors(c) && emit_output(c);
  return parse(c) &&        // syntax/: source files to AST
         analyze(c) &&      // sema/: AST to graph
         load_weights(c) && // backend/; quantize/: an int8 graph, if the weights are int8
         stream(c) &&       // passes/: the graph of a step, with --stream or --slide
         tune(c) &&         // --tune, and earlier measurements
         plan(c) &&         // passes/: kernels, and storage of values
         lower(c) &&        // schedule/ to lir/: nests and their proofs; then sizes and names
         fit(c) &&          // --memory, --flash, --ram: plans and lowers again
         verify(c) &&       // lir/: checks of limits and of the lowered program
         emit_output(c) &&  // emit/: C text, or report/: a view
         backend(c);        // backend/: the C compiler
}

/* --fix */
static void fix_files(Compilation *c) {
  const Options *o = c->options;
  const FixInput input = {.path = o->input,
                          .directories = o->directories,
                          .warnings = o->warnings,
                          .defines = o->defines,
                          .prints = o->format == DIAG_TEXT};
  const char *path = NULL, *why = NULL;
  if (!fix_program(c->arena, &input, &path, &why)) cannot_write(c, path, why);
}

int compile_into(Arena *arena, const Options *options, Outputs *outputs, Compiled *result) {
  Compilation c = {.arena = arena,
                   .options = options,
                   .sources = {.arena = arena},
                   .outputs = outputs ? outputs : outputs_new(arena),
                   .since = now()};
  c.diags = diags_new(arena, &c.sources);
  diags_options(c.diags, &options->warnings);
  if (options->fix) fix_files(&c);
  const bool done = run(&c);
  const char *path = NULL, *why = NULL;
  if (done) print_results(&c);
  if (!done || has_errors(&c)) outputs_abandon(c.outputs);
  else if (!outputs && !outputs_commit(c.outputs, &path, &why)) cannot_write(&c, path, why);
  if (options->time_report) print_times(&c);
  diags_print(c.diags, stderr, options->format, options->color);
  *result = (Compiled){c.programs, input_files(&c)};
  return diags_errors(c.diags) ? 1 : 0;
}

int compile(Arena *arena, const Options *options) {
  Compiled result;
  return compile_into(arena, options, NULL, &result);
}

int compile_dry(Arena *arena, const Options *options, Programs *lowered) {
  Compiled result;
  Outputs *outputs = outputs_new(arena);
  const int status = compile_into(arena, options, outputs, &result);
  outputs_abandon(outputs);
  *lowered = result.programs;
  return status;
}
