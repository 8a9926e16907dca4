/* axes.h: Common code of separable operators (resize, upsample, blurpool, zero_pad with copied borders): each
 * row of the result is a weighted sum of a few input rows, and each column is a weighted sum of a few input
 * columns. The operator defines these weights with an AxisRule. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_AXES_H
#define CNNC_AXES_H
#include "kernel/lower.h"

enum {
  AXIS_TAPS = 64,    /* maximum taps of a result element along an axis */
  AXIS_PERIOD = 4096 /* maximum of AxisPeriod.from and .to: a period is unrolled */
};
typedef struct AxisTap {
  int64_t from;
  double weight;
} AxisTap;
/* Stores the taps of row or column `to` of the forward node's value, and returns their number. An input
 * element may occur more than once. */
typedef int AxisRule(const Node *forward, int axis, int64_t to, AxisTap tap[AXIS_TAPS]);
/* The period of the weights: input row j + from has the same weight in result row i + to as input row j in
 * result row i. Rows near the ends may be exceptions: 4 + `border` periods at each end, and as many further
 * periods as the taps of one row span. map_make computes the taps of these rows from the rule. */
typedef struct AxisPeriod {
  int64_t from, to, border;
} AxisPeriod;
typedef AxisPeriod AxisPeriodOf(const Node *forward, int axis);

/* ---- for the reference interpreter; its rule shares no code with the nest's rule ---- */
void axes_run(const Eval *, AxisRule);
void axes_run_back(const Eval *, AxisRule); /* the input's gradient, from dy = in[0] */

/* ---- the nests ---- */
void axes_lower(Lower *, AxisRule, AxisPeriodOf);
void axes_lower_back(Lower *, AxisRule, AxisPeriodOf);
#endif
