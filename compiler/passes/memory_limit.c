/* memory_limit.c: Training plans within a memory limit: chooses the values of the forward pass to
 * rematerialize. First the pass tries runs of values, of several lengths: all values of a run are
 * rematerialized, and one value is kept between two runs (Chen et al., 2016, "Training deep nets with
 * sublinear memory cost"). The runs consist of all values, or only of values with little work per byte. Then
 * two greedy searches start: one from the best of these trials, and one from a plan without runs. Each step
 * changes the rematerialization of the value that saves the most memory above the limit per unit of work. In
 * the end, values for which there is enough memory are no longer rematerialized.
 *
 * Requires: a graph with a train block. Preserves: all values, bit for bit. */
// SPDX-License-Identifier: Apache-2.0
#include "passes/passes.h"
#include "passes/plan.h"
#include "passes/recompute.h"
#include <stdlib.h>

enum {
  RUNS = 14,
  LEVELS = 10,
  MOST_AGAIN = 4,
  TRIED_NODES = 1500 * 1000,
  STEP = 64
}; /* STEP: least_trial reduces the limit by 1/STEP of the best plan's bytes at a time */
/* The values of a run have at most 1/parts[i] of the bytes of all candidates. */
static const int parts[RUNS] = {1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48};

typedef struct Value {
  int id;
  int64_t bytes, work;
} Value;

typedef struct Search {
  Arena *arena, *scratch; /* scratch: contains the data of the current trial */
  PassState base;         /* state before recompute, which each trial copies */
  int nodes;
  int64_t room, shards;
  int n;
  Value *value, *by_price; /* the candidates; value: in graph order; by_price: ordered by work per byte */
  int trials;              /* number of remaining trials */
} Search;

typedef struct Trial {
  unsigned char *again;
  int64_t bytes, over, work;
} Trial; /* again: by node id, number of rematerializations; bytes, over: as in TrainingNeeds */

static int64_t value_bytes(const Node *node) {
  const Home home = home_own(node);
  return home_bytes(&home, shape_elements(node->shape));
}

/* Finds the candidates: values of the forward pass that have late readers (recompute_late). */
static void find_values(Search *s) {
  const Graph *graph = s->base.plan->graph;
  s->base.times = recompute_times(s->arena, s->base.plan);
  const bool *late = recompute_late(s->arena, s->base.plan, s->base.times);
  s->nodes = graph->nodes.n;
  s->value = NEW_ARRAY(s->arena, Value, s->nodes + 1);
  for (int i = 0; i < s->nodes && graph->nodes.data[i] != s->base.plan->loss[0]; i++)
    if (late[i])
      s->value[s->n++] = (Value){i, value_bytes(graph->nodes.data[i]), recompute_work(graph->nodes.data[i])};
}

/* A copy of the state `base`, after the pass recompute. */
static PassState recompute_state(Arena *arena, const PassState *base, const unsigned char *again,
                                 bool trial) {
  PassState state = passes_fork(arena, base);
  state.again = again;
  state.trial = trial;
  passes_run(&state, PASS_RECOMPUTE, PASS_RECOMPUTE);
  return state;
}

static Plan *plan_again(Arena *arena, const PassState *base, const unsigned char *again) {
  PassState state = recompute_state(arena, base, again, false);
  passes_run(&state, PASS_RECOMPUTE + 1, PASSES - 1);
  return state.plan;
}

static bool better(const Trial *a, const Trial *b) {
  if (a->over != b->over) return a->over < b->over;
  return a->work != b->work ? a->work < b->work : a->bytes < b->bytes;
}

/* Excess memory that a change saves per unit of work that it adds; work below 1 counts as 1. */
static double trial_gain(const Trial *from, const Trial *to) {
  const double off = (double)(from->over - to->over), work = (double)(to->work - from->work);
  return off <= 0 ? 0 : work <= 1 ? off : off / work;
}

/* Plans a trial. First computes the trial's work. If the gain over `from` (trial_gain) would be at most
 * `least` even with an excess of 0, stops there: the excess remains INT64_MAX. from NULL: does not stop. */
static void try_for_gain(Search *s, Trial *trial, const Trial *from, double least) {
  PassState state = recompute_state(s->scratch, &s->base, trial->again, true);
  trial->work = state.plan->recomputed_work;
  trial->over = trial->bytes = INT64_MAX;
  if (!from || trial_gain(from, &(Trial){.work = trial->work}) > least) {
    passes_run(&state, PASS_RECOMPUTE + 1, PASSES - 1);
    const TrainingNeeds needs = plan_training_needs(s->scratch, state.plan, s->shards, s->room);
    trial->bytes = needs.bytes;
    trial->over = needs.over;
  }
  arena_reset(s->scratch);
  s->trials--;
}

static void try_it(Search *s, Trial *trial) { try_for_gain(s, trial, NULL, 0); }

static double price(const Value *value) { return (double)value->work / (double)value->bytes; }

static int by_price(const void *a, const void *b) {
  const double x = price(a), y = price(b);
  return x != y ? (x > y) - (x < y) : ((const Value *)a)->id - ((const Value *)b)->id;
}

static void sort_values(Search *s) {
  s->by_price = NEW_ARRAY(s->arena, Value, s->n + 1);
  for (int i = 0; i < s->n; i++) s->by_price[i] = s->value[i];
  qsort(s->by_price, (size_t)s->n, sizeof *s->by_price, by_price);
}

/* The n-th of LEVELS limits of work per byte. */
static double trial_limit(const Search *s, int n) {
  const int at = (int)((int64_t)(n + 1) * s->n / LEVELS) - 1;
  return price(&s->by_price[at < 0 ? 0 : at]);
}

static Trial in_runs(Search *s, double limit, int64_t longest) {
  Trial trial = {.again = NEW_ARRAY(s->arena, unsigned char, s->nodes + 1)};
  int64_t run = 0;
  for (int i = 0; i < s->n; i++) {
    const Value *value = &s->value[i];
    if (price(value) > limit) continue;
    trial.again[value->id] = run + value->bytes <= longest;
    run = trial.again[value->id] ? run + value->bytes : 0;
  }
  try_it(s, &trial);
  return trial;
}

static Trial nothing_again(Search *s) {
  Trial trial = {.again = NEW_ARRAY(s->arena, unsigned char, s->nodes + 1)};
  try_it(s, &trial);
  return trial;
}

static Trial best_of_runs(Search *s, const Trial *none) {
  int64_t all = 0;
  for (int i = 0; i < s->n; i++) all += s->value[i].bytes;
  Trial best = *none;
  for (int level = 0; level < LEVELS && s->n; level++)
    for (int run = 0; run < RUNS; run++) {
      const Trial trial = in_runs(s, trial_limit(s, level), all / parts[run]);
      if (better(&trial, &best)) best = trial;
    }
  return best;
}

/* ---- single values ---- */
/* The trial with `by` more rematerializations of a value, planned by try_for_gain. */
static Trial changed(Search *s, const Trial *from, int id, int by, const Trial *compared, double least) {
  Trial trial = *from;
  trial.again[id] = (unsigned char)(trial.again[id] + by);
  try_for_gain(s, &trial, compared, least);
  trial.again[id] = (unsigned char)(trial.again[id] - by);
  return trial;
}

/* Makes the best single change to a trial: one value is rematerialized one more or one fewer time. False:
 * found no change that gains anything. */
static bool improve_trial(Search *s, Trial *best) {
  int chosen = -1, by = 0;
  double most = 0;
  Trial to = *best;
  for (int i = 0; i < s->n; i++)
    for (int step = 1; step >= -1; step -= 2) {
      const int id = s->value[i].id, times = best->again[id] + step;
      if (times < 0 || times > MOST_AGAIN || s->trials <= 0) continue;
      const Trial trial = changed(s, best, id, step, best, most);
      if (trial_gain(best, &trial) <= most) continue;
      most = trial_gain(best, &trial);
      to = trial;
      chosen = id;
      by = step;
    }
  if (chosen < 0) return false;
  *best = to;
  best->again[chosen] = (unsigned char)(best->again[chosen] + by);
  return true;
}

/* Stops rematerializing values for which there is enough memory, the most expensive values first. */
static void keep_affordable(Search *s, Trial *best) {
  for (int i = s->n - 1; i >= 0; i--)
    for (bool kept = true; kept && best->again[s->by_price[i].id];) {
      const Trial trial = changed(s, best, s->by_price[i].id, -1, NULL, 0);
      kept = better(&trial, best);
      if (kept) {
        *best = trial;
        best->again[s->by_price[i].id]--;
      }
    }
}

static Trial copy_trial(const Search *s, const Trial *trial) {
  Trial copy = *trial;
  copy.again = NEW_ARRAY(s->arena, unsigned char, s->nodes + 1);
  for (int i = 0; i < s->nodes; i++) copy.again[i] = trial->again[i];
  return copy;
}

/* Also searches with smaller limits, which sometimes lead to a better plan than the limit itself. */
static Trial search(Search *s, const Trial *from) {
  enum { AIMS = 3, CLOSER = 24 };
  const int64_t room = s->room;
  Trial best = *from;
  for (int aim = 0; aim < (room > 0 ? AIMS : 1); aim++) {
    Trial trial = copy_trial(s, from);
    s->room = room - aim * (room / CLOSER);
    try_it(s, &trial);
    while (trial.over && s->trials > 0 && improve_trial(s, &trial));
    s->room = room;
    try_it(s, &trial);
    keep_affordable(s, &trial);
    if (better(&trial, &best)) best = trial;
  }
  return best;
}

/* The plan with the least memory: lowers the limit in small steps as long as a plan fits. */
static Trial least_trial(Search *s, const Trial *from) {
  Trial best = copy_trial(s, from);
  for (Trial next = best; !next.over && s->trials > 0;) {
    best = copy_trial(s, &next);
    s->room = best.bytes - best.bytes / STEP - 1;
    try_it(s, &next);
    while (next.over && s->trials > 0 && improve_trial(s, &next));
  }
  return best;
}

Plan *plan_training_within(Arena *arena, const Graph *graph, PlanOptions options, int64_t room,
                           int64_t shards) {
  Search s = {.arena = arena, .scratch = arena_new(), .room = room, .shards = shards};
  s.base = passes_begin(arena, graph, PLAN_TRAINING, options);
  passes_run(&s.base, 0, PASS_RECOMPUTE - 1);
  find_values(&s);
  sort_values(&s);
  s.trials = TRIED_NODES / (s.nodes + 1);
  const Trial none = nothing_again(&s), runs = best_of_runs(&s, &none), from_runs = search(&s, &runs),
              from_none = search(&s, &none);
  Trial best = better(&from_none, &from_runs) ? from_none : from_runs;
  if (best.over) {
    s.room = best.bytes;
    best.over = 0;
    best = least_trial(&s, &best);
  }
  arena_free(s.scratch);
  return plan_again(arena, &s.base, best.again);
}
