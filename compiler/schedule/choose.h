/* choose.h: Choice of a kernel's schedule: the candidates of its family, their predicted costs, the
 * decision and its reason. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CHOOSE_H
#define CNNC_CHOOSE_H
#include "schedule/tuning.h"

typedef struct Candidate {
  Choice choice;    /* the schedule and its parameters */
  const char *name; /* for example "Winograd F(4x4,3x3)" */
  /* listed, but never chosen: a batched schedule for a kernel that the plan does not batch, or an unbatched
   * schedule for a batched kernel */
  bool compared;
  const char *refused; /* the reason why the candidate cannot be chosen, or NULL */
  /* Predicted cycles for the target. They are shown in --emit=schedule. The choice itself may use the cycles
   * on the widest target of the generated file (choose.c). */
  Cycles cycles;
  WinogradError error;
} Candidate;

typedef struct Decision {
  const char *target,
      *layout_target; /* names of the targets in a file of measured choices: "x86-64-v3/16" is the target
                         x86-64-v3 (8 lanes) in a generated file whose weights are packed for 16 lanes */
  const char *key; /* description of the kernel, which identifies the kernel in a file of measured choices */
  VEC(Candidate) candidates; /* at least one candidate is possible */
  int model, chosen;         /* indices of candidates: the cost model's choice, and the final choice */
  const char *why;           /* the reason for the choice, as text */
  bool layout;               /* the widest target of the generated file has wider vectors than `target`; the
                                schedule was chosen for the widest target, except for batched kernels */
  const Tuned *tuned;        /* the measurement of the chosen candidate for `target`, or NULL */
} Decision;

void choose_schedule(Lower *);          /* sets choice and decision */
Choices choose_variants(const Lower *); /* variants worth measuring; n may be 0. If Decision.layout is set,
                                           these are variants of the chosen schedule; otherwise variants of
                                           the model's choice, then of other candidates */
#endif
