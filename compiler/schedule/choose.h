/* choose.h: Choice of a kernel's schedule: the candidates of its family, their predicted costs, the
 * decision and its reason. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CHOOSE_H
#define CNNC_CHOOSE_H
#include "schedule/tuning.h"

typedef struct Candidate {
  Choice choice;       /* the schedule and its parameters */
  const char *name;    /* "Winograd F(4x4,3x3)" */
  bool compared;       /* the plan decided against it (batched or not): listed, but never chosen */
  const char *refused; /* the reason why the candidate is unsupported, or NULL */
  /* Predicted cycles for the target. The choice that determines the packing of weights uses the cycles of the
   * file's widest target. */
  Cycles cycles;
  WinogradError error;
} Candidate;

typedef struct Decision {
  const char *target, *layout_target; /* names in a file of measured choices: "x86-64-v3/16" means 8-lane code
                                         in a file whose weights are packed for "x86-64-v4" */
  const char *key;           /* text about the kernel, which identifies it in a file of measured choices */
  VEC(Candidate) candidates; /* at least one candidate is possible */
  int model, chosen;         /* indices of candidates: the cost model's choice, and the final choice */
  const char *why;           /* the reason for the choice, as text */
  bool layout;               /* the schedule was chosen for the file's widest target, whose vectors are
                                wider */
  const Tuned *tuned;        /* the measurement, if it determined the choice */
} Decision;

void choose_schedule(Lower *);          /* sets choice and decision */
Choices choose_variants(const Lower *); /* variants worth measuring: with `layout` those of the chosen
                                           schedule, otherwise those of the model's choice and then of other
                                           candidates; n 0: none */
#endif
