// phases.c: Geometry of convolutions for float schedules, and of the phases of transposed convolutions.
// SPDX-License-Identifier: Apache-2.0
#include "schedule/float/phases.h"
#include "base/number.h"

bool no_stride(const Correlation *k) { return k->stride[0] == 1 && k->stride[1] == 1; }

Correlation correlation_ranked(const Node *node) {
  const Correlation own = correlation_of(node);
  return no_stride(&own) ? correlation_gathering(node) : own;
}

/* Whether the convolution is depthwise. A convolution of one channel is depthwise only if it was written as
 * depthwise. */
static bool is_depthwise(const Node *node) {
  const Correlation k = correlation_of(node);
  const Family family = node->op->family;
  const bool written =
      family == FAMILY_DEPTHWISE || family == FAMILY_DEPTHWISE_SCATTER || family == FAMILY_DEPTHWISE_WEIGHTS;
  return k.l == 1 && k.s == 1 && (k.groups > 1 || written);
}

bool takes_channels(const Lower *l) { return !kernel_whole_batch(l->kernel) && !is_depthwise(l->node); }
bool takes_groups(const Lower *l) { return takes_channels(l) && correlation_of(l->node).groups > 1; }
bool takes_depthwise(const Lower *l) { return !kernel_whole_batch(l->kernel) && is_depthwise(l->node); }
bool takes_whole_batch(const Lower *l) { return kernel_whole_batch(l->kernel); }

/* ---- phases one by one ---- */
bool phases_alike(const Correlation *k) {
  bool alike = k->dilation[0] == 1 && k->dilation[1] == 1;
  for (int axis = 0; axis < 2; axis++) alike = alike && k->kernel[axis] % k->stride[axis] == 0;
  return alike;
}

/* Along an axis, input y and tap k contribute to output o = stride*y + k - before. Output o, with o + before
 * = stride*q + r and r < stride, belongs to phase r. At tap k = r + stride*t, the output reads input q - t.
 * The smallest q of all phases is before / stride. */
static Correlation phases_correlation(const Correlation *k) {
  Correlation phases = *k;
  int64_t count[2];
  for (int axis = 0; axis < 2; axis++) {
    const int64_t S = k->stride[axis], P = k->before[axis];
    phases.kernel[axis] = k->kernel[axis] / S;
    phases.before[axis] = phases.kernel[axis] - 1 - P / S;
    phases.stride[axis] = 1;
    count[axis] = (extent_side(k->large, axis) - 1 + P) / S - P / S + 1;
  }
  phases.l = k->s;
  phases.s = k->stride[0] * k->stride[1] * k->l;
  phases.large = k->small;
  phases.small = (Extent){k->small.n, count[0], count[1], phases.s * k->groups};
  return phases;
}

Correlation winograd_correlation(const Node *node) {
  const Correlation k = correlation_of(node);
  const bool strides = k.stride[0] > 1 || k.stride[1] > 1;
  return strides && correlation_spreads(node) && phases_alike(&k) ? phases_correlation(&k)
                                                                  : correlation_gathering(node);
}

/* ---- all phases together ---- */
/* The taps of all phases, combined. S: stride; P: padding (Correlation.before). Output S*m + p of an axis
 * reads input m + first + t with kernel element p + P - S*(first + t), if the kernel has this element. */
typedef struct PhaseTaps {
  int64_t first, taps, count; /* count: number of values of m */
} PhaseTaps;

static PhaseTaps phases_taps_of(const Correlation *k, int axis) {
  const int64_t S = k->stride[axis], P = k->before[axis];
  const int64_t first = ceil_divide(P - k->kernel[axis] + 1, S), last = floor_divide(S - 1 + P, S);
  return (PhaseTaps){first, last - first + 1, (axis ? k->large.w : k->large.h) / S};
}

/* Whether every tap of the joined kernel is a tap of each phase. */
bool joined_without_gaps(const Correlation *k) {
  const PhaseTaps y = phases_taps_of(k, 0), x = phases_taps_of(k, 1);
  return y.taps * k->stride[0] == k->kernel[0] && x.taps * k->stride[1] == k->kernel[1];
}

Correlation joined_correlation(const Correlation *k) {
  const PhaseTaps y = phases_taps_of(k, 0), x = phases_taps_of(k, 1);
  const int64_t channels = k->stride[0] * k->stride[1] * k->l;
  Correlation joined = *k;
  joined.large = k->small;
  joined.small = (Extent){.n = k->large.n, .h = y.count, .w = x.count, .c = channels};
  joined.l = k->s;
  joined.s = channels;
  const PhaseTaps *axis[] = {&y, &x};
  for (int i = 0; i < 2; i++) {
    joined.kernel[i] = axis[i]->taps;
    joined.before[i] = -axis[i]->first;
    joined.stride[i] = 1;
  }
  return joined;
}
