/* lowering.c: from the graph to the lowered program of what is wanted: inference, training, looking inside.
 */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include "compilation.h"
#include "kernel/lower.h"
#include "schedule/float/images.h"
#include "schedule/float/conv_repeated.h"
#include "schedule/float/rows.h"
#include "schedule/schedule.h"
#include "capacity.h"
#include "ops/registry.h"

enum { LARGEST_TEXT = 1 << 20 }; /* bytes of weights that are text unless one asks for something else */

static Fusing fusing_of(const Options *o) {
  return o->level == LEVEL_PLAIN ? FUSE_NOTHING : o->level == LEVEL_SMALL ? FUSE_APART : FUSE_ALL;
}

SummarySizes sizes_of(const Compilation *c) {
  const NetSizes sizes = layout_sizes(c->layout);
  return (SummarySizes){sizes.workspace_bytes,
                        sizes.workspace_bound,
                        c->training ? sizes.training_bytes : -1,
                        sizes.training_bound,
                        c->training ? c->options->memory : 0,
                        c->again,
                        c->bands.n ? c->bands_to : NULL};
}

static const char *with_memory(const Compilation *c) {
  Text text = {.arena = c->arena};
  const SummarySizes sizes = sizes_of(c);
  text_put(&text, "%s", c->summary);
  graph_memory(&text, &sizes);
  return text.s;
}

/* The header that NAME.c includes, or NULL. */
static const char *included_header(const Compilation *c) {
  if (c->options->kind == OUTPUT_LIBRARY) return arena_printf(c->arena, "%s.h", c_name(c));
  return c->options->kind == OUTPUT_C ? base_name(header_path(c)) : NULL;
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
  if (c->options->mpi) options.processes = c->options->mpi_most > 0 ? c->options->mpi_most : 1;
  return options;
}

/* What looks inside is seldom used, and the C compiler is quick with plain loops: -O1 takes these. */
static ProgramOptions lowering_of_looking(const Compilation *c) {
  ProgramOptions options = lowering_of_training(c);
  if (c->options->level != LEVEL_QUICK) return options;
  options.plain = true;
  options.sums = SMALL_SUMS;
  return options;
}

static NetSizes take_training(Compilation *c, Plan *train) {
  const ProgramOptions lowering = lowering_of_training(c);
  c->programs.train = program_lower(c->arena, PROGRAM_TRAINING, train, &lowering);
  c->layout = layout_new(c->arena, c->graph, &c->programs, &c->layout_options);
  return layout_sizes(c->layout);
}

/* Weights as kernels read them and the gradients of shards take their part; how much scratch there is, one
 * knows when kernels are lowered. `train` is the plan that was lowered last. False: nothing was found that
 * fits; `least` is what takes the fewest bytes. The last plan tried is the one for no room at all, so that
 * what is reported as the least fits when it is asked for. */
static bool fit_plan(Compilation *c, Plan *train, const PlanOptions *options, int64_t *least) {
  enum { TRIES = 8 };
  const int64_t most = c->options->memory;
  NetSizes sizes = layout_sizes(c->layout);
  int64_t room = INT64_MAX;
  bool stuck = false; /* there is no plan for that room */
  if (sizes.training_bytes < *least) *least = sizes.training_bytes;
  c->lowering.shards = sizes.shards;
  for (int i = 0; sizes.training_bytes > most; i++) {
    const int64_t others = sizes.training_bytes - plan_training_needs(train, sizes.shards, room).bytes,
                  left = most - others;
    if (i == TRIES || room <= 0) return false;
    room = i == TRIES - 1 || left < 0 || stuck ? 0 : left < room ? left : room - room / 64 - 1;
    train = plan_training_within(c->arena, c->graph, *options, room, sizes.shards);
    sizes = take_training(c, train);
    if (sizes.training_bytes < *least) *least = sizes.training_bytes;
    const int64_t all = macs_of(train->graph);
    c->again = all > train->again_macs ? (double)train->again_macs / (double)(all - train->again_macs) : 0;
    stuck = plan_training_needs(train, sizes.shards, room).bytes > room;
  }
  return true;
}

/* What convolutions of all images at once read and write is kept for every image: where nothing else helps,
 * they are computed image by image. */
static bool fit_training(Compilation *c, Plan *train) {
  PlanOptions options = plan_options(c, PLAN_TRAINING);
  int64_t least = INT64_MAX;
  options.images = train->images;
  bool fits = fit_plan(c, train, &options, &least);
  if (!fits && plan_conv_together(train)) {
    options.pays = NULL;
    c->lowering.shards = 0;
    c->again = 0;
    Plan *apart = plan_new(c->arena, c->graph, PLAN_TRAINING, options);
    take_training(c, apart);
    fits = fit_plan(c, apart, &options, &least);
  }
  stage_done(c, "fit training into memory");
  return fits ||
         capacity_refused(c->arena, c->diags, c->graph, c->options->memory, c->lowering.shards, least);
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
  /* What is computed for all images at once, each of several processes computes for all images. */
  options.pays = training && o->mpi ? NULL : rows_pay;
  options.costs = costs;
  if (!training && options.fusing == FUSE_ALL && !o->exact)
    options.repeated = conv_repeated_where(c->arena, c->graph, target_widest(o->targets.n, o->targets.data));
  return options;
}

static Plan *make_plan(const Compilation *c, PlanKind kind) {
  return plan_new(c->arena, c->graph, kind, plan_options(c, kind));
}

/* ---- boards ---- */
static const CpuCycles *cycles_of_board(const Compilation *c) {
  const Options *o = c->options;
  const Target *target = target_widest(o->targets.n, o->targets.data);
  const CpuCycles *usual = o->cpu ? &o->cpu->cycles : cpu_cycles(target);
  if (!usual) return NULL;
  CpuCycles *own = NEW(c->arena, CpuCycles);
  *own = *usual;
  own->line = (double)o->flash_wait;
  return own;
}

void lower_inference(Compilation *c) {
  c->programs.infer = program_lower(c->arena, PROGRAM_INFERENCE, make_plan(c, PLAN_INFERENCE), &c->lowering);
  c->layout = layout_new(c->arena, c->graph, &c->programs, &c->layout_options);
}

/* Weights that two layers share are counted once, so what is left out may save less than it seems. */
static void fit_board(Compilation *c) {
  enum { TRIES = 3 };
  int64_t flash = layout_footprint(c->layout).flash;
  const int64_t most = c->options->flash;
  for (int i = 0; most && flash > most && i < TRIES; i++) {
    const Small *small = budget_small(c, flash, &c->layout_options.merge);
    if (!small) break;
    c->lowering.small = small;
    lower_inference(c);
    flash = layout_footprint(c->layout).flash;
  }
  stage_done(c, "fit weights into flash");
}

/* What the schedules of an updatable net assume of all weights, and does not hold for these. */
static void check_assumptions(const Compilation *c) {
  const Program *p = c->programs.infer;
  for (int i = 0; i < p->calls.n; i++)
    for (int t = 0; t < p->ntargets; t++) {
      const Lower *l = p->calls.data[i].version[t].lower;
      if (!l->broken.n) continue;
      Diag *diag = diag_report(c->diags, DIAG_not_updatable, l->node->span, l->node->site,
                               "the weights of %s do not fit code that is --updatable", l->node->name);
      for (int k = 0; k < l->broken.n; k++) diag_fact(diag, "it needs %s", l->broken.data[k]);
      diag_help(diag,
                "-Os, whose loops take all weights; both the code and its models are made with it then");
      break;
    }
}

bool lower(Compilation *c) {
  const Options *o = c->options;
  if (!capacity_of_calls(c->arena, c->diags, c->graph, o->batch)) return false;
  c->layout_options = (LayoutOptions){.prefix = c_name(c),
                                      .batch = o->batch,
                                      .ntargets = o->targets.n,
                                      .target = o->targets.data,
                                      .embedded = c->weights != NULL,
                                      .taken = prelude_has_name,
                                      .reserved = emit_reserved};
  c->emit = (EmitOptions){.header = included_header(c),
                          .summary = c->summary,
                          .openmp = o->openmp,
                          .no_fma = o->no_fma,
                          .program = o->kind == OUTPUT_PROGRAM,
                          .network = o->network || c->training || o->kind == OUTPUT_PROGRAM,
                          .training = c->training,
                          .weights = c->weights};
  c->lowering = (ProgramOptions){.ntargets = o->targets.n,
                                 .target = o->targets.data,
                                 .openmp = o->openmp,
                                 .little_ram = o->ram > 0 || o->level == LEVEL_SMALL,
                                 .plain = options_plain(o),
                                 .sums = o->level == LEVEL_SMALL ? SMALL_SUMS : 0,
                                 .exact = o->exact,
                                 .batch = o->batch,
                                 .written = c->graph,
                                 .tuning = &c->tuning,
                                 .cycles = cycles_of_board(c)};
  choose_embedding(c);
  Plan *infer = make_plan(c, PLAN_INFERENCE), *train = c->training ? make_plan(c, PLAN_TRAINING) : NULL,
       *look = (o->look || o->kind == OUTPUT_PROGRAM) && !c->quantized ? make_plan(c, PLAN_LOOK) : NULL;
  stage_done(c, "plan");
  if (!capacity_of_plans(c->arena, c->diags, c->graph, infer, train)) return false;
  const ProgramOptions training = lowering_of_training(c);
  c->programs.infer = program_lower(c->arena, PROGRAM_INFERENCE, infer, &c->lowering);
  if (train) c->programs.train = program_lower(c->arena, PROGRAM_TRAINING, train, &training);
  if (look) {
    const ProgramOptions looking = lowering_of_looking(c);
    c->programs.look = program_lower(c->arena, PROGRAM_LOOK, look, &looking);
  }
  c->layout = layout_new(c->arena, c->graph, &c->programs, &c->layout_options);
  if (o->ram) fit_ram(c);
  if (o->flash) fit_board(c);
  if (train && o->memory && !fit_training(c, train)) return false;
  check_assumptions(c);
  const NetSizes sizes = layout_sizes(c->layout);
  if (!capacity_check(c->arena, c->diags, c->graph, &c->layout_options, c->training, &sizes) ||
      !budget_check(c))
    return false;
  c->summary = c->emit.summary = with_memory(c);
  stage_done(c, "schedule and prove");
  verify(c);
  stage_done(c, "verify");
  tuning_report(&c->tuning, c->diags);
  return good(c);
}
