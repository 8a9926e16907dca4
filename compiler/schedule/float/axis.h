/* axis.h: One axis of a correlation, as schedules traverse it: output by output, or tap by tap. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_AXIS_H
#define CNNC_AXIS_H
#include "ops/convolution/correlation.h"

/* For n < count, output out_first + out_step*n is the sum over taps t < taps of input in_first + in_step*n +
 * tap_step*t times kernel element tap_first + tap_stride*t. Inputs outside 0 .. in_size-1 count as zeros and
 * are never read. */
typedef struct Axis {
  int64_t count, out_first, out_step, in_size, in_first, in_step, taps, tap_step, tap_first, tap_stride;
  int64_t parts, part_step; /* parts: with a fused pooling, number of adjacent sums that it pools to one
                               output, otherwise 1; part_step: inputs from the window of one of these sums to
                               the next */
} Axis;

Axis axis_gathered(const Correlation *, int axis); /* the small side computed from the large one */
Axis axis_pooled(const Correlation *, int axis,
                 const Node *pool); /* pool: a following pooling with disjoint windows, or NULL */
Axis axis_phase(
    const Correlation *, int axis,
    int64_t phase); /* the large side computed from the small one: every stride-th output; phase < stride */
/* Every factor-th output of the small side, from output `phase` < factor on. Each element of the large side
 * is repeated `factor` times; stride and dilation are 1. The Axis reads the image before repetition. Taps
 * that read the same element of this image are merged: a kernel element of the Axis is the sum of their
 * kernel elements. */
Axis axis_repeated(const Correlation *, int axis, int64_t factor, int64_t phase);
/* Number of merged taps of all phases. */
int64_t axis_repeated_taps(const Correlation *, int axis, int64_t factor);
void axis_repeated_sum(const Correlation *, int axis, int64_t factor, int64_t tap, int64_t *from,
                       int64_t *to);       /* merged tap `tap` is the sum of taps `from` .. to-1 */
bool axis_before(const Axis *, int64_t n); /* whether output n has taps before the start of the input */
bool axis_behind(const Axis *, int64_t n); /* whether output n has taps after the end of the input */
void axis_inside(const Axis *, int64_t *from,
                 int64_t *to); /* the outputs `from` .. to-1 have all taps inside */
const Ix *axis_taps(Nest *, const char *name, const Axis *,
                    const Ix *n); /* a loop over the taps of output n: only over taps inside if tap_step and
                                     parts are 1, otherwise over all taps */

/* Adjacent taps, first .. first+count-1, that are inside the large side for the same elements, `from` ..
 * to-1, of the small side. */
typedef struct TapRun {
  int64_t first, count, from, to;
} TapRun;
enum { MOST_TAP_RUNS = 64 };
/* Divides the taps into runs, and returns the number of runs; -1: too many. */
int axis_runs(const Correlation *, int axis, TapRun[MOST_TAP_RUNS]);
/* from, to: the elements of a small side of `small` elements for which the taps of all n runs are inside;
 * count: the total number of taps. */
TapRun tap_runs_common(const TapRun *, int n, int64_t small);
#endif
