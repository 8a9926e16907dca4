/* schedule.c: Learning rate as a function of time. Time is in epochs and advances with every step. */
// SPDX-License-Identifier: MIT-0
#include "cnn_core.h"
#include "scalar.h"

void cnn_schedule_begin(cnn_schedule *schedule) { *schedule = (cnn_schedule){.scale = 1}; }

/* The factor 1 + 1e-12 compensates for the rounding of the quotient. Without this factor, a drop at the start
 * of a batch could be one batch late. */
static double step_factor(const cnn_recipe *recipe, double t) {
  int64_t drops = 0;
  if (recipe->every > 0) drops = (int64_t)(t / recipe->every * (1 + 1e-12));
  for (int32_t i = 0; i < recipe->milestones; i++) drops += t >= recipe->milestone[i];
  return cnn_power_whole(recipe->factor, drops);
}

/* Progress from the end of the warm-up (0) to the end of training (1). */
static double progress(const cnn_recipe *recipe, double t) {
  double length = recipe->epochs - recipe->warmup;
  if (length <= 0) return 1;
  double p = (t - recipe->warmup) / length;
  return p < 0 ? 0 : p > 1 ? 1 : p;
}

/* The warm-up is linear and starts at 0. The schedules `exponential`, `poly` and `cosine` begin at the end of
 * the warm-up, with the full rate. The schedule `step` counts epochs from the start of training. */
double cnn_schedule_rate(const cnn_schedule *schedule, const cnn_recipe *recipe, double t) {
  if (t < recipe->warmup) return recipe->rate * t / recipe->warmup;
  switch (recipe->schedule) {
  case CNN_CONSTANT: break;
  case CNN_STEP: return recipe->rate * step_factor(recipe, t);
  case CNN_EXPONENTIAL: return recipe->rate * cnn_power(recipe->factor, t - recipe->warmup);
  case CNN_POLY: return recipe->rate * cnn_power(1 - progress(recipe, t), recipe->power);
  case CNN_COSINE:
    return recipe->floor + (recipe->rate - recipe->floor) * 0.5 * (1 + cnn_cos_turn(progress(recipe, t)));
  case CNN_PLATEAU: return recipe->rate * schedule->scale;
  }
  return recipe->rate;
}

void cnn_schedule_epoch(cnn_schedule *schedule, const cnn_recipe *recipe, double loss) {
  bool better = schedule->epochs == 0 || loss < schedule->best;
  schedule->epochs++;
  if (better) {
    schedule->best = loss;
    schedule->waiting = 0;
  } else {
    schedule->waiting++;
  }
  if (recipe->schedule == CNN_PLATEAU && !better && schedule->waiting >= recipe->patience) {
    schedule->scale *= recipe->factor;
    schedule->waiting = 0;
  }
}
