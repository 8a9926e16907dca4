// rows.c: Choice of the layers to batch, by the cost of reading weights, gradients and values from the memory
// that holds them.
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "base/number.h"
#include "graph/bf16.h"
#include "schedule/float/phases.h"
#include "schedule/float/rows.h"
#include "schedule/float/strassen.h"
#include "schedule/schedule.h"

enum {
  FEWEST_IMAGES = 8
}; /* minimum number of images for which a large dense layer is batched in training */
/* A convolution is batched only if its predicted time with batching is less than WORTH times its predicted
 * time image by image. WORTH is less than 1 because batching interrupts the loop over images. For weight
 * gradients, the factor is WORTH_KEEPING: they also need values of the forward pass. With batching, these
 * values must be stored; they cannot be recomputed. */
static const double WORTH = 0.9, WORTH_KEEPING = 0.7;

static Cycles by_winograd(const RowsCosts *c, const Node *node, const Correlation *k, int m, int64_t batch) {
  return node->op->family == FAMILY_CONV_WEIGHTS
             ? cost_winograd_weights(c->target, k, m)
             : cost_winograd(c->target, k, m, c->training ? batch : 0, c->weight_bytes);
}

static Cycles directly(const RowsCosts *c, const Node *node, const Correlation *k, int64_t batch) {
  if (node->op->family == FAMILY_CONV_WEIGHTS) return cost_weights(c->target, k);
  Cycles cycles = correlation_spreads(node) && !no_stride(k) ? cost_phases(c->target, k, c->weight_bytes)
                                                             : cost_direct(c->target, k, c->weight_bytes);
  if (c->training)
    cycles.total += c->target->rates->packed_point * (double)cycles.weight_bytes / 4 / (double)batch;
  return cycles;
}

/* Cycles per image of the fastest schedule that computes a convolution, or its gradient, image by image. */
static Cycles rows_alone(const RowsCosts *c, const Node *node, int64_t batch) {
  const Correlation own = correlation_of(node), k = correlation_ranked(node);
  const bool weights = node->op->family == FAMILY_CONV_WEIGHTS;
  Cycles best = directly(c, node, &k, batch);
  int m[WINOGRAD_SIZES];
  const bool phases = correlation_spreads(node) && !no_stride(&own);
  const int sizes =
      phases || winograd_refused_for(c->arena, c->target, c->exact, weights, &k) ? 0 : winograd_sizes(&k, m);
  for (int i = 0; i < sizes; i++) {
    const Cycles cycles = by_winograd(c, node, &k, m[i], batch);
    if (cycles.total < best.total) best = cycles;
  }
  for (int parts = 2; parts <= 4 && !weights && strassen_takes(&k); parts *= 2) {
    if (strassen_refused_for(c->arena, c->target, c->exact, &k, parts)) continue;
    const Cycles cycles = cost_strassen(c->target, &k, parts, c->training ? batch : 0, c->weight_bytes);
    if (cycles.total < best.total) best = cycles;
  }
  if (weights && weights_take_matrix(c->target, node)) {
    const Cycles cycles = weights_by_matrix(c->target, node);
    if (cycles.total < best.total) best = cycles;
  }
  if (weights) best.total += cost_gradient_sums(c->target, &k, c->weight_bytes);
  return best;
}

/* A kernel is unsupported if it has several groups, or if one of two panels is too large. The first is the
 * panel of the large side of one image. The second is the panel of weights (or weight gradients) for a vector
 * of input channels. In bf16 weight gradients, the panel of the large side may be as large as the stack
 * permits: the faster schedule with tile registers is a candidate only if a batched schedule without tile
 * registers supports the kernel. */
const char *rows_direct_refused(const RowsCosts *c, const Node *node) {
  const Target *t = c->target;
  const Correlation k = correlation_of(node);
  const bool halves = node->op->family == FAMILY_CONV_WEIGHTS && node_is_bf16(node);
  const int64_t width = 8 * (int64_t)t->lanes, taps = k.kernel[0] * k.kernel[1],
                panel = halves ? 4 * STACK_ELEMENTS : t->blocking.rows_panel;
  if (k.groups > 1) return "groups";
  const bool fits = bounded_product(width, k.large.h * k.large.w) <= panel &&
                    bounded_product(width * t->lanes, taps) <= 2 * t->blocking.rows_panel;
  return fits ? NULL : "a panel too large for the caches";
}

static Cycles rows_directly(const RowsCosts *c, const Node *node, int64_t batch) {
  const Correlation k = correlation_of(node);
  return node->op->family == FAMILY_CONV_WEIGHTS
             ? cost_rows_weights(c->target, &k, batch, c->weight_bytes)
             : cost_rows(c->target, &k, correlation_spreads(node), c->training, batch, c->weight_bytes);
}

const char *rows_winograd_refused(const RowsCosts *c, const Node *node) {
  const bool weights = node->op->family == FAMILY_CONV_WEIGHTS;
  const Correlation own = correlation_of(node), k = correlation_gathering(node);
  if (!no_stride(&own) && correlation_spreads(node)) return "a stride";
  if (k.dilation[0] != 1 || k.dilation[1] != 1) return "a dilation";
  return winograd_refused_for(c->arena, c->target, c->exact, weights, &k);
}

Cycles rows_by_winograd(const RowsCosts *c, const Node *node, int m, int64_t batch) {
  const Correlation k = correlation_gathering(node);
  return node->op->family == FAMILY_CONV_WEIGHTS
             ? cost_winograd_rows_weights(c->target, &k, m, batch, c->weight_bytes)
             : cost_winograd_rows(c->target, &k, m, c->training, batch, c->weight_bytes);
}

/* Cycles of the fastest batched schedule. Infinite if only schedules with tile registers support the kernel,
 * because the generated file may also contain targets without tile registers. */
static double least_together(const RowsCosts *c, const Node *node, int64_t batch) {
  double least = rows_direct_refused(c, node) ? INFINITY : rows_directly(c, node, batch).total;
  const Correlation k = correlation_gathering(node);
  int m[WINOGRAD_SIZES];
  const int sizes = rows_winograd_refused(c, node) ? 0 : winograd_sizes(&k, m);
  for (int i = 0; i < sizes; i++) least = fmin(least, rows_by_winograd(c, node, m[i], batch).total);
  if (isfinite(least) && node->op->family == FAMILY_CONV_WEIGHTS &&
      rows_weights_take_matrix(c->target, node, batch))
    least = fmin(least, rows_weights_by_matrix(c->target, node, batch, c->weight_bytes).total);
  return least;
}

static bool conv_pays(const RowsCosts *c, const Node *node, int64_t batch, int64_t kept) {
  const Correlation k = correlation_of(node);
  const double worth = node->op->family == FAMILY_CONV_WEIGHTS ? WORTH_KEEPING : WORTH;
  return batch > 1 && !correlation_near_limits(&k) &&
         least_together(c, node, batch) + cost_passed(c->target, (double)kept, batch) <
             worth * rows_alone(c, node, batch).total;
}

bool rows_pay(const void *rows_costs, const Node *node, int64_t batch, int64_t kept) {
  const RowsCosts *costs = rows_costs;
  switch (node->op->family) {
  case FAMILY_DENSE:
  case FAMILY_DENSE_INPUT:
  case FAMILY_DENSE_WEIGHTS:
    return costs->training ? batch >= FEWEST_IMAGES : dense_pays_together(costs, batch);
  default: return conv_pays(costs, node, batch, kept);
  }
}

/* ---- candidates ---- */
RowsCosts rows_costs(const Lower *l) {
  return (RowsCosts){.target = l->layout,
                     .weight_bytes = l->weight_bytes,
                     .training = !l->call,
                     .exact = l->exact,
                     .arena = l->arena};
}

const char *conv_rows_refused(const Lower *l, const Choice *choice) {
  (void)choice;
  const RowsCosts costs = rows_costs(l);
  return rows_direct_refused(&costs, l->node);
}

Cycles conv_rows_cycles(const Lower *l, const Target *target, const Choice *choice) {
  (void)target;
  (void)choice;
  const RowsCosts costs = rows_costs(l);
  return rows_directly(&costs, l->node, l->batch);
}

static Cycles image_by_image_cycles(const Lower *l, const Target *target, const Choice *choice) {
  (void)target;
  (void)choice;
  const RowsCosts costs = rows_costs(l);
  return rows_alone(&costs, l->node, l->batch);
}

/* The kernel that computes image by image, listed as the alternative that the plan rejected. */
const Schedule schedule_image_by_image = {
    .name = "image by image",
    .families = FAMILY_BIT(FAMILY_CONV) | FAMILY_BIT(FAMILY_CONV_SCATTER) | FAMILY_BIT(FAMILY_CONV_WEIGHTS),
    .takes = takes_whole_batch,
    .compared = takes_whole_batch,
    .cycles = image_by_image_cycles};
