/* nests.c: Compares the results of loop nests in the interpreter with eval. Both compute in double, but
 * constants of nests are floats. So correct results differ by at most NEST_ERROR. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "check.h"
#include "graph/bf16.h"
#include "machine.h"
#include "schedule/choose.h"
#include "schedule/float/conv_repeated.h"
#include "schedule/schedule.h"

static const int widest = 16; /* lanes of the widest target */

/* Effects of an optimization level. plain: uses reference schedules. sums: maximum number of sums in a loop;
 * 0 means 1. little_ram: results may overlap dead operands. */
typedef struct Level {
  const char *name;
  Fusing fusing;
  bool plain;
  int sums;
  bool little_ram;
} Level;

static const Level levels[] = {{"-O2", FUSE_ALL, false, 0, false},
                               {"-O0", FUSE_NOTHING, true, 0, false},
                               {"-Os", FUSE_APART, true, SMALL_SUMS, true}};
enum { LEVELS = sizeof levels / sizeof *levels };

typedef struct Way { /* how a program is lowered and run */
  const Target *target;
  /* lanes for which weights are packed: the target's own, or those of a wider target in the same C file */
  int layout;
  const Level *level;
  bool little_ram;
  Tuning *choices; /* choices of schedules; NULL: the cost model's */
} Way;

/* With --stream, results before the first input row may be infinite or NaN. */
static double output_error(const Check *check, const Node *node, const double *got, const double *want,
                           int64_t n) {
  const bool any = check->special || check->sample.graph->stream;
  if (!check->special || !may_spread(check, node))
    return (any ? special_error : numbers_error)(got, want, n, 1e-3);
  double *seen = NEW_ARRAY(check->sample.arena, double, n + 1);
  for (int64_t i = 0; i < n; i++) seen[i] = isfinite(got[i]) ? got[i] : want[i];
  return special_error(seen, want, n, 1e-3);
}

static double gradients_error(const Check *check, const double *gradients, const double *moved) {
  const Graph *graph = check->sample.training.graph;
  double error = 0;
  for (int w = 0; w < graph->weights.n; w++) {
    const Weight *weight = graph->weights.data[w];
    /* Gradients below `least` count as rounding errors, for example those of gelu for large negative numbers.
     * With `moved` (the result of sample_round), `least` includes the errors of float constants and the
     * rounding errors of double, which has 29 more bits than float. */
    const double part = moved ? 4 * 0x1p-24 / NEST_ERROR : 1e-3,
                 terms = fmax(1e-9, gradient_floor(&check->sample, &check->training, weight, part)),
                 least = fmax(terms, gradient_rounding(weight, moved) * 0x1p-29 / NEST_ERROR);
    const double e =
        numbers_error(gradients + weight->offset, check->gradients + weight->offset, weight->size, least);
    if (getenv("NETCHECK_VERBOSE")) fprintf(stderr, "%s: error %.3g\n", weight->name, e);
    error = worse(error, e);
  }
  return error;
}

/* The error of the gradients in bf16. Constants of nests are floats. So if a value is near the middle between
 * two bf16 numbers, the nest may round it to one number and eval to the other number. If this happens to a
 * gradient in the graph, many weight gradients differ a little; errors up to two bf16 roundings are
 * accepted. */
static double rounded_error(const Check *check, const Machine *m) {
  const Graph *graph = check->sample.training.graph;
  double error = 0;
  for (int w = 0; w < graph->weights.n; w++) {
    const Weight *weight = graph->weights.data[w];
    const double terms = gradient_floor(&check->sample, &check->training, weight, 1e-3);
    error = worse(error, numbers_error(m->gradients + weight->offset, check->gradients + weight->offset,
                                       weight->size, terms));
  }
  return error <= 2 * BF16_ROUNDING ? NEST_ERROR : error;
}

double machine_error(const Check *check, const Machine *m, bool training) {
  const Sample *s = &check->sample;
  const Graph *graph = training ? s->training.graph : s->graph;
  const GraphRun *run = training ? &check->training : &check->forward;
  const bool rounds = training && graph_has_bf16(graph);
  double error = 0, loss = 0;
  for (int o = 0; o < graph->outputs.n; o++) {
    const Node *node = graph->outputs.data[o].node;
    const int64_t n = m->images * shape_elements(node->shape);
    const double e = output_error(check, node, m->output[o], run->value[node->id], n);
    error = worse(error, rounds && bf16_error(m->output[o], run->value[node->id], n, 1e-3) <= BF16_ROUNDING
                             ? fmin(e, NEST_ERROR)
                             : e);
  }
  if (!training) return error;
  for (int i = 0; i < graph->training->losses.n; i++)
    for (int64_t n = 0; n < m->images; n++) loss += m->loss[i][n];
  const double off = number_error(loss, sample_loss(s, run));
  error = worse(error, rounds && off <= BF16_ROUNDING ? fmin(off, NEST_ERROR) : off);
  const double e = gradients_error(check, m->gradients, NULL);
  if (e <= NEST_ERROR) return worse(error, e);
  return worse(error, rounds ? rounded_error(check, m)
                             : gradients_error(check, m->gradients, sample_round(s, check->gradients)));
}

/* Each run has its own arena, which is freed after the run, because a net is run hundreds of times. */
static double plan_error(const Check *check, Plan *plan, const Way *way) {
  const Sample *s = &check->sample;
  Arena *arena = arena_new();
  Machine m = {.arena = arena,
               .plan = plan,
               .images = s->count,
               .batch = s->count + 2,
               .layout_lanes = way->layout,
               .tuning = way->choices,
               .exact = check->special,
               .seed = SEED,
               .step = STEP,
               .weights = s->weights_double,
               .input = s->input_double,
               .target = s->target_double,
               .little_ram = way->little_ram,
               .sums = way->level->sums};
  double error = HUGE_VAL;
  if (machine_run(&m, way->target, way->level->plain)) error = machine_error(check, &m, plan->training);
  else printf("# %s\n", m.error);
  arena_free(arena);
  return error;
}

static void check_plan(const Check *check, Plan *plan, const Way *way) {
  const char *together = plan_any_together(plan) ? ", batched" : "";
  const char *how = plan->images > 1 ? ", images innermost" : together;
  const char *packs = way->layout != way->target->lanes ? ", wide packs" : "", *level = way->level->name,
             *ram = way->little_ram ? ", little RAM" : "";
  const char *nests = plan->training ? "nests of gradients" : "nests", *target = way->target->name;
  const char *bands = plan->bands ? ", in bands" : "";
  const char *what =
      arena_printf(check->sample.arena, "%s %s %s%s%s%s%s", nests, target, level, how, packs, ram, bands);
  report_error(check, what, plan_error(check, plan, way), NEST_ERROR);
}

/* Checks nests in which convolutions after a nearest upsampling read the input of the upsampling directly, if
 * the convolution permits it. */
static void check_repeated(const Check *check, const Way *way, int images) {
  const Sample *s = &check->sample;
  const bool *repeated = conv_repeated_where(s->arena, s->graph, NULL);
  bool any = false;
  for (int i = 0; i < s->graph->nodes.n; i++) any = any || repeated[i];
  if (!any) return;
  const PlanOptions options = {.fusing = FUSE_ALL, .images = images, .repeated = repeated};
  check_plan(check, plan_new(s->arena, s->graph, PLAN_INFERENCE, options), way);
}

/* Checks nests in which every layer that can be batched is batched. */
static void check_together(const Check *check, const Way *way, PlanKind kind) {
  const Sample *s = &check->sample;
  const Target *layout = way->layout == way->target->lanes ? way->target : target_of_lanes(way->layout);
  Plan *plan = plan_new(s->arena, s->graph, kind, sample_together(s, layout, check->special));
  if (plan_any_together(plan)) check_plan(check, plan, way);
}

/* Checks nests with row bands up to each layer that permits them: with a few bands, or with one row at a
 * time. */
static void check_bands(const Check *check, const Way *way) {
  const Sample *s = &check->sample;
  PlanOptions options = {.fusing = way->level->fusing};
  while (sample_next_bands(s, &options))
    check_plan(check, plan_new(s->arena, s->graph, PLAN_INFERENCE, options), way);
}

/* Whether a value of the net has rows along a leading axis (Shape.regions). The images of such nets are never
 * interleaved (images_side_by_side), and their losses cannot be interleaved. */
static bool has_rows(const Graph *graph) {
  for (int i = 0; i < graph->nodes.n; i++)
    if (graph->nodes.data[i]->shape.regions) return true;
  return false;
}

/* Checks plans for a target: image by image; batched; interleaved, with one image per lane. */
static void check_way(const Check *check, const Way *way, int images) {
  const Sample *s = &check->sample;
  const bool plain = way->level->plain;
  const Fusing fusing = way->level->fusing;
  check_plan(check, plan_inference(s->arena, s->graph, fusing, images, 0), way);
  if (!plain && images == 1) check_together(check, way, PLAN_INFERENCE);
  if (!plain && !check->special) check_repeated(check, way, images);
  if (way->little_ram && images == 1 &&
      share_has_turn(&check->limits.share, (int)(way->target - target_table), 6))
    check_bands(check, way);
  if (!check->gradients) return;
  Plan *training = plan_training(s->arena, s->graph, fusing, images);
  if (training->images == images && (images == 1 || !has_rows(s->graph))) check_plan(check, training, way);
  if (!plain && images == 1 && way->layout == way->target->lanes) check_together(check, way, PLAN_TRAINING);
  if (!plain && images == 1 && way->target->lanes == 1) /* rematerializes as much as possible */
    check_plan(check, plan_training_within(s->arena, s->graph, (PlanOptions){.fusing = fusing}, 0, 1), way);
}

/* Checks nests with weights packed for the target; then with little RAM and weights packed for the widest
 * target, as in a file for several targets. */
static void check_layouts(const Check *check, Way way, int images) {
  way.layout = way.target->lanes;
  way.little_ram = way.level->little_ram;
  check_way(check, &way, images);
  if (way.layout == widest || images > 1) return;
  if (check->sample.graph->parameters) way.layout = widest;
  way.little_ram = true;
  check_way(check, &way, images);
}

void check_nests(Check *check) {
  for (const Level *level = levels; level < levels + LEVELS; level++)
    for (const Target *target = target_table; target->name; target++) {
      if (machine_seen(target, check->sample.graph) || (level->plain && strcmp(target->name, "generic") != 0))
        continue;
      const Way way = {.target = target, .level = level};
      check_layouts(check, way, 1);
      if (target->lanes > 1 && !check->rows) check_layouts(check, way, target->lanes);
    }
}

/* ---- every choice ---- */
/* Writes the choices that tuning has for a kernel: first the possible schedules, then the variants worth
 * measuring (choose_variants). Returns the number of choices. */
static int choices_of(const Lower *l, Choice choice[2 * MOST_CHOICES]) {
  const Decision *d = l->decision;
  int n = 0;
  for (int i = 0; i < d->candidates.n && n < MOST_CHOICES; i++) {
    const Candidate *candidate = &d->candidates.data[i];
    if (!candidate->refused && candidate->choice.schedule->tuning_name) choice[n++] = candidate->choice;
  }
  const Choices variants = choose_variants(l);
  for (int i = 0; n && i < variants.n; i++) choice[n++] = variants.choice[i];
  return n;
}

/* Checks inference with choice n of every kernel that has more than n choices; false if there is no such
 * kernel. */
static bool check_choice(const Check *check, Way way, int n, double *error) {
  Arena *arena = check->sample.arena;
  Plan *plan = plan_inference(arena, check->sample.graph, FUSE_ALL, 1, 0);
  Tuning choices = {.arena = arena};
  Text names = {.arena = arena};
  const LowerOptions options = {.layout_lanes = way.layout, .images = 1};
  for (int k = 0; k < plan->kernels.n; k++) {
    Choice choice[2 * MOST_CHOICES];
    const Lower *l = schedule_kernel(arena, plan->kernels.data[k], way.target, &options);
    const Decision *d = l->decision;
    if (n >= choices_of(l, choice)) continue;
    tuning_set(&choices, (Tuned){.target = d->target, .key = d->key, .choice = choice[n]});
    const Tuned packed = {.target = d->layout_target, .key = d->key, .choice = choice[n]};
    if (l->layout != way.target) tuning_set(&choices, packed);
    text_put(&names, "%s%s by %s", names.n ? ", " : "", d->key, tuning_choice(arena, &choice[n]));
  }
  if (!choices.lines.n) return false;
  way.choices = &choices;
  const double e = plan_error(check, plan, &way);
  if (!(e <= NEST_ERROR)) printf("# error %.2g: %s\n", e, names.s);
  *error = worse(*error, e);
  return true;
}

static void check_target_choices(const Check *check, Way way) {
  double error = 0;
  int n = 0;
  while (check_choice(check, way, n, &error)) n++;
  if (!n) return;
  const char *packs = way.layout != way.target->lanes ? ", wide packs" : "";
  const char *name = way.target->name;
  const char *what = arena_printf(check->sample.arena, "nests %s by each of %d choices%s", name, n, packs);
  report_error(check, what, error, NEST_ERROR);
}

void check_choices(Check *check) {
  for (const Target *target = target_table; target->name; target++) {
    if (machine_seen(target, check->sample.graph)) continue;
    check_target_choices(check, (Way){.target = target, .level = &levels[0], .layout = target->lanes});
    if (target->lanes < widest)
      check_target_choices(check, (Way){.target = target, .level = &levels[0], .layout = widest});
  }
}
