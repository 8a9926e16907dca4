/* compile.c: the way of a program, from the file to what is written: compile() is the list of stages. */
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include "compile.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "backend/backend.h"
#include "backend/origin.h"
#include "backend/weights.h"
#include "base/file.h"
#include "emit/emit.h"
#include "graph/dot.h"
#include "graph/dump.h"
#include "graph/summary.h"
#include "ops/engine/lower.h"
#include "passes/plan.h"
#include "schedule/images.h"
#include "schedule/schedule.h"
#include "schedule/tuning.h"
#include "sema/sema.h"
#include "syntax/ast.h"
#include "capacity.h"
#include "fix.h"
#include "tune.h"

enum { LARGEST_TEXT = 1 << 20 }; /* bytes of weights that are text unless one asks for something else */

typedef struct Stage {
  const char *name;
  double seconds;
} Stage;

typedef struct Compilation {
  Arena *arena;
  const Options *options;
  Sources sources;
  Diags *diags;
  Ast *program;
  const char *labels_file;
  Graph *graph;            /* as written */
  bool training;           /* training code is written */
  const float *weights;    /* compiled in, or NULL */
  const char *tuning_file; /* NAME.tune beside the program, if there is one, or NULL */
  Tuning tuning;
  const char *summary;
  EmitOptions emit;
  ProgramOptions lowering;
  Programs programs;
  Net *net;
  double again; /* multiply-adds of the training step that --memory costs, as a part of all others */
  Outputs *outputs;
  VEC(Stage) stages; /* for --time-report */
  double since;
} Compilation;

/* ---- time ---- */
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void stage_done(Compilation *c, const char *name) {
  const double time = now();
  const Stage stage = {name, time - c->since};
  vec_push(c->arena, c->stages, stage);
  c->since = time;
}

static void print_times(const Compilation *c) {
  double total = 0;
  for (int i = 0; i < c->stages.n; i++) {
    fprintf(stderr, "%9.3f ms  %s\n", 1e3 * c->stages.data[i].seconds, c->stages.data[i].name);
    total += c->stages.data[i].seconds;
  }
  fprintf(stderr, "%9.3f ms  in all; %.1f MB\n", 1e3 * total, (double)arena_bytes(c->arena) / 1e6);
}

/* ---- reading ---- */
static bool good(const Compilation *c) { return diags_errors(c->diags) == 0; }

static bool check_built(Compilation *c) {
  for (int i = 0; i < c->options->later.n; i++)
    diag_report(c->diags, DIAG_not_built_yet, NO_SPAN, NULL, "%s is not built yet",
                c->options->later.data[i]);
  return good(c);
}

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
  Define *defines = NEW_ARRAY(c->arena, Define, o->defines.n + 1);
  for (int i = 0; i < o->defines.n; i++)
    defines[i] = (Define){o->defines.data[i].name, o->defines.data[i].value};
  const SemaOptions options = {o->directories.n, o->directories.data, &c->labels_file};
  c->graph = sema_build(c->arena, c->diags, &c->sources, c->program, defines, o->defines.n, &options);
  stage_done(c, "check and expand");
  if (!good(c) || is_library(c)) return false;
  graph_verify(c->graph);
  return true;
}

/* A summary tells the memory of all that can be made of the program. */
static bool summarised(const Options *o) {
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
  c->training = training && (c->options->train || (summarised(c->options) && !c->options->train_given));
  for (int i = 0; c->training && i < training->not_built.n; i++)
    diag_report(c->diags, DIAG_not_built_yet, training->not_built.data[i], NULL, "%s is not built yet",
                training->not_built_name.data[i]);
  return good(c);
}

static const char *c_name(const Compilation *c) {
  return c->options->prefix ? c->options->prefix : c->graph->name;
}

/* cnn_network and cnn_target are types of the header shared with the runtime. */
static bool check_name(Compilation *c) {
  const bool code = c->options->output && !options_view(c->options->kind),
             shared = c->training || c->options->kind == OUTPUT_PROGRAM;
  if (!code || !shared || strcmp(c_name(c), "cnn") != 0) return true;
  Diag *diag = diag_report(c->diags, DIAG_name_clash, c->graph->name_span, NULL,
                           "with 'cnn' before them, the names of net %s in C would be those of the runtime: "
                           "cnn_network, cnn_target",
                           c->graph->name);
  diag_help(diag, "give the net another name, or its C names with --prefix=NAME");
  return false;
}

static bool read_weights(Compilation *c) {
  c->weights = constant_weights(c->arena, c->graph);
  if (!c->options->weights) return true;
  float *weights = NEW_ARRAY(c->arena, float, c->graph->parameters + 1);
  if (!weights_read(c->arena, c->diags, c->options->weights, c->options->weights_prefix, c->graph, weights))
    return false;
  if (!origin_read(c->arena, c->diags, c->options->weights, c->graph)) return false;
  c->weights = weights;
  stage_done(c, "read weights");
  return good(c);
}

static const char *with_suffix(Arena *arena, const char *path, const char *suffix) {
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
  const int length = dot && dot != name ? (int)(dot - path) : (int)strlen(path);
  return arena_printf(arena, "%.*s%s", length, path, suffix);
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

static const char *base_name(const char *path) {
  const char *slash = path ? strrchr(path, '/') : NULL;
  return slash ? slash + 1 : path;
}

static bool cannot_write(Compilation *c, const char *path, const char *why) {
  diag_report(c->diags, DIAG_cannot_write, NO_SPAN, NULL, "cannot write '%s': %s", path, why);
  return false;
}

static bool is_device(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

/* The path of the header beside the output, or NULL. */
static const char *header_path(const Compilation *c) {
  const Options *o = c->options;
  if (o->single_file || !o->output || is_device(o->output)) return NULL;
  if (o->kind == OUTPUT_HEADER) return o->output;
  return o->kind == OUTPUT_C || o->kind == OUTPUT_OBJECT || o->kind == OUTPUT_SHARED || o->kind == OUTPUT_WASM
             ? with_suffix(c->arena, o->output, ".h")
             : NULL;
}

static bool backend_failed(Compilation *c, const Backend *backend, const char *why) {
  Diag *diag = diag_report(c->diags, DIAG_backend_failed, NO_SPAN, NULL, "%s", why);
  const char *help = backend_help(backend);
  if (help) diag_help(diag, "%s", help);
  return false;
}

/* Measures what can be chosen, and writes NAME.tune with what was known before of other targets and kernels.
 */
static bool measure(Compilation *c) {
  const Options *o = c->options;
  const char *why = NULL;
  if (!o->tune) return true;
  const int images = images_side_by_side(c->graph, o->targets.n, o->targets.data, o->batch, false);
  const Plan *plan = plan_inference(c->arena, c->graph, FUSE_ALL, images, 0);
  const TuneJob job = {.arena = c->arena,
                       .plan = plan,
                       .ntargets = images > 1 ? 0 : o->targets.n,
                       .target = o->targets.data,
                       .exact = o->exact,
                       .threads = (o->openmp || !o->output) && o->batch <= 1,
                       .weight_bytes = 4 * c->graph->parameters,
                       .backend = {.arena = c->arena, .cc = o->cc, .verbose = o->verbose},
                       .progress = o->format == DIAG_TEXT,
                       .tuning = &c->tuning};
  if (!tune(&job, &why)) return backend_failed(c, &job.backend, why);
  stage_done(c, "tune");
  c->tuning_file = with_suffix(c->arena, o->input, ".tune");
  Text text = {.arena = c->arena};
  tuning_put(&text, &c->tuning, base_name(o->input));
  return outputs_add(c->outputs, c->tuning_file, text.s, text.n, &why) ||
         cannot_write(c, c->tuning_file, why);
}

/* ---- lowering ---- */
static Fusing fusing_of(const Options *o) {
  return o->level == LEVEL_PLAIN ? FUSE_NOTHING : o->level == LEVEL_SMALL ? FUSE_APART : FUSE_ALL;
}

static SummarySizes sizes_of(const Compilation *c) {
  const NetSizes sizes = emit_sizes(c->net);
  return (SummarySizes){sizes.workspace_bytes,
                        sizes.workspace_bound,
                        c->training ? sizes.training_bytes : -1,
                        sizes.training_bound,
                        c->training ? c->options->memory : 0,
                        c->again};
}

static const char *with_memory(const Compilation *c) {
  Text text = {.arena = c->arena};
  const SummarySizes sizes = sizes_of(c);
  text_put(&text, "%s", c->summary);
  graph_memory(&text, &sizes);
  return text.s;
}

/* How weights are compiled in. A program has nothing beside it, and what has no file of its own has none. */
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
                           : BACKEND_DATA;
}

/* ---- training in the memory that there is ---- */
static int64_t macs_of(const Graph *graph) {
  int64_t macs = 0;
  for (int i = 0; i < graph->nodes.n; i++) macs += node_macs(graph->nodes.data[i]);
  return macs;
}

/* Looking inside takes one image; where training code is there too, it has the same functions. */
static ProgramOptions lowering_of_training(const Compilation *c) {
  ProgramOptions options = c->lowering;
  options.batch = c->training ? c->graph->training->batch : 1;
  return options;
}

/* Weights as kernels read them and the gradients of shards take their part; how much scratch there is, one
 * knows when kernels are lowered. */
static bool fit_training(Compilation *c, Plan *train) {
  enum { TRIES = 8 };
  const int64_t most = c->options->memory;
  NetSizes sizes = emit_sizes(c->net);
  int64_t least = sizes.training_bytes, room = INT64_MAX;
  c->lowering.shards = sizes.shards;
  const ProgramOptions lowering = lowering_of_training(c);
  for (int i = 0; sizes.training_bytes > most; i++) {
    const int64_t others = sizes.training_bytes / 4 - plan_training_needs(train, sizes.shards, room).floats,
                  left = most / 4 - others;
    if (i == TRIES || room <= 0)
      return capacity_refused(c->arena, c->diags, c->graph, most, sizes.shards, least);
    room = i == TRIES - 1 || left < 0 ? 0 : left < room ? left : room - room / 64 - 1;
    train =
        plan_training_within(c->arena, c->graph, fusing_of(c->options), train->images, room, sizes.shards);
    c->programs.train = program_lower(c->arena, PROGRAM_TRAINING, train, &lowering);
    c->net = emit_begin(c->arena, c->graph, &c->programs, &c->sources, &c->emit);
    sizes = emit_sizes(c->net);
    if (sizes.training_bytes < least) least = sizes.training_bytes;
    const int64_t all = macs_of(train->graph);
    c->again = all > train->again_macs ? (double)train->again_macs / (double)(all - train->again_macs) : 0;
    if (sizes.training_bytes > most && plan_training_needs(train, sizes.shards, room).floats > room) room = 0;
  }
  stage_done(c, "fit training into memory");
  return true;
}

/* A program that is wrong is a bug of the compiler: nothing is written. */
static void verify(const Compilation *c) {
  const Program *const all[] = {c->programs.infer, c->programs.train, c->programs.look};
  for (int i = 0; i < 3; i++) {
    Arena *scratch = arena_new();
    const char *error = all[i] ? program_verify(scratch, all[i]) : NULL;
    if (error) {
      fprintf(stderr, "cnnc: internal error: the lowered program of %s is wrong: %s\n", c->graph->name,
              error);
      exit(3);
    }
    arena_free(scratch);
  }
}

static PlanOptions plan_options(const Compilation *c, PlanKind kind) {
  const Options *o = c->options;
  if (kind == PLAN_LOOK) return (PlanOptions){.fusing = FUSE_NOTHING};
  const bool training = kind == PLAN_TRAINING;
  const int64_t batch = options_plain(o) ? 1 : training ? c->graph->training->batch : o->batch;
  PlanOptions options = {.fusing = fusing_of(o),
                         .images =
                             images_side_by_side(c->graph, o->targets.n, o->targets.data, batch, training)};
  if (!training && dense_pays_together(c->graph, o->targets.n, o->targets.data, o->batch))
    options.whole_batch = o->batch;
  return options;
}

static Plan *make_plan(const Compilation *c, PlanKind kind) {
  return plan_new(c->arena, c->graph, kind, plan_options(c, kind));
}

static bool lower(Compilation *c) {
  const Options *o = c->options;
  if (!capacity_of_calls(c->arena, c->diags, c->graph, o->batch)) return false;
  c->emit = (EmitOptions){.prefix = c_name(c),
                          .header = o->kind == OUTPUT_C ? base_name(header_path(c)) : NULL,
                          .summary = c->summary,
                          .batch = o->batch,
                          .ntargets = o->targets.n,
                          .target = o->targets.data,
                          .openmp = o->openmp,
                          .no_fma = o->no_fma,
                          .program = o->kind == OUTPUT_PROGRAM,
                          .training = c->training,
                          .weights = c->weights};
  c->lowering = (ProgramOptions){.ntargets = o->targets.n,
                                 .target = o->targets.data,
                                 .openmp = o->openmp,
                                 .plain = options_plain(o),
                                 .exact = o->exact || o->level == LEVEL_QUICK,
                                 .batch = o->batch,
                                 .written = c->graph,
                                 .tuning = &c->tuning};
  choose_embedding(c);
  Plan *infer = make_plan(c, PLAN_INFERENCE), *train = c->training ? make_plan(c, PLAN_TRAINING) : NULL,
       *look = o->kind == OUTPUT_PROGRAM ? make_plan(c, PLAN_LOOK) : NULL;
  stage_done(c, "plan");
  if (!capacity_of_plans(c->arena, c->diags, c->graph, infer, train)) return false;
  const ProgramOptions training = lowering_of_training(c);
  c->programs.infer = program_lower(c->arena, PROGRAM_INFERENCE, infer, &c->lowering);
  if (train) c->programs.train = program_lower(c->arena, PROGRAM_TRAINING, train, &training);
  if (look) c->programs.look = program_lower(c->arena, PROGRAM_LOOK, look, &training);
  c->net = emit_begin(c->arena, c->graph, &c->programs, &c->sources, &c->emit);
  if (train && o->memory && !fit_training(c, train)) return false;
  const NetSizes sizes = emit_sizes(c->net);
  if (!capacity_check(c->arena, c->diags, c->graph, &c->emit, &sizes)) return false;
  c->summary = c->emit.summary = with_memory(c);
  stage_done(c, "schedule and prove");
  verify(c);
  stage_done(c, "verify");
  tuning_report(&c->tuning, c->diags);
  return good(c);
}

/* ---- writing ---- */
static bool same_file(const char *a, const char *b) {
  struct stat x, y;
  return a && b && stat(a, &x) == 0 && stat(b, &y) == 0 && S_ISREG(x.st_mode) && x.st_dev == y.st_dev &&
         x.st_ino == y.st_ino;
}

/* What was read is never written over. */
static bool spares_inputs(Compilation *c, const char *path) {
  bool same = same_file(path, c->options->weights) || same_file(path, c->labels_file) ||
              same_file(path, c->tuning_file);
  for (int i = 0; i < c->program->files.n; i++)
    same = same || same_file(path, c->program->files.data[i]->path);
  return !same || cannot_write(c, path, "the program is read from it");
}

static bool add_bytes(Compilation *c, const char *path, const void *bytes, size_t n) {
  const char *why = NULL;
  if (!spares_inputs(c, path)) return false;
  return outputs_add(c->outputs, path, bytes, n, &why) || cannot_write(c, path, why);
}

static bool add_output(Compilation *c, const char *path, const Text *text) {
  return add_bytes(c, path, text->n ? text->s : "", text->n);
}

static void dump_after(const Compilation *c, Text *text) {
  const char *pass = c->options->after;
  const PlanKind kind = c->training                          ? PLAN_TRAINING
                        : pass_belongs(pass, PLAN_INFERENCE) ? PLAN_INFERENCE
                                                             : PLAN_LOOK;
  plan_dump(text, plan_after(c->arena, c->graph, kind, plan_options(c, kind), pass));
}

static bool write_view(Compilation *c) {
  const Options *o = c->options;
  Text text = {.arena = c->arena};
  if (o->kind == OUTPUT_AST) ast_dump(&text, c->program);
  else if (o->kind == OUTPUT_DOT) graph_dot(&text, c->graph);
  else if (o->kind == OUTPUT_GRAPH && o->after) dump_after(c, &text);
  else if (o->kind == OUTPUT_GRAPH) graph_dump(&text, c->graph);
  else if (!lower(c)) return false;
  else if (o->kind == OUTPUT_SUMMARY) text_put(&text, "%s", c->summary);
  else if (o->kind == OUTPUT_NESTS) emit_nests(&text, c->net);
  else if (o->kind == OUTPUT_LOWERED) {
    const Program *const all[] = {c->programs.infer, c->programs.train, c->programs.look};
    for (int i = 0; i < 3; i++)
      if (all[i]) program_dump(&text, all[i]);
  } else if (o->kind == OUTPUT_SCHEDULE) program_schedules(&text, &c->programs, &c->lowering, &c->sources);
  else {
    const SummarySizes sizes = sizes_of(c);
    graph_json(&text, &c->sources, c->graph, &sizes);
  }
  return add_output(c, o->output, &text);
}

static bool write_header(Compilation *c, const char *path) {
  Text text = {.arena = c->arena};
  emit_header(&text, c->net);
  return add_output(c, path, &text);
}

typedef struct Bytes {
  const void *data;
  size_t n;
} Bytes;

static bool run_backend(Compilation *c, BackendKind kind, const Text *text, Bytes weights, const char *path) {
  const Options *o = c->options;
  static const char *const optimise[] = {
      [LEVEL_FULL] = "-O3", [LEVEL_PLAIN] = "-O1", [LEVEL_QUICK] = "-O1", [LEVEL_SMALL] = "-Os"};
  const Backend backend = {.arena = c->arena,
                           .kind = kind,
                           .cc = o->cc,
                           .cross = o->machine ? o->machine->cross : NULL,
                           .soname = base_name(o->output),
                           .runtime = o->runtime,
                           .openmp = o->openmp,
                           .optimise = optimise[o->level],
                           .verbose = o->verbose,
                           .data = weights.data,
                           .data_bytes = weights.n};
  const char *temporary = NULL, *why = NULL;
  if (!spares_inputs(c, path)) return false;
  if (!outputs_adopt(c->outputs, path, &temporary, &why)) return cannot_write(c, path, why);
  const bool done = backend_compile(&backend, text->s, text->n, temporary, &why);
  stage_done(c, "C compiler");
  return done || backend_failed(c, &backend, why);
}

static bool write_weights_object(Compilation *c, Bytes weights) {
  Text text = {.arena = c->arena};
  emit_weights_object(&text, c->net);
  return run_backend(c, BACKEND_OBJECT, &text, weights,
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
  Text text = {.arena = c->arena};
  Bytes weights;
  emit_c(&text, c->net);
  stage_done(c, "print");
  weights.data = emit_weights(c->net, &weights.n);
  if (weights.data) stage_done(c, "pack weights");
  if (options_backend(o->kind)) return run_backend(c, kind[o->kind], &text, weights, o->output);
  if (!add_output(c, o->output, &text) || !write_weights(c, weights)) return false;
  if (weights.data) stage_done(c, "write weights");
  return true;
}

static bool write_model(Compilation *c) {
  Bytes model;
  model.data = emit_model(c->net, &model.n);
  stage_done(c, "pack weights");
  return add_bytes(c, c->options->output, model.data, model.n);
}

static bool has_weights(Compilation *c) {
  if (c->weights && c->graph->parameters) return true;
  const char *name = c->graph->name;
  if (c->graph->parameters == 0)
    diag_report(c->diags, DIAG_no_weights, c->graph->name_span, NULL,
                "net %s has no parameters, so there is no model to write", name);
  else {
    Diag *diag = diag_report(c->diags, DIAG_no_weights, c->graph->name_span, NULL,
                             "a model is made of trained weights, and none are given for net %s", name);
    diag_help(diag, "--weights=FILE names a .safetensors or .npz file of them");
  }
  return false;
}

static bool write_code(Compilation *c) {
  const Options *o = c->options;
  const char *header = header_path(c);
  if (header && strpbrk(base_name(header), "\"\\\n"))
    return cannot_write(c, header, "C cannot include a header of this name");
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

static bool write_dependencies(Compilation *c) {
  const Options *o = c->options;
  if (!o->dependencies) return true;
  Text text = {.arena = c->arena};
  const char *path = o->dependency_file ? o->dependency_file : with_suffix(c->arena, o->output, ".d");
  put_path(&text, o->output && strcmp(o->output, "-") != 0
                      ? o->output
                      : with_suffix(c->arena, base_name(o->input), ".c"));
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
    put_path(&text, o->weights);
  }
  if (c->tuning_file) {
    text_put(&text, " ");
    put_path(&text, c->tuning_file);
  }
  text_put(&text, "\n");
  return add_output(c, path, &text);
}

static bool write_all(Compilation *c) {
  const Options *o = c->options;
  bool done = true;
  if (o->output) done = options_view(o->kind) ? write_view(c) : write_code(c);
  if (done && !c->net && (o->summary || !o->output)) done = lower(c);
  done = done && write_dependencies(c);
  if (done && (o->summary || !o->output)) fputs(c->summary, stdout);
  return done;
}

/* ---- the list of stages ---- */
static bool run(Compilation *c) {
  if (!check_built(c)) return false;
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

int compile(Arena *arena, const Options *options) {
  Compilation c = {.arena = arena,
                   .options = options,
                   .sources = {.arena = arena},
                   .outputs = outputs_new(arena),
                   .since = now()};
  c.diags = diags_new(arena, &c.sources);
  for (int i = 0; i < options->warnings.n; i++) diags_option(c.diags, options->warnings.data[i]);
  const char *why = NULL, *path = NULL;
  if (options->fix && !options->later.n && !fix_program(arena, options, &path, &why))
    cannot_write(&c, path, why);
  if (!run(&c) || !good(&c)) outputs_abandon(c.outputs);
  else if (!outputs_commit(c.outputs, &why)) cannot_write(&c, options->output ? options->output : "-", why);
  if (options->time_report) print_times(&c);
  diags_print(c.diags, stderr, options->format, options->colour);
  return diags_errors(c.diags) ? 1 : 0;
}
