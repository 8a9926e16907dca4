/* axis.h: One axis of a correlation, as schedules traverse it: output by output, or tap by tap. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_AXIS_H
#define CNNC_AXIS_H
#include "ops/convolution/correlation.h"

/* For each n < count: output[out_first + out_step*n] = sum over t < taps of input[in_first + in_step*n +
 * tap_step*t] * kernel[tap_first + tap_stride*t]. Inputs outside 0 .. in_size-1 count as zeros and are never
 * read. */
typedef struct Axis {
  int64_t count, out_first, out_step, in_size, in_first, in_step, taps, tap_step, tap_first, tap_stride;
  int64_t parts,
      part_step; /* parts: number of adjacent sums that a fused pooling combines to one output; 1 without
                    pooling. part_step: distance between the windows of two adjacent sums, in inputs */
} Axis;

Axis axis_gathered(const Correlation *, int axis); /* for computing the small side from the large side */
Axis axis_pooled(const Correlation *, int axis,
                 const Node *pool); /* pool: a following pooling with disjoint windows, or NULL */
Axis axis_phase(const Correlation *, int axis,
                int64_t phase); /* for computing one phase (every stride-th element) of the large side from
                                   the small side; phase < stride */
/* For a correlation after nearest upsampling by `factor`: every factor-th output of the small side, beginning
 * with output `phase` < factor. Stride and dilation must be 1. The inputs of the Axis are the elements before
 * upsampling. Taps that read the same element are merged: a kernel element of the Axis is the sum of the
 * kernel elements of these taps. */
Axis axis_repeated(const Correlation *, int axis, int64_t factor, int64_t phase);
/* Number of merged taps, summed over all phases. */
int64_t axis_repeated_taps(const Correlation *, int axis, int64_t factor);
void axis_repeated_sum(const Correlation *, int axis, int64_t factor, int64_t tap, int64_t *from,
                       int64_t *to);       /* merged tap `tap` is the sum of taps t, *from <= t < *to */
bool axis_before(const Axis *, int64_t n); /* whether output n has taps before the start of the input */
bool axis_behind(const Axis *, int64_t n); /* whether output n has taps after the end of the input */
void axis_inside(const Axis *, int64_t *from,
                 int64_t *to); /* for the outputs n with *from <= n < *to, all taps are inside the input */
const Ix *axis_taps(Nest *, const char *name, const Axis *,
                    const Ix *n); /* a loop over the taps of output n. If tap_step and parts are 1, the loop
                                     leaves out the taps outside the input; otherwise it runs over all taps */

/* A run: `count` adjacent taps, from tap `first` on. All of them are inside the large side for the same
 * elements n of the small side: from <= n < to. */
typedef struct TapRun {
  int64_t first, count, from, to;
} TapRun;
enum { MOST_TAP_RUNS = 64 };
/* Divides the taps into runs, and returns the number of runs; -1: more than MOST_TAP_RUNS. A tap that is
 * outside the large side for all n is in no run. */
int axis_runs(const Correlation *, int axis, TapRun[MOST_TAP_RUNS]);
/* Combines n runs. small: number of elements of the small side. In the result, from and to are the range of
 * elements for which all taps of all runs are inside the large side; count is the total number of taps. */
TapRun tap_runs_common(const TapRun *, int n, int64_t small);
#endif
