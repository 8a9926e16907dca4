/* fit_board.c: Search for schedules and row bands with which a net fits into --flash and --ram. Chooses the
 * fastest int8 schedules whose constants fit into flash. If values do not fit into RAM, computes the first
 * layers in row bands (passes/bands.c). */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include "compilation.h"
#include "passes/plan.h"
#include "schedule/choose.h"

static void lower_again(Compilation *c) {
  c->plans.infer = make_plan(c, PLAN_INFERENCE);
  lower_inference(c);
  lay_out(c);
}

/* ---- flash ---- */
/* A schedule of a layer, compared with the layer's smallest schedule (the supported candidate with the
 * smallest constants). The schedule has larger constants, and is faster or is the current choice. In a list,
 * the gains of a layer are consecutive. */
typedef struct Gain {
  int root; /* id of the layer's node */
  Small small;
  bool chosen;   /* the schedule is the current choice */
  int64_t bytes; /* additional bytes, relative to the smallest schedule */
  double cycles; /* cycles saved, relative to the smallest schedule */
} Gain;
typedef VEC(Gain) Gains;

/* The supported candidate with the smallest constants; the reference schedule is considered only if it is the
 * current choice. */
static const Candidate *smallest(const Decision *d) {
  const Candidate *least = NULL;
  for (int i = 0; i < d->candidates.n; i++) {
    const Candidate *way = &d->candidates.data[i];
    if (way->refused || (!way->choice.schedule->build && d->chosen != i)) continue;
    if (!least || way->cycles.weight_bytes < least->cycles.weight_bytes) least = way;
  }
  return least;
}

static Small small_of(const Candidate *way) { return way->choice.schedule->small(&way->choice); }

static void add_gains(const Compilation *c, const Lower *l, Gains *gains) {
  const Decision *d = l->decision;
  const Candidate *chosen = &d->candidates.data[d->chosen], *least = smallest(d);
  if (!chosen->choice.schedule->small) return; /* the schedule is not for microcontrollers */
  for (int i = 0; i < d->candidates.n; i++) {
    const Candidate *way = &d->candidates.data[i];
    if (way->refused || !way->choice.schedule->build || small_of(way) < small_of(chosen)) continue;
    const Gain gain = {.root = l->node->id,
                       .small = small_of(way),
                       .chosen = way == chosen,
                       .bytes = way->cycles.weight_bytes - least->cycles.weight_bytes,
                       .cycles = least->cycles.total - way->cycles.total};
    if (gain.bytes > 0 && (gain.chosen || gain.cycles > 0)) vec_push(c->arena, *gains, gain);
  }
}

static Gains find_gains(const Compilation *c) {
  const Program *p = c->programs.infer;
  Gains gains = {0};
  for (int i = 0; c->quantized && i < p->calls.n; i++)
    add_gains(c, p->calls.data[i].version[0].lower, &gains);
  return gains;
}

/* A set of gains, as a linked list. */
typedef struct GainSet {
  int64_t bytes; /* bytes, cycles: sums over the set */
  double cycles;
  int last; /* index of the last gain plus 1; 0: the set is empty */
  const struct GainSet *before;
} GainSet;
typedef VEC(const GainSet *) Sets;

static int by_bytes(const void *a, const void *b) {
  const GainSet *x = *(const GainSet *const *)a, *y = *(const GainSet *const *)b;
  if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
  return x->cycles > y->cycles ? -1 : x->cycles < y->cycles;
}

/* The Pareto-optimal sets by bytes and cycles. While there are more than MOST sets, every second set is
 * dropped. */
static Sets best_sets(Arena *arena, Sets all) {
  enum { MOST = 4096 };
  Sets kept = {0};
  double best = -1;
  qsort(all.data, (size_t)all.n, sizeof *all.data, by_bytes);
  for (int i = 0; i < all.n; i++) {
    if (all.data[i]->cycles <= best) continue;
    best = all.data[i]->cycles;
    vec_push(arena, kept, all.data[i]);
  }
  for (; kept.n > MOST; kept.n /= 2)
    for (int i = 0; i < kept.n / 2; i++) kept.data[i] = kept.data[2 * i];
  return kept;
}

/* Of the sets with at most `bytes` bytes and at most one gain per layer, the set that saves the most cycles
 * (a multiple-choice knapsack). best_sets may have dropped the best set. */
static const GainSet *best_set(Arena *arena, const Gains *gains, int64_t bytes) {
  Sets sets = {0};
  vec_push(arena, sets, NEW(arena, GainSet));
  for (int g = 0, next; g < gains->n; g = next) {
    const int n = sets.n;
    for (next = g; next < gains->n && gains->data[next].root == gains->data[g].root; next++) {
      const Gain *gain = &gains->data[next];
      for (int i = 0; i < n; i++) {
        const GainSet *before = sets.data[i];
        if (before->bytes + gain->bytes > bytes) continue;
        GainSet *set = NEW(arena, GainSet);
        *set = (GainSet){before->bytes + gain->bytes, before->cycles + gain->cycles, next + 1, before};
        vec_push(arena, sets, set);
      }
    }
    sets = best_sets(arena, sets);
  }
  return sets.data[sets.n - 1];
}

/* Whether functions should be merged. This is true if most layers with gains have their smallest constants,
 * and no layer has Winograd weights. Winograd weights save about as many cycles as merging costs, and need
 * much more flash than merging saves. So if the flash has room for Winograd weights, merging does not pay. */
static bool mostly_smallest(const Gains *gains, const Small *small) {
  int layers = 0, smallest = 0;
  for (int g = 0; g < gains->n; g++) {
    const int root = gains->data[g].root;
    if (g && root == gains->data[g - 1].root) continue;
    if (small[root] < SMALL_BYTES) return false;
    layers++;
    smallest += small[root] == SMALL_MOST;
  }
  return 2 * smallest > layers;
}

/* The size class of each kernel's constants in the fastest net within --flash, indexed by the id of the
 * kernel's root node. NULL: the net fits already, or no layer has gains. flash: bytes of flash that the net
 * needs with the current choice. Sets `merge` if functions should be merged. */
static const Small *smaller_constants(const Compilation *c, int64_t flash, bool *merge) {
  const Gains gains = find_gains(c);
  if (!gains.n || flash <= c->options->flash) return NULL;
  int64_t least = flash;
  for (int g = 0; g < gains.n; g++) least -= gains.data[g].chosen ? gains.data[g].bytes : 0;
  const int nodes = c->programs.infer->graph->nodes.n;
  Small *small = NEW_ARRAY(c->arena, Small, nodes + 1);
  for (int i = 0; c->lowering.small && i < nodes; i++) small[i] = c->lowering.small[i];
  for (int g = 0; g < gains.n; g++) small[gains.data[g].root] = SMALL_MOST;
  const GainSet *set =
      least > c->options->flash ? NULL : best_set(c->arena, &gains, c->options->flash - least);
  /* set is NULL: even the smallest constants do not fit; they are used nevertheless */
  for (; set && set->last; set = set->before)
    small[gains.data[set->last - 1].root] = gains.data[set->last - 1].small;
  *merge |= mostly_smallest(&gains, small) && !c->programs.train && !c->programs.look;
  return small;
}

/* Chooses constants and lowers the net up to TRIES times: a choice may save less flash than expected, because
 * layers may share weights. */
void fit_flash(Compilation *c) {
  enum { TRIES = 3 };
  int64_t flash = layout_footprint(c->layout).flash;
  const int64_t most = c->options->flash;
  for (int i = 0; flash > most && i < TRIES; i++) {
    const Small *small = smaller_constants(c, flash, &c->layout_options.merge);
    if (!small) break;
    c->lowering.small = small;
    lower_again(c);
    flash = layout_footprint(c->layout).flash;
  }
}

/* ---- RAM ----
 * A trial is a pair: the last layer in row bands, and the number of bands. The trials whose values may fit
 * are lowered first, in ascending order of their number of kernels. Then trials are lowered in ascending
 * order of the memory for values. The first trial that fits is used. If no trial fits, the trial with the
 * least RAM is used if it needs less RAM than the net without row bands. */
enum { MOST_LAYERS = 200, MOST_KERNELS = 2000, TRIES = 6 };

typedef struct BandTrial {
  Bands bands;
  const char *to; /* the last layer in row bands */
  int64_t bytes;  /* lower bound of the memory for values, as plan_inference_least returns it */
  int kernels;
  bool lowered;
} BandTrial;
typedef VEC(BandTrial) BandTrials;

/* Lowered row bands, and the RAM in bytes that inference needs with them. */
typedef struct Lowered {
  Bands bands;
  const char *to;
  int64_t ram;
} Lowered;

static Lowered lowered_now(const Compilation *c) {
  return (Lowered){c->bands, c->bands_to, layout_footprint(c->layout).ram};
}

static BandTrial plan_trial(const Compilation *c, const PlanOptions *options, const char *to) {
  Arena *arena = arena_new();
  const Plan *plan = plan_new(arena, c->graph, PLAN_INFERENCE, *options);
  const BandTrial trial = {
      .bands = options->bands, .to = to, .bytes = plan_inference_least(plan), .kernels = plan->kernels.n};
  arena_free(arena);
  return trial;
}

/* Trials for possible last layers, among the first MOST_LAYERS nodes, with 2, 4, 8 ... bands. The trials of a
 * last layer end if doubling the bands adds no kernels, or results in more than MOST_KERNELS kernels. */
static BandTrials plan_trials(const Compilation *c) {
  PlanOptions options = plan_options(c, PLAN_INFERENCE);
  const Graph *graph = plan_after(c->arena, c->graph, PLAN_INFERENCE, options, "drop")->graph;
  BandTrials trials = {0};
  for (int end = 0; end < graph->nodes.n && end < MOST_LAYERS; end++) {
    if (!bands_can_end_at(c->arena, graph, end)) continue;
    for (int64_t n = 2, kernels = 0;; n *= 2) {
      options.bands = (Bands){end, n};
      const BandTrial trial = plan_trial(c, &options, graph->nodes.data[end]->name);
      if (trial.kernels == kernels || trial.kernels > MOST_KERNELS) break;
      kernels = trial.kernels;
      vec_push(c->arena, trials, trial);
    }
  }
  return trials;
}

static int by_kernels(const void *a, const void *b) {
  const BandTrial *x = a, *y = b;
  if (x->kernels != y->kernels) return x->kernels - y->kernels;
  return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

static int by_least_bytes(const void *a, const void *b) {
  const BandTrial *x = a, *y = b;
  if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
  return x->kernels - y->kernels;
}

static void sort(BandTrials *trials, int (*order)(const void *, const void *)) {
  if (trials->n) qsort(trials->data, (size_t)trials->n, sizeof *trials->data, order);
}

/* Lowers the first TRIES trials whose values may fit into `most` bytes, until a trial fits into --ram. A
 * trial is lowered only once. `best` becomes the trial with the least RAM. */
static void lower_best_trials(Compilation *c, const BandTrials *trials, int64_t most, Lowered *best) {
  int tried = 0;
  for (int i = 0; i < trials->n && tried < TRIES && best->ram > c->options->ram; i++) {
    BandTrial *trial = &trials->data[i];
    if (trial->bytes > most) continue;
    tried++;
    if (trial->lowered) continue;
    trial->lowered = true;
    c->bands = trial->bands;
    c->bands_to = trial->to;
    lower_again(c);
    const Lowered lowered = lowered_now(c);
    if (lowered.ram < best->ram) *best = lowered;
  }
}

void fit_ram(Compilation *c) {
  const Footprint f = layout_footprint(c->layout);
  const int64_t most = c->options->ram;
  c->ram_whole = f.ram;
  if (c->ram_whole <= most || c->options->batch > 1) return;
  BandTrials trials = plan_trials(c);
  Lowered best = lowered_now(c);
  sort(&trials, by_kernels);
  lower_best_trials(c, &trials, most - (c->ram_whole - f.workspace), &best);
  sort(&trials, by_least_bytes);
  lower_best_trials(c, &trials, INT64_MAX, &best);
  if (c->bands.end == best.bands.end && c->bands.n == best.bands.n) return;
  c->bands = best.bands;
  c->bands_to = best.to;
  lower_again(c);
}

/* ---- errors about sizes ---- */
static const char *with_commas(const Compilation *c, int64_t bytes) {
  return text_thousands(c->arena, bytes);
}

/* Adds the largest layers, at most three, to an error. */
static void add_largest_layers(const Compilation *c, Diag *diag, const Footprint *f, bool ram) {
  enum { SHOWN = 3 };
  bool *shown = NEW_ARRAY(c->arena, bool, f->n + 1);
  for (int i = 0; i < SHOWN; i++) {
    int largest = -1;
    for (int l = 0; l < f->n; l++) {
      const int64_t bytes = ram ? f->layer[l].ram : f->layer[l].flash;
      if (!shown[l] && bytes > 0 &&
          (largest < 0 || bytes > (ram ? f->layer[largest].ram : f->layer[largest].flash)))
        largest = l;
    }
    if (largest < 0) return;
    shown[largest] = true;
    diag_fact(diag, "%s: %s bytes", f->layer[largest].name,
              with_commas(c, ram ? f->layer[largest].ram : f->layer[largest].flash));
  }
}

static void suggest_cpu(const Compilation *c, Diag *diag, const Footprint *f) {
  if (f->stack < 0 && !c->options->cpu)
    diag_help(diag, "the sizes are for %s; --cpu=NAME selects a microcontroller",
              c->options->targets.data[0]->name);
}

static void report_flash(Compilation *c, const Footprint *f) {
  Diag *diag = diag_report(c->diags, DIAG_too_little_flash, c->graph->name_span, NULL,
                           "net %s needs %s bytes of flash without its code; the limit is %s", c->graph->name,
                           with_commas(c, f->flash), with_commas(c, c->options->flash));
  add_largest_layers(c, diag, f, false);
  suggest_cpu(c, diag, f);
  if (!c->quantized)
    diag_help(diag, "an int8 model needs about %s bytes: use cnnc quantize", with_commas(c, f->flash / 4));
  else if (c->lowering.small)
    diag_help(diag, "all layers have their smallest constants already; use fewer filters");
  else diag_help(diag, "use fewer filters");
}

static void warn_weights_in_ram(Compilation *c, const Footprint *f) {
  Diag *diag = diag_report(c->diags, DIAG_weights_in_ram, c->graph->name_span, NULL,
                           "--flash does not limit the weights: they are in the caller's RAM, %s bytes",
                           with_commas(c, f->model));
  diag_help(diag, "--weights=FILE puts the weights into flash");
}

static bool has_picture(const Graph *graph) {
  for (int i = 0; i < graph->inputs.n; i++)
    if (graph->inputs.data[i].node->shape.rank == 3) return true;
  return false;
}

static void report_ram(Compilation *c, const Footprint *f) {
  const int64_t stack = f->stack > 0 ? f->stack : 0;
  Diag *diag = diag_report(c->diags, DIAG_too_little_ram, c->graph->name_span, NULL,
                           "net %s needs %s bytes of RAM; the limit is %s", c->graph->name,
                           with_commas(c, f->ram), with_commas(c, c->options->ram));
  diag_fact(diag, "%s bytes of workspace", with_commas(c, f->workspace));
  if (f->state) diag_fact(diag, "%s bytes of states", with_commas(c, f->state));
  if (c->bands.n)
    diag_fact(diag, "the layers up to %s are in row bands; without row bands the net needs %s bytes",
              c->bands_to, with_commas(c, c->ram_whole));
  if (stack) diag_fact(diag, "at most %s bytes of stack", with_commas(c, stack));
  if (f->model) diag_fact(diag, "%s bytes of weights, which are not compiled in", with_commas(c, f->model));
  add_largest_layers(c, diag, f, true);
  suggest_cpu(c, diag, f);
  if (f->model) diag_help(diag, "--weights=FILE puts the weights into flash");
  else if (!c->quantized)
    diag_help(diag, "an int8 model needs a quarter of the workspace: use cnnc quantize");
  else
    diag_help(diag, "use a smaller %s, or fewer channels in the large layers",
              has_picture(c->graph) ? "image" : "input");
}

bool fits_board(Compilation *c) {
  const Footprint f = layout_footprint(c->layout);
  if (c->options->flash && f.flash > c->options->flash) report_flash(c, &f);
  if (c->options->flash && f.model) warn_weights_in_ram(c, &f);
  if (c->options->ram && f.ram > c->options->ram) report_ram(c, &f);
  return !has_errors(c);
}
