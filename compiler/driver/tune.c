/* tune.c: Measurement for --tune: times the candidates of each kernel on this machine, for each target that
 * the machine supports, and records the fastest one. */
// SPDX-License-Identifier: Apache-2.0
#include "tune.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "emit/emit.h"
#include "schedule/choose.h"
#include "schedule/schedule.h"

static const double GAIN = 0.97; /* another candidate replaces the cost model's choice if the candidate takes
                                    less than this fraction of the choice's time; smaller gains are noise */

typedef struct Trials {
  int n;
  Choice choice[MOST_CHOICES];
  const Lower *lower[MOST_CHOICES];
  const Key *key[MOST_CHOICES]; /* keys of the generated code, so that equal code is measured once */
  double us[MOST_CHOICES];
} Trials;

typedef struct Sum {
  int kernels;
  double us, model_us;
} Sum;

static Lower *lower_with(const TuneJob *job, const Kernel *kernel, const Target *target, Tuning *tuning) {
  const Target *layout = target_widest(job->ntargets, job->target);
  return schedule_kernel(job->arena, kernel, target,
                         &(LowerOptions){.layout_lanes = layout->lanes,
                                         .layout = layout,
                                         .exact = job->exact,
                                         .steps = job->plan->graph->stream != NULL,
                                         .threads = job->threads,
                                         .images = 1,
                                         .weight_bytes = job->weight_bytes,
                                         .tuning = tuning});
}

/* Lowers the kernel with a given choice, as if measurements had shown that this choice is the fastest. */
static Lower *lower_with_choice(const TuneJob *job, const Kernel *kernel, const Target *target,
                                const Lower *model, Choice choice) {
  const Decision *d = model->decision;
  Tuning forced = {.arena = job->arena};
  tuning_set(&forced, (Tuned){.target = d->layout_target, .key = d->key, .choice = choice});
  tuning_set(&forced, (Tuned){.target = d->target, .key = d->key, .choice = choice});
  return lower_with(job, kernel, target, &forced);
}

static Trials kernel_trials(const TuneJob *job, const Kernel *kernel, const Target *target,
                            const Lower *model) {
  const Choices variants = choose_variants(model);
  Trials t = {0};
  for (int i = 0; i < variants.n; i++) {
    const Lower *lower = lower_with_choice(job, kernel, target, model, variants.choice[i]);
    if (!lower->decision->tuned) continue;
    const Key *key = nest_key(job->arena, lower->b, false);
    bool known = false;
    for (int k = 0; k < t.n; k++) known = known || key_equal(t.key[k], key);
    if (known) continue;
    t.choice[t.n] = variants.choice[i];
    t.lower[t.n] = lower;
    t.key[t.n++] = key;
  }
  return t;
}

static bool measure_trials(const TuneJob *job, const Target *target, Trials *t, const char **why) {
  Text text = {.arena = job->arena};
  const char *result = NULL;
  emit_timing(&text, target, t->n, t->lower, job->weight_bytes);
  if (!backend_run(&job->backend, text.s, text.n, &result, why)) return false;
  for (int i = 0; i < t->n; i++) {
    char *end;
    t->us[i] = strtod(result, &end);
    if (end == result || *end != '\n' || !(t->us[i] > 0))
      return *why = "the timing program printed no times", false;
    result = end + 1;
  }
  return true;
}

static void print_trials(const TuneJob *job, const Trials *t, int best, const char *key) {
  for (int i = 0; job->backend.verbose && i < t->n; i++)
    fprintf(stderr, "%12.1f us with %s\n", t->us[i], tuning_choice(job->arena, &t->choice[i]));
  fprintf(stderr, "%10.1f us with %s", t->us[best], tuning_choice(job->arena, &t->choice[best]));
  if (best)
    fprintf(stderr, ", %.1f %% less than with %s, the cost model's choice",
            100 * (1 - t->us[best] / t->us[0]), tuning_choice(job->arena, &t->choice[0]));
  fprintf(stderr, ", best of %d: %s\n", t->n, key);
}

static bool tune_kernel(const TuneJob *job, const Kernel *kernel, const Target *target, const Lower *model,
                        Sum *sum, const char **why) {
  Trials t = kernel_trials(job, kernel, target, model);
  if (t.n < 2) return true;
  if (!measure_trials(job, target, &t, why)) return false;
  int best = 0;
  for (int i = 1; i < t.n; i++)
    if (t.us[i] < (best ? t.us[best] : GAIN * t.us[0])) best = i;
  const Decision *d = model->decision;
  tuning_set(job->tuning, (Tuned){.target = d->target,
                                  .key = d->key,
                                  .choice = t.choice[best],
                                  .us = t.us[best],
                                  .model_us = t.us[0]});
  sum->kernels++;
  sum->us += t.us[best];
  sum->model_us += t.us[0];
  if (job->progress) print_trials(job, &t, best, d->key);
  return true;
}

static bool seen_before(const Lower *const *model, int k) {
  for (int i = 0; i < k; i++)
    if (strcmp(model[i]->decision->key, model[k]->decision->key) == 0) return true;
  return false;
}

static bool tune_target(const TuneJob *job, const Target *target, const char **why) {
  const int n = job->plan->kernels.n;
  const Lower **model = NEW_ARRAY(job->arena, const Lower *, n + 1);
  const Target *widest = target_widest(job->ntargets, job->target);
  Tuning layout = {.arena = job->arena}; /* results for the widest target: they determine the layout of the
                                            weights */
  Sum sum = {0};
  for (int i = 0; i < job->tuning->lines.n && target != widest; i++)
    if (strcmp(job->tuning->lines.data[i]->target, widest->name) == 0)
      tuning_set(&layout, *job->tuning->lines.data[i]);
  if (job->progress) fprintf(stderr, "tuning for %s\n", target->name);
  for (int k = 0; k < n; k++) {
    model[k] = lower_with(job, job->plan->kernels.data[k], target, &layout);
    if (seen_before(model, k)) continue;
    if (!tune_kernel(job, job->plan->kernels.data[k], target, model[k], &sum, why)) return false;
  }
  if (job->progress)
    fprintf(stderr, "%10.1f us for %d different kernels, %.1f with the cost model's choices\n", sum.us,
            sum.kernels, sum.model_us);
  return true;
}

bool tune_kernels(const TuneJob *job, const char **why) {
  for (int t = 0; t < job->ntargets; t++) {
    if (target_runs_here(job->target[t])) {
      if (!tune_target(job, job->target[t], why)) return false;
    } else if (job->progress)
      fprintf(stderr, "not tuned for %s, which this machine cannot run\n", job->target[t]->name);
  }
  return true;
}
