/* choose.h: Choice of a kernel's schedule: the candidates of its family, their predicted costs, the
 * decision and its reason. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CHOOSE_H
#define CNNC_CHOOSE_H
#include "schedule/tuning.h"

typedef struct Candidate {
  Choice choice;       /* the schedule and its sizes; the rest is left to the schedule */
  const char *name;    /* "Winograd F(4x4,3x3)" */
  bool compared;       /* the plan has decided against it: it is listed, never chosen */
  const char *refused; /* why it is out of the question, or NULL */
  /* For the target. What decides how weights are packed is chosen by the cycles of the file's widest target.
   */
  Cycles cycles;
  WinogradError error;
} Candidate;

typedef struct Decision {
  const char *target, *layout_target; /* there: "x86-64-v3/16" for code of 8 lanes in a file whose weights are
                                         packed for "x86-64-v4" */
  const char *key;           /* what the choice depends on: the kernel's line in a file of measured choices */
  VEC(Candidate) candidates; /* one of them is always possible */
  int model, chosen;         /* by the cost model; in the end */
  const char *why;           /* a sentence */
  bool layout;               /* the method is given by the layout of the file's weights */
  const Tuned *tuned;        /* the measurement, if that decided */
} Decision;

void choose_schedule(Lower *);          /* sets choice and decision */
Choices choose_variants(const Lower *); /* what is worth measuring, the model's choice first; n 0: nothing */
#endif
