/* choice.h: which schedule a kernel takes: what its family offers, what each would cost, which one is taken
 * and why. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_CHOICE_H
#define CNNC_CHOICE_H
#include "schedule/cost.h"
#include "schedule/tuning.h"
#include "schedule/float/winograd.h"

typedef struct Candidate {
  Choice choice;       /* the method; how it is tiled is left to the schedule */
  const char *name;    /* "Winograd F(4x4,3x3)" */
  const char *refused; /* why it is out of the question, or NULL */
  Cycles
      cycles; /* for the target; what is chosen for a file's layout is chosen by those of its widest target */
  WinogradError error; /* WINOGRAD */
} Candidate;

typedef struct Decision {
  const char *target, *layout_target; /* there: "x86-64-v3/16" for code of 8 lanes in a file whose weights are
                                         packed for "x86-64-v4" */
  const char *key;           /* what the choice depends on: the kernel's line in a file of measured choices */
  VEC(Candidate) candidates; /* what comes first is always possible */
  int model, chosen;         /* by the cost model; in the end */
  const char *why;           /* a sentence */
  bool layout;               /* the method is given by the layout of the file's weights */
  const Tuned *tuned;        /* what was measured, if that is what was chosen */
} Decision;

bool choice_near_limits(const Lower *); /* only the operator's own loops take such sizes, on every target */
void choice_make(Lower *);              /* sets choice and decision */

/* What is worth measuring for this kernel, what the model chose first. */
enum { MOST_VARIANTS = 24 };
int choice_variants(const Lower *, Choice variant[MOST_VARIANTS]);
#endif
