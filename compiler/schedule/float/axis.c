// axis.c: One axis of a correlation: phases of a transposed correlation; outputs and taps inside the input.
// SPDX-License-Identifier: Apache-2.0
#include "schedule/float/axis.h"
#include "base/number.h"

Axis axis_gathered(const Correlation *k, int axis) {
  return (Axis){.count = axis ? k->small.w : k->small.h,
                .out_step = 1,
                .in_size = axis ? k->large.w : k->large.h,
                .in_first = -k->before[axis],
                .in_step = k->stride[axis],
                .taps = k->kernel[axis],
                .tap_step = k->dilation[axis],
                .tap_stride = 1,
                .parts = 1,
                .part_step = k->stride[axis]};
}

Axis axis_pooled(const Correlation *k, int axis, const Node *pool) {
  Axis a = axis_gathered(k, axis);
  if (!pool) return a;
  const Extent e = shape_extent(pool->shape);
  a.count = axis ? e.w : e.h;
  a.parts = pool->window->kernel[axis];
  a.in_step *= a.parts;
  return a;
}

/* Input y and tap k contribute to output o = y*S + k*D - P (stride S, dilation D, padding P). Phase r has the
 * outputs with o + P = S*q + r, for all q. Only taps k with k*D = r (mod S) contribute to these outputs. Tap
 * k reads input y = q + (r - k*D)/S. The taps are traversed backwards, so that the inputs are read in
 * order. */
Axis axis_phase(const Correlation *k, int axis, int64_t r) {
  const int64_t S = k->stride[axis], D = k->dilation[axis], P = k->before[axis],
                step = S / common_divisor(S, D);
  const int64_t large = axis ? k->large.w : k->large.h, small = axis ? k->small.w : k->small.h;
  int64_t first = 0, n = 0;
  while (first < step && (first * D - r) % S != 0) first++;
  if (first < step && first < k->kernel[axis]) n = (k->kernel[axis] - 1 - first) / step + 1;
  const int64_t q0 = ceil_divide(P - r, S), count = floor_divide(large - 1 + P - r, S) - q0 + 1,
                last = first + (n - 1) * step;
  Axis a = {.count = count > 0 ? count : 0,
            .out_first = S * q0 + r - P,
            .out_step = S,
            .in_size = small,
            .in_step = 1,
            .taps = n};
  if (n) {
    a.in_first = q0 + (r - last * D) / S;
    a.tap_first = last;
  }
  a.tap_step = step * D / S;
  a.tap_stride = -step;
  a.parts = a.part_step = 1;
  return a;
}

/* At tap `tap`, output factor*q + r reads element q + seen(...) of the image before upsampling, where
 * seen(...) = floor((r + tap - P) / factor) and P = k->before[axis]. */
static int64_t seen(const Correlation *k, int axis, int64_t factor, int64_t r, int64_t tap) {
  return floor_divide(r + tap - k->before[axis], factor);
}

static int64_t taps_of_phase(const Correlation *k, int axis, int64_t factor, int64_t r) {
  return seen(k, axis, factor, r, k->kernel[axis] - 1) - seen(k, axis, factor, r, 0) + 1;
}

Axis axis_repeated(const Correlation *k, int axis, int64_t factor, int64_t r) {
  const int64_t large = axis ? k->large.w : k->large.h, small = axis ? k->small.w : k->small.h;
  Axis a = {.count = small > r ? (small - r - 1) / factor + 1 : 0,
            .out_first = r,
            .out_step = factor,
            .in_size = large / factor,
            .in_first = seen(k, axis, factor, r, 0),
            .in_step = 1,
            .taps = taps_of_phase(k, axis, factor, r),
            .tap_step = 1,
            .tap_stride = 1,
            .parts = 1,
            .part_step = 1};
  for (int64_t before = 0; before < r; before++) a.tap_first += taps_of_phase(k, axis, factor, before);
  return a;
}

int64_t axis_repeated_taps(const Correlation *k, int axis, int64_t factor) {
  int64_t n = 0;
  for (int64_t r = 0; r < factor; r++) n += taps_of_phase(k, axis, factor, r);
  return n;
}

void axis_repeated_sum(const Correlation *k, int axis, int64_t factor, int64_t tap, int64_t *from,
                       int64_t *to) {
  int64_t r = 0;
  for (; tap >= taps_of_phase(k, axis, factor, r); r++) tap -= taps_of_phase(k, axis, factor, r);
  const int64_t element = seen(k, axis, factor, r, 0) + tap;
  *from = k->kernel[axis];
  *to = 0;
  for (int64_t i = 0; i < k->kernel[axis]; i++)
    if (seen(k, axis, factor, r, i) == element) {
      *from = smaller(*from, i);
      *to = i + 1;
    }
}

bool axis_before(const Axis *a, int64_t n) { return a->taps && a->in_first + n * a->in_step < 0; }
bool axis_behind(const Axis *a, int64_t n) {
  return a->taps &&
         a->in_first + n * a->in_step + (a->parts - 1) * a->part_step + (a->taps - 1) * a->tap_step >=
             a->in_size;
}

void axis_inside(const Axis *a, int64_t *from, int64_t *to) {
  *from = 0;
  *to = a->count;
  if (!a->taps) return;
  const int64_t reach = (a->parts - 1) * a->part_step + (a->taps - 1) * a->tap_step;
  *from = smaller(larger(ceil_divide(-a->in_first, a->in_step), 0), a->count);
  *to = smaller(larger(floor_divide(a->in_size - 1 - reach - a->in_first, a->in_step) + 1, *from), a->count);
}

const Ix *axis_taps(Nest *b, const char *name, const Axis *a, const Ix *n) {
  const Ix first = a->in_first + *n * a->in_step;
  const Ix lo[2] = {NEST_Z, NEST_Z - first}, hi[2] = {NEST_Z + a->taps, NEST_Z + a->in_size - first};
  const bool clips = a->tap_step == 1 && a->parts == 1, clip_lo = clips && axis_before(a, 0),
             clip_hi = clips && axis_behind(a, a->count - 1);
  return nest_loop(b, name, SERIAL, clip_lo ? 2 : 1, lo, clip_hi ? 2 : 1, hi);
}

int axis_runs(const Correlation *k, int axis, TapRun run[MOST_TAP_RUNS]) {
  const int64_t S = k->stride[axis], large = axis ? k->large.w : k->large.h,
                small = axis ? k->small.w : k->small.h;
  int n = 0;
  for (int64_t tap = 0; tap < k->kernel[axis]; tap++) {
    const int64_t shift = k->before[axis] - tap * k->dilation[axis];
    int64_t from = ceil_divide(shift, S), to = floor_divide(large - 1 + shift, S) + 1;
    from = from < 0 ? 0 : from;
    to = to > small ? small : to;
    if (from >= to) continue;
    TapRun *last = n ? &run[n - 1] : NULL;
    if (last && last->first + last->count == tap && last->from == from && last->to == to) last->count++;
    else if (n < MOST_TAP_RUNS) run[n++] = (TapRun){tap, 1, from, to};
    else return -1;
  }
  return n;
}

TapRun tap_runs_common(const TapRun *run, int n, int64_t small) {
  TapRun all = {0, 0, 0, small};
  for (int i = 0; i < n; i++) {
    all.count += run[i].count;
    all.from = larger(all.from, run[i].from);
    all.to = smaller(all.to, run[i].to);
  }
  return all;
}
