/* rounding.h: Fake quantization for operators that round inside their own nests. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_ROUNDING_H
#define CNNC_ROUNDING_H
#include "kernel/lower.h"

/* The int8 steps of a range, for eval. */
typedef struct RoundingGrid {
  bool any; /* whether values are rounded: the switch is on, and the range is not empty */
  float scale;
  double least, most; /* the smallest and the largest rounded value, in steps */
} RoundingGrid;
RoundingGrid rounding_grid(const QatRounding *, const double *range, const double *on);
double rounding_nearest(const RoundingGrid *, double x);
bool rounding_clips(const RoundingGrid *, double x);

/* The int8 steps of a range, in a nest. */
typedef struct RoundingSteps {
  Nest *b;
  Val any, scale, least, most; /* any: 1 or 0 */
} RoundingSteps;
/* lo and hi are not used if the range is fixed. */
RoundingSteps rounding_steps(Nest *, const QatRounding *, Val on, Val lo, Val hi);
Val rounding_rounded(const RoundingSteps *, Val x);
Val rounding_passed(const RoundingSteps *, Val x, Val dy); /* dy, or 0 if x is clipped */
#endif
