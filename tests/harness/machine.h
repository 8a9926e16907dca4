/* machine.h: a plan in the interpreter: what the printed C would do, without a C compiler. Values lie where
 * the plan says, so that its layout is tested, too. */
// SPDX-License-Identifier: Apache-2.0
#ifndef TEST_MACHINE_H
#define TEST_MACHINE_H
#include "ops/engine/lower.h"
#include "passes/plan.h"

typedef struct Machine {
  Arena *arena;
  Plan *plan;            /* laid out by machine_run, for the scratch of its target */
  int64_t images, batch; /* how many are run; training: the most there may be */
  int layout_lanes;      /* 0: the target's own */
  int64_t weight_bytes;  /* of the net that schedules are chosen for; 0: a small one */
  bool threads;          /* as for code with OpenMP */
  bool exact;            /* no method that rounds differently */
  struct Tuning *tuning; /* choices of schedules, or NULL: the cost model's */
  uint64_t seed, step;
  const double *weights;                /* as the weights struct */
  double *const *input, *const *target; /* by input, by output: of all images, in the caller's order */
  /* set by machine_run */
  double **output;   /* by output, of all images */
  double **loss;     /* training: by loss, the share of each image */
  double *gradients; /* training: as the weights struct */
  const char *error; /* what went wrong, or NULL */
  /* its own */
  double *values, *kept, *all, *batch_values;
  int64_t lanes; /* images that are run together: 1, or where the plan has them side by side the target's */
} Machine;

bool machine_run(Machine *, const Target *, bool plain); /* false: see error */

/* What schedules see of a target is much as in an earlier row of the table: its lanes, registers and fused
 * multiply-adds. */
bool machine_seen(const Target *);
#endif
