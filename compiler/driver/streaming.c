/* streaming.c: --ram, where a net does not fit as it is: its first layers are computed band by band
 * (passes/bands.c). Up to which layer, and how many rows at a time, is tried out: of what fits, that of the
 * fewest kernels is taken, of what does not, the smallest. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include "compilation.h"
#include "passes/plan.h"

enum { MOST_LAYERS = 200, MOST_KERNELS = 2000, TRIES = 6 };

typedef struct Trial {
  Bands bands;
  const char *to; /* the layer at which they end */
  int64_t bytes;  /* of its values, at the least */
  int kernels;
} Trial;
typedef VEC(Trial) Trials;

static Trial trial_of(const Compilation *c, const PlanOptions *options, const char *to) {
  Arena *arena = arena_new();
  const Plan *plan = plan_new(arena, c->graph, PLAN_INFERENCE, *options);
  const Trial trial = {options->bands, to, plan_inference_least(plan), plan->kernels.n};
  arena_free(arena);
  return trial;
}

/* More bands than a value has rows are no more than that many. */
static Trials trials_of(const Compilation *c) {
  PlanOptions options = plan_options(c, PLAN_INFERENCE);
  const Graph *graph = plan_after(c->arena, c->graph, PLAN_INFERENCE, options, "drop")->graph;
  Trials trials = {0};
  for (int end = 0; end < graph->nodes.n && end < MOST_LAYERS; end++) {
    if (!bands_can_end_at(c->arena, graph, end)) continue;
    for (int64_t n = 2, kernels = 0;; n *= 2) {
      options.bands = (Bands){end, n};
      const Trial trial = trial_of(c, &options, graph->nodes.data[end]->name);
      if (trial.kernels == kernels || trial.kernels > MOST_KERNELS) break;
      kernels = trial.kernels;
      vec_push(c->arena, trials, trial);
    }
  }
  return trials;
}

static int by_kernels(const void *a, const void *b) {
  const Trial *x = a, *y = b;
  if (x->kernels != y->kernels) return x->kernels - y->kernels;
  return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

static int by_bytes(const void *a, const void *b) {
  const Trial *x = a, *y = b;
  if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
  return x->kernels - y->kernels;
}

static void sort(Trials *trials, int (*order)(const void *, const void *)) {
  if (trials->n) qsort(trials->data, (size_t)trials->n, sizeof *trials->data, order);
}

static int64_t lowered(Compilation *c, const Trial *trial) {
  c->bands = trial->bands;
  c->bands_to = trial->to;
  lower_inference(c);
  const Footprint f = layout_footprint(c->layout);
  return f.ram;
}

/* Lowers the first few of those whose values may fit into so many bytes. Returns the least that any takes,
 * and sets `best` to that one. */
static int64_t try_some(Compilation *c, const Trials *trials, int64_t most, int64_t least, Trial *best) {
  int tried = 0;
  for (int i = 0; i < trials->n && tried < TRIES && least > c->options->ram; i++) {
    if (trials->data[i].bytes > most) continue;
    tried++;
    const int64_t ram = lowered(c, &trials->data[i]);
    if (ram >= least) continue;
    least = ram;
    *best = trials->data[i];
  }
  return least;
}

void fit_ram(Compilation *c) {
  const Footprint f = layout_footprint(c->layout);
  const int64_t most = c->options->ram;
  c->ram_whole = f.ram;
  if (!most || c->ram_whole <= most || c->options->batch > 1) return;
  Trials trials = trials_of(c);
  Trial best = {.to = NULL};
  sort(&trials, by_kernels);
  const int64_t least = try_some(c, &trials, most - (c->ram_whole - f.workspace), c->ram_whole, &best);
  sort(&trials, by_bytes);
  try_some(c, &trials, INT64_MAX, least, &best);
  if (trials.n) lowered(c, &best);
  stage_done(c, "fit values into RAM");
}
