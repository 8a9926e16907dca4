/* range.c: Choice of the clipping range of a value; the range always contains 0. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "base/number.h"
#include "quantize/calibrate.h"

static double center(const Observed *o, int bin) { return o->lo + (o->hi - o->lo) * (bin + 0.5) / o->bins; }

static double all_of(const Observed *o) {
  double all = 0;
  for (int i = 0; i < o->bins; i++) all += o->count[i];
  return all;
}

/* Elements inside the range have a uniformly distributed rounding error of at most half a step; the error of
 * an element outside is its distance from the range. */
static double squared_error(const Observed *o, double lo, double hi, int steps) {
  const double step = (hi - lo) / steps, inside = step * step / 12;
  double error = 0;
  for (int i = 0; i < o->bins; i++) {
    const double x = center(o, i), out = x < lo ? lo - x : x > hi ? x - hi : 0;
    error += o->count[i] * (out > 0 ? out * out : inside);
  }
  return error;
}

static SeenRange least_error(const Observed *o, int steps) {
  const int CUTS = 128;
  SeenRange best = {o->lo, o->hi, 0};
  double least = squared_error(o, o->lo, o->hi, steps);
  for (int k = CUTS - 1; k > 0; k--) { /* of equally good ranges, the widest range is chosen */
    const double lo = o->lo * k / CUTS, hi = o->hi * k / CUTS, error = squared_error(o, lo, hi, steps);
    if (error >= least) continue;
    least = error;
    best = (SeenRange){lo, hi, 0};
  }
  return best;
}

/* ---- entropy ---- */
/* KL divergence between the observed distribution and the same distribution after quantization to 255 steps,
 * which divide the bins `first` .. `end` - 1. Elements outside these bins count as elements of the first or
 * last bin; the count of a step is distributed over its nonempty bins. */
static double divergence(const Observed *o, int first, int end) {
  enum { STEPS = 255 };
  const int n = end - first;
  double all = all_of(o), sum = 0, outside[2] = {0, 0};
  for (int i = 0; i < o->bins; i++)
    if (i < first || i >= end) outside[i >= end] += o->count[i];
  for (int s = 0; s < STEPS; s++) {
    const int from = first + (int)((int64_t)s * n / STEPS), to = first + (int)((int64_t)(s + 1) * n / STEPS);
    double step = 0, used = 0;
    for (int i = from; i < to; i++) {
      step += o->count[i];
      used += o->count[i] > 0;
    }
    for (int i = from; i < to; i++) {
      const double p = o->count[i] + (i == first ? outside[0] : 0) + (i == end - 1 ? outside[1] : 0),
                   q = o->count[i] > 0 ? step / used : 0;
      if (p > 0) sum += p / all * log(p / fmax(q, 1e-4)); /* avoids a division by 0 */
    }
  }
  return sum;
}

static SeenRange least_divergence(const Observed *o) {
  const int CUTS = 128, LEAST = 16; /* below LEAST, steps would be smaller than bins */
  const double width = (o->hi - o->lo) / o->bins;
  SeenRange best = {o->lo, o->hi, 0};
  if (!(width > 0) || !(all_of(o) > 0)) return best;
  double least = divergence(o, 0, o->bins);
  for (int k = CUTS - 1; k >= LEAST; k--) { /* of equally good ranges, the widest range is chosen */
    const int zero = (int)fmin(o->bins, fmax(0, floor(-o->lo / width))), first = zero - zero * k / CUTS,
              end = zero + (o->bins - zero) * k / CUTS;
    const double found = divergence(o, first, end);
    if (found >= least) continue;
    least = found;
    best = (SeenRange){fmin(0, o->lo + width * first), fmax(0, o->lo + width * end), 0};
  }
  return best;
}

static SeenRange without_tails(const Observed *o, double percentile) {
  const double tail = all_of(o) * (1 - percentile / 100), step = (o->hi - o->lo) / o->bins;
  int first = 0, last = o->bins;
  for (double sum = 0; first < last && (sum += o->count[first]) <= tail;) first++;
  for (double sum = 0; last > first && (sum += o->count[last - 1]) <= tail;) last--;
  const double lo = o->lo + step * first, hi = o->lo + step * last;
  return (SeenRange){lo < 0 ? lo : 0, hi > 0 ? hi : 0, 0};
}

SeenRange range_of(const Calibration *how, const Observed *o, bool wide) {
  SeenRange range = {o->lo, o->hi, 0};
  if (how->range == RANGE_MSE) range = least_error(o, wide ? UINT16_MAX : UINT8_MAX);
  if (how->range == RANGE_ENTROPY && !wide) range = least_divergence(o);
  if (how->range == RANGE_PERCENTILE) range = without_tails(o, how->percentile);
  if (!(range.hi > range.lo)) range.hi = range.lo + 1; /* all values are 0 */
  const double all = all_of(o);
  for (int i = 0; i < o->bins && all > 0; i++)
    if (center(o, i) < range.lo || center(o, i) > range.hi) range.cut += o->count[i] / all;
  return range;
}
