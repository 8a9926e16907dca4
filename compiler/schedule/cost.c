// cost.c: an analytical model of convolutions: multiply-adds against weights that have to come from far away, and what transforms cost.
// SPDX-License-Identifier: Apache-2.0
//
// The constants were measured on an AVX-512 core that starts two vector multiply-adds a cycle; what matters is that they rank alike
// elsewhere.
#include "schedule/cost.h"

static const double MULTIPLY_ADDS = 2;                         /* vectors a cycle */
static const double DIRECT_SHARE = 0.95, WINOGRAD_SHARE = 0.92; /* of that are reached */
static const double NEAR_BYTES = 27, FAR_BYTES = 9.3;          /* a cycle, from the last cache and from memory */
static const double INPUT_TILE = 120, FAR_INPUT_TILE = 200, OUTPUT_TILE = 80; /* cycles to transform a vector of channels of a 6x6 tile */
static const double CHAINS = 8, PANEL_VECTORS = 2;             /* sums at work for full speed; vectors of a register tile */
enum { LARGE_WEIGHTS = 1 << 20, LARGE_INPUT = 1 << 20 };       /* bytes */

static double larger(double a, double b) { return a > b ? a : b; }
static double vectors(int64_t channels, int lanes) { return (double)((channels + lanes - 1) / lanes); }

/* A net with large layers has more weights than the last cache holds. */
static double bytes_a_cycle(const Correlation *k) {
  return k->s * k->l * k->kernel[0] * k->kernel[1] * 4 > LARGE_WEIGHTS ? FAR_BYTES : NEAR_BYTES;
}

static double taps_inside(const Correlation *k, int axis) { /* of all outputs along the axis */
  const int64_t large = axis ? k->large.w : k->large.h, small = axis ? k->small.w : k->small.h;
  int64_t n = 0;
  for (int64_t tap = 0; tap < k->kernel[axis]; tap++)
    for (int64_t o = 0; o < small; o++) {
      const int64_t i = o * k->stride[axis] + tap * k->dilation[axis] - k->before[axis];
      n += i >= 0 && i < large;
    }
  return (double)n;
}

double cost_direct(const Correlation *k, int lanes) {
  const double macs = taps_inside(k, 0) * taps_inside(k, 1) * (double)(k->groups * k->l) * vectors(k->s, lanes);
  const double bytes = 4.0 * (double)(k->groups * k->s * k->l * k->kernel[0] * k->kernel[1]);
  return larger(macs / MULTIPLY_ADDS / DIRECT_SHARE, bytes / bytes_a_cycle(k));
}

double cost_winograd(const Correlation *k, int m, int lanes) {
  const int64_t n = m + k->kernel[0] - 1, rows = (k->small.h + m - 1) / m, columns = (k->small.w + m - 1) / m;
  const double points = (double)(n * n), tiles = (double)(rows * columns), in = vectors(k->l, lanes), out = vectors(k->s, lanes);
  const bool far = k->large.h * k->large.w * k->large.c * 4 > LARGE_INPUT;
  const double transforms = tiles * (in * (far ? FAR_INPUT_TILE : INPUT_TILE) + out * OUTPUT_TILE) * points / 36;
  const double sums = tiles * (out < PANEL_VECTORS ? out : PANEL_VECTORS), waits = larger(CHAINS / sums, 1);
  const double products = points * tiles * (double)k->l * out / MULTIPLY_ADDS / WINOGRAD_SHARE * waits;
  const double bytes = 4.0 * points * (double)(k->l * k->s);
  return transforms + larger(products, bytes / bytes_a_cycle(k));
}
