// conv_repeated.c: Convolutions after nearest upsampling, computed from the smaller image.
// SPDX-License-Identifier: Apache-2.0
//
// Outputs whose windows cover the repeated elements in the same way form a phase. A phase is a direct
// convolution of the smaller image, in which taps that read the same element are merged. For example, a 3x3
// convolution after upsample(2) becomes four 2x2 convolutions: for four outputs, 16 products replace 36. The
// large image is never stored. Winograd needs even fewer products, but must transform inputs and outputs, so
// the number of channels determines which of the two methods is faster.
//
// Example: `x: 14x14x8 -> upsample(2) -> conv(16, 3x3, pad=same)` --target=x86-64-v3,
// lines 9-18 of conv1_phase0_tile_5x2_body:
//
//     for (int ty = (1 - y > 0 ? 1 - y : 0); ty < 2; ty++)
//       UNROLL for (int tx = 0; tx < 2; tx++) {
//         ptrdiff_t i = (y + ty - 1)*112 + (x0 + tx - 1)*8 + c0;
//         PIN(i);
//         for (int c = 0; c < 8; c++) {
//           const v8 w0 = LOAD(v8, weight[panel][ty][tx][c][h]);
//           const v8 w1 = LOAD(v8, weight[panel][ty][tx][c][h + 8]);
//           UNROLL for (int q = 0; q < 5 - narrow; q++)
//             if (!left || x0 + tx + q - 1 >= 0) {
//               a[0][q][0] += in[i + c + 8*q] * w0;
#include <math.h>
#include "schedule/float/conv_repeated.h"
#include "schedule/float/direct.h"

enum { MOST_SUMMED = 7 }; /* maximum number of taps of a kernel along an axis */

static bool conv_repeated_build(Lower *l) {
  Direct d = direct_begin(l, false);
  direct_by_phases(&d);
  return true;
}

static bool possible(const Correlation *k, const int64_t factor[2]) {
  if (correlation_near_limits(k) || factor[0] * factor[1] > DIRECT_PHASES) return false;
  if (k->groups > 1 && k->l == 1 && k->s == 1) return false;
  for (int axis = 0; axis < 2; axis++)
    if (k->stride[axis] != 1 || k->dilation[axis] != 1 || k->kernel[axis] > MOST_SUMMED) return false;
  return factor[0] * factor[1] > 1 && k->kernel[0] * k->kernel[1] > 1;
}

/* Cycles of the upsampling, which stores the large image, and of the convolution without this schedule. */
static double as_written(Arena *arena, const Target *t, const Correlation *k, int64_t net_bytes) {
  double least = cost_direct(t, k, net_bytes).total;
  int m[WINOGRAD_SIZES];
  const int sizes = winograd_refused_for(arena, t, false, false, k) ? 0 : winograd_sizes(k, m);
  for (int i = 0; i < sizes; i++) least = fmin(least, cost_winograd(t, k, m[i], 0, net_bytes).total);
  const int64_t values = k->large.h * k->large.w * k->large.c;
  return least + cost_stream(t, values, 4 * values, 0, net_bytes).total;
}

static bool pays(Arena *arena, const Node *node, const Target *target, int64_t net_bytes) {
  int64_t factor[2];
  const Op *op = node->op;
  if (!op->traits.after_repeats || !node->in[0]->op->traits.repeats ||
      !node->in[0]->op->traits.repeats(node->in[0], factor))
    return false;
  const Correlation k = correlation_of(node);
  if (!possible(&k, factor)) return false;
  return !target ||
         cost_repeated(target, &k, factor, net_bytes).total < as_written(arena, target, &k, net_bytes);
}

bool *conv_repeated_where(Arena *arena, const Graph *graph, const Target *target) {
  bool *where = NEW_ARRAY(arena, bool, graph->nodes.n + 1);
  for (int i = 0; i < graph->nodes.n; i++)
    where[i] = graph->nodes.data[i]->nin && pays(arena, graph->nodes.data[i], target, 4 * graph->parameters);
  return where;
}

static Cycles conv_repeated_cycles(const Lower *l, const Target *target, const Choice *choice) {
  (void)choice;
  const Correlation k = correlation_of(l->node);
  return cost_repeated(target, &k, l->node->detail, l->weight_bytes);
}

const Schedule schedule_conv_repeated = {.name = "phases of the upsampled image",
                                         .families = FAMILY_BIT(FAMILY_CONV_REPEATED),
                                         .cycles = conv_repeated_cycles,
                                         .build = conv_repeated_build};
