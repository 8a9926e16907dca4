/* axes.h: operators that treat height and width apart: each row of the result is a weighted sum of a few rows
 * of the input, each column one of a few columns. resize, upsample and blurpool say which, by a rule; the
 * rest is here. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_AXES_H
#define CNNC_AXES_H
#include "kernel/lower.h"

enum {
  AXIS_TAPS = 64,    /* an element of the result is made of at most so many along an axis */
  AXIS_PERIOD = 4096 /* the longest period that is written out */
};
typedef struct AxisTap {
  int64_t from;
  double weight;
} AxisTap;
/* What row or column `to` of the forward node's value is made of: how many taps; one element may come more
 * than once. */
typedef int AxisRule(const Node *forward, int axis, int64_t to, AxisTap tap[AXIS_TAPS]);
/* Rows of the result that are `to` apart are made of rows of the input that are `from` apart, by the same
 * weights, but for those near the ends: `border` of them, if not a few. */
typedef struct AxisPeriod {
  int64_t from, to, border;
} AxisPeriod;
typedef AxisPeriod AxisPeriodOf(const Node *forward, int axis);

/* ---- the oracle: its rule is in double and shares no code with that of the nest ---- */
void axes_run(const Eval *, AxisRule);
void axes_run_back(const Eval *, AxisRule); /* the gradient with respect to the input, from in[0] */

/* ---- the nests ---- */
void axes_lower(Lower *, AxisRule, AxisPeriodOf);
void axes_lower_back(Lower *, AxisRule, AxisPeriodOf);
#endif
