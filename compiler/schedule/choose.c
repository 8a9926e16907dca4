// choose.c: Choice of a kernel's schedule.
// SPDX-License-Identifier: Apache-2.0
//
// The cost model ranks the registered schedules that support the kernel. All targets of a generated file
// share one layout of the weights. So the schedule of a kernel is chosen for the widest of these targets.
// Batched kernels are an exception: their schedule is chosen for each target. A choice that was measured for
// the widest target overrides the model's choice if the measured schedule supports the kernel.
#include "schedule/choose.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/number.h"
#include "graph/shape.h"

static const double HOPELESS = 3; /* a candidate is measured only if its predicted time is less than HOPELESS
                                     times that of the model's choice */

/* ---- description of the kernel ---- */
static const char *axes(Arena *arena, const char *what, const int64_t value[2], int64_t otherwise) {
  if (value[0] == otherwise && value[1] == otherwise) return "";
  return arena_printf(arena, " %s %" PRId64 "x%" PRId64, what, value[0], value[1]);
}

static const char *key_of(const Lower *l) {
  const Node *root = l->node;
  Text key = {.arena = l->arena};
  text_put(&key, "%s", root->op->name);
  if (root->window) text_put(&key, " %" PRId64 "x%" PRId64, root->window->kernel[0], root->window->kernel[1]);
  if (root->nin) text_put(&key, " %s ->", shape_text(l->arena, root->in[0]->shape));
  text_put(&key, " %s", shape_text(l->arena, root->shape));
  if (root->window) {
    const Window *w = root->window;
    text_put(&key, "%s%s%s", axes(l->arena, "stride", w->stride, 1), axes(l->arena, "pad", w->before, 0),
             axes(l->arena, "dilation", w->dilation, 1));
    if (w->groups > 1) text_put(&key, " groups %" PRId64, w->groups);
  }
  for (int i = 0; i < l->kernel->nchain; i++) text_put(&key, " + %s", l->kernel->chain[i]->op->name);
  if (l->kernel->pool) text_put(&key, " + %s", l->kernel->pool->op->name);
  return key.s;
}

/* ---- sizes that only the operator's own loops support ---- */
static bool dense_near_limits(const Node *node) {
  enum { UNIT = 64, MOST_PACKED = INT32_MAX - (1 << 26) };
  const Node *forward = node_forward(node);
  const int64_t inputs = shape_row_elements(forward->in[0]->shape),
                units = shape_row_elements(forward->shape);
  return bounded_product(inputs + UNIT, units + UNIT) > MOST_PACKED;
}

/* Whether the kernel's sizes are so large that, on every target, only the operator's own loops support
 * them. */
static bool choose_near_limits(const Lower *l) {
  switch (l->node->op->family) {
  case FAMILY_DENSE:
  case FAMILY_DENSE_INPUT:
  case FAMILY_DENSE_WEIGHTS: return !kernel_whole_batch(l->kernel) && dense_near_limits(l->node);
  case FAMILY_CONV:
  case FAMILY_CONV_SCATTER:
  case FAMILY_CONV_WEIGHTS:
  case FAMILY_DEPTHWISE:
  case FAMILY_DEPTHWISE_SCATTER:
  case FAMILY_DEPTHWISE_WEIGHTS: {
    const Correlation k = correlation_of(l->node);
    return correlation_near_limits(&k);
  }
  default: return false; /* the int8 schedules check the sizes themselves */
  }
}

/* ---- candidates ---- */
/* Adds a candidate. Returns whether the candidate can be chosen. */
static bool add_candidate(const Lower *l, Decision *d, const Schedule *s, Choice choice) {
  choice.schedule = s;
  Candidate c = {.choice = choice, .name = s->title ? s->title(l, &choice) : s->name};
  c.compared = s->compared && s->compared(l);
  c.refused = s->refused ? s->refused(l, &choice) : NULL;
  if (!c.refused) c.cycles = s->cycles(l, l->target, &choice);
  if (!c.refused && s->error) c.error = s->error(l, &choice);
  vec_push(l->arena, d->candidates, c);
  return !c.refused && !c.compared;
}

static void add_candidates(const Lower *l, Decision *d) {
  const unsigned family = FAMILY_BIT(l->node->op->family);
  const bool own = l->plain || choose_near_limits(l);
  bool possible = false;
  for (const Schedule *const *s = schedule_registry; *s && !own; s++) {
    if (!((*s)->families & family)) continue;
    if (!((*s)->takes ? (*s)->takes(l) : !kernel_whole_batch(l->kernel))) continue;
    Choices sizes = {.n = 1};
    if ((*s)->sizes) (*s)->sizes(l, (sizes.n = 0, &sizes));
    for (int i = 0; i < sizes.n; i++) possible |= add_candidate(l, d, *s, sizes.choice[i]);
  }
  if (!possible) add_candidate(l, d, &schedule_plain, (Choice){0});
}

/* ---- picking ---- */
/* The cycles that determine the choice: on the widest target or, for a batched kernel, on l->target. */
static double cycles_for(const Lower *l, const Candidate *c) {
  if (l->target == l->layout || kernel_whole_batch(l->kernel)) return c->cycles.total;
  return c->choice.schedule->cycles(l, l->layout, &c->choice).total;
}

/* Reports an internal error: add_candidates always adds at least one possible schedule. */
static _Noreturn void no_schedule(const Lower *l) {
  fprintf(stderr, "cnnc: internal error: no schedule computes %s\n", l->b->name);
  exit(3);
}

/* Chooses the candidate with the fewest cycles. If the first candidate without `compared` is possible, it is
 * preferred: another candidate must need less than `gain` times its cycles. */
static void pick_by_model(const Lower *l, Decision *d) {
  const double gain = kernel_whole_batch(l->kernel) ? 1 : l->target->rates->gain;
  double least = INFINITY;
  int possible = 0;
  d->model = -1;
  for (int i = 0; i < d->candidates.n; i++) {
    const Candidate *c = &d->candidates.data[i];
    possible += !c->refused;
    if (c->compared) continue;
    const double cycles = c->refused ? INFINITY : cycles_for(l, c);
    if (d->model < 0) least = gain * cycles;
    else if (cycles < least) least = cycles;
    else continue;
    d->model = i;
  }
  if (d->model < 0 || d->candidates.data[d->model].refused) no_schedule(l);
  d->chosen = d->model;
  if (possible == 1) d->why = d->candidates.n > 1 ? "no other schedule is possible" : "";
  else if (d->model || gain >= 1) d->why = "the fewest cycles";
  else d->why = arena_printf(l->arena, "no other schedule needs less than %g of its cycles", gain);
}

static const char *
choose_name_of(const Lower *l, const Target *target) { /* the target's name in a file of measured choices */
  return target->lanes == l->layout_lanes ? target->name
                                          : arena_printf(l->arena, "%s/%d", target->name, l->layout_lanes);
}

/* The candidate for a measured choice, or NULL. A choice that was read from a file has the first schedule
 * with its tuning name, perhaps of another family. So tuning names are compared, not schedules. */
static const Candidate *find_candidate(const Decision *d, const Choice *choice) {
  for (int i = 0; i < d->candidates.n; i++) {
    const Choice *c = &d->candidates.data[i].choice;
    const char *name = c->schedule->tuning_name, *wanted = choice->schedule->tuning_name;
    if (name && wanted && strcmp(name, wanted) == 0 && c->m == choice->m) return &d->candidates.data[i];
  }
  return NULL;
}

static const char *why_not(const Lower *l, const Decision *d, const Target *target, const Choice *choice) {
  const Candidate *c = find_candidate(d, choice);
  if (!c) return "the kernel has no such schedule";
  if (c->refused) return c->refused;
  const Schedule *s = c->choice.schedule;
  return target == l->target && s->refused ? s->refused(l, choice) : NULL;
}

/* The measured choice for a target; NULL if there is none, or if it is impossible. With --exact, an
 * impossible choice is not reported, because the choice may be possible without --exact. */
static const Tuned *measured(const Lower *l, const Decision *d, const Target *target) {
  Tuned *tuned = l->tuning && !l->batch && !l->plain && l->images <= 1
                     ? tuning_find(l->tuning, target == l->target ? d->target : d->layout_target, d->key)
                     : NULL;
  const char *refused = tuned ? why_not(l, d, target, &tuned->choice) : NULL;
  if (refused && !l->exact) tuned->refused = refused;
  return refused ? NULL : tuned;
}

static void pick_measured(Lower *l, Decision *d) {
  const Tuned *of_layout = measured(l, d, l->layout),
              *own = l->target == l->layout ? of_layout : measured(l, d, l->target);
  d->layout = l->target->lanes != l->layout->lanes;
  if (of_layout) {
    d->chosen = (int)(find_candidate(d, &of_layout->choice) - d->candidates.data);
    d->why = arena_printf(l->arena, "measured for %s", l->layout->name);
  }
  const Candidate *chosen = &d->candidates.data[d->chosen];
  if (own && find_candidate(d, &own->choice) == chosen) {
    d->tuned = own;
    l->choice = own->choice;
    l->choice.schedule = chosen->choice.schedule;
    d->why = own->us > 0 ? arena_printf(l->arena, "measured: %.1f us; the cost model's choice: %.1f us",
                                        own->us, own->model_us)
                         : "from the .tune file";
  }
}

void choose_schedule(Lower *l) {
  Decision *d = l->decision = NEW(l->arena, Decision);
  d->key = key_of(l);
  d->target = choose_name_of(l, l->target);
  d->layout_target = choose_name_of(l, l->layout);
  add_candidates(l, d);
  pick_by_model(l, d);
  pick_measured(l, d);
  if (!d->tuned) l->choice = d->candidates.data[d->chosen].choice;
}

/* ---- variants to measure ---- */
static void add_variants(const Lower *l, const Candidate *c, Choices *variants) {
  const Schedule *s = c->choice.schedule;
  if (s->variants && !c->compared) s->variants(l, &c->choice, variants);
}

Choices choose_variants(const Lower *l) {
  const Decision *d = l->decision;
  const Candidate *first = &d->candidates.data[d->layout ? d->chosen : d->model];
  Choices variants = {0};
  if (!first->choice.schedule->variants) return variants;
  add_variants(l, first, &variants);
  for (int i = 0; i < d->candidates.n && !d->layout; i++) {
    const Candidate *c = &d->candidates.data[i];
    if (!c->refused && c != first && c->cycles.total < HOPELESS * first->cycles.total)
      add_variants(l, c, &variants);
  }
  return variants;
}
