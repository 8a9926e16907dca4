/* range.c: which part of the numbers of a value 8 bits are spread over. 0 is always in it. */
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "quantize/calibrate.h"

static double centre(const Observed *o, int bin) { return o->lo + (o->hi - o->lo) * (bin + 0.5) / o->bins; }

static double all_of(const Observed *o) {
  double all = 0;
  for (int i = 0; i < o->bins; i++) all += o->count[i];
  return all;
}

/* What is inside is off by a step at most, evenly; what is outside by how far it lies. */
static double squared_error(const Observed *o, double lo, double hi) {
  const double step = (hi - lo) / 255, inside = step * step / 12;
  double error = 0;
  for (int i = 0; i < o->bins; i++) {
    const double x = centre(o, i), out = x < lo ? lo - x : x > hi ? x - hi : 0;
    error += o->count[i] * (out > 0 ? out * out : inside);
  }
  return error;
}

static Range least_error(const Observed *o) {
  const int CUTS = 128;
  Range best = {o->lo, o->hi, 0};
  double least = squared_error(o, o->lo, o->hi);
  for (int k = CUTS - 1; k > 0; k--) { /* of several the widest */
    const double lo = o->lo * k / CUTS, hi = o->hi * k / CUTS, error = squared_error(o, lo, hi);
    if (error >= least) continue;
    least = error;
    best = (Range){lo, hi, 0};
  }
  return best;
}

static Range without_tails(const Observed *o, double percentile) {
  const double tail = all_of(o) * (1 - percentile / 100), step = (o->hi - o->lo) / o->bins;
  int first = 0, last = o->bins;
  for (double sum = 0; first < last && (sum += o->count[first]) <= tail;) first++;
  for (double sum = 0; last > first && (sum += o->count[last - 1]) <= tail;) last--;
  const double lo = o->lo + step * first, hi = o->lo + step * last;
  return (Range){lo < 0 ? lo : 0, hi > 0 ? hi : 0, 0};
}

Range range_of(const Calibration *how, const Observed *o) {
  Range range = {o->lo, o->hi, 0};
  if (how->range == RANGE_MSE) range = least_error(o);
  if (how->range == RANGE_PERCENTILE) range = without_tails(o, how->percentile);
  if (!(range.hi > range.lo)) range.hi = range.lo + 1; /* zeros alone */
  const double all = all_of(o);
  for (int i = 0; i < o->bins && all > 0; i++)
    if (centre(o, i) < range.lo || centre(o, i) > range.hi) range.cut += o->count[i] / all;
  return range;
}
