/* tune.h: Measurement of the candidate schedules of each kernel on this machine, to record the fastest one
 * (--tune). */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_TUNE_H
#define CNNC_TUNE_H
#include "backend/backend.h"
#include "passes/plan.h"
#include "schedule/tuning.h"

typedef struct TuneJob {
  Arena *arena;
  const Plan *plan;
  int ntargets;
  const Target *const *target;
  bool exact, threads; /* as in LowerOptions */
  int64_t weight_bytes;
  Backend backend; /* the C compiler to use */
  bool progress;   /* print a line per kernel on standard error */
  Tuning *tuning;  /* known measurements; new measurements are added */
} TuneJob;

/* False, with the reason, if the timing programs could not be compiled or run. */
bool tune_kernels(const TuneJob *, const char **why);
#endif
