/* within.c: a training plan that fits into a given room. Values of the forward pass are made again instead of kept: in runs of layers, of which the first value is
 * kept (Chen et al., 2016, "Training deep nets with sublinear memory cost"). Runs of several lengths are tried, for all values or only those that are cheap for their
 * size; of the plans that fit the one with the least work is taken, and what need not be made again after all is kept.
 *
 * Needs: a graph with a train block. Keeps: every value, to the bit. */
// SPDX-License-Identifier: Apache-2.0
#include "passes/passes.h"
#include "passes/plan.h"
#include "passes/recompute.h"
#include <stdlib.h>

enum { RUNS = 14, LEVELS = 10 };
static const int parts[RUNS] = {1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48}; /* a run holds at most this part of all that could be made again */

typedef struct Value { int id; int64_t floats, work; } Value;

typedef struct Search {
  Arena *arena;
  const Graph *graph;
  bool plain;
  int images, nodes;
  int64_t room, shards;
  int n; Value *value;
} Search;

typedef struct Trial { bool *again; int64_t floats, work; } Trial;

/* What of the forward pass is read late. */
static void find_values(Search *s) {
  int images = s->images;
  bool phases;
  const TrainingGraph training = plan_differentiate(s->arena, s->graph, s->plain, &images, &phases);
  const Graph *graph = training.graph;
  const bool *late = recompute_late(s->arena, graph);
  s->nodes = graph->nodes.n;
  s->value = NEW_ARRAY(s->arena, Value, s->nodes + 1);
  for (int i = 0; i < s->nodes && graph->nodes.data[i] != training.loss[0]; i++)
    if (late[i]) s->value[s->n++] = (Value){i, shape_elements(graph->nodes.data[i]->shape), recompute_work(graph->nodes.data[i])};
}

static void try_it(const Search *s, Trial *trial) {
  Arena *arena = arena_new();
  const Plan *plan = plan_training_again(arena, s->graph, s->plain, s->images, trial->again);
  trial->floats = plan_training_floats(plan, s->shards), trial->work = plan->again_work;
  arena_free(arena);
}

static bool better(const Search *s, const Trial *a, const Trial *b) {
  const bool fits = a->floats <= s->room;
  if (fits != (b->floats <= s->room)) return fits;
  const int64_t x = fits ? a->work : a->floats, y = fits ? b->work : b->floats;
  return x != y ? x < y : fits ? a->floats < b->floats : a->work < b->work;
}

static double price(const Value *value) { return (double)value->work / (double)value->floats; }

static int by_price(const void *a, const void *b) {
  const double x = price(a), y = price(b);
  return x != y ? (x > y) - (x < y) : ((const Value *)a)->id - ((const Value *)b)->id;
}

/* The n-th of LEVELS limits to what a float may cost. */
static double limit_of(const Search *s, int n) {
  Value *sorted = NEW_ARRAY(s->arena, Value, s->n);
  for (int i = 0; i < s->n; i++) sorted[i] = s->value[i];
  qsort(sorted, (size_t)s->n, sizeof *sorted, by_price);
  return price(&sorted[(int)((int64_t)(n + 1) * s->n / LEVELS) - 1 < 0 ? 0 : (int)((int64_t)(n + 1) * s->n / LEVELS) - 1]);
}

static Trial in_runs(const Search *s, double limit, int64_t longest) {
  Trial trial = {.again = NEW_ARRAY(s->arena, bool, s->nodes + 1)};
  int64_t run = 0;
  for (int i = 0; i < s->n; i++) {
    const Value *value = &s->value[i];
    if (price(value) > limit) continue;
    trial.again[value->id] = run + value->floats <= longest;
    run = trial.again[value->id] ? run + value->floats : 0;
  }
  try_it(s, &trial);
  return trial;
}

/* Dear values first. */
static void keep_what_fits(const Search *s, Trial *best) {
  Value *sorted = NEW_ARRAY(s->arena, Value, s->n + 1);
  for (int i = 0; i < s->n; i++) sorted[i] = s->value[i];
  qsort(sorted, (size_t)s->n, sizeof *sorted, by_price);
  for (int i = s->n - 1; i >= 0; i--) {
    if (!best->again[sorted[i].id]) continue;
    Trial trial = *best;
    trial.again[sorted[i].id] = false;
    try_it(s, &trial);
    if (better(s, &trial, best)) *best = trial;
    else best->again[sorted[i].id] = true;
  }
}

Plan *plan_training_within(Arena *arena, const Graph *graph, bool plain, int images, int64_t room, int64_t shards) {
  Search s = {.arena = arena, .graph = graph, .plain = plain, .images = images, .room = room, .shards = shards};
  find_values(&s);
  int64_t all = 0;
  for (int i = 0; i < s.n; i++) all += s.value[i].floats;
  Trial best = {.again = NEW_ARRAY(arena, bool, s.nodes + 1)};
  try_it(&s, &best);
  for (int level = 0; level < LEVELS && s.n; level++)
    for (int run = 0; run < RUNS; run++) {
      const Trial trial = in_runs(&s, limit_of(&s, level), all / parts[run]);
      if (better(&s, &trial, &best)) best = trial;
    }
  keep_what_fits(&s, &best);
  return plan_training_again(arena, graph, plain, images, best.again);
}
