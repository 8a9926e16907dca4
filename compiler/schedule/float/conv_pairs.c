// conv_pairs.c: Direct convolutions in bf16: loads of words of two numbers, and the decisions whether a
// convolution multiplies such words and whether it uses tile registers. The decisions about packed weights
// are made for the widest target, and hold for all targets of the generated file.
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "graph/bf16.h"
#include "schedule/float/direct.h"
#include "schedule/matrix.h"

#ifdef __wasi__ /* the browser build has no bf16 */
static bool pads_filters(const Lower *l) { return (void)l, false; }
#else
static bool pads_filters(const Lower *);
#endif

int64_t direct_unit(const Lower *l, int64_t channels) {
  if (l->layout_lanes == 1) return 4;
  if (pads_filters(l)) return MATRIX_LANES;
  int64_t unit = 4;
  while (unit < l->layout_lanes && unit < channels) unit *= 2;
  return unit;
}

#ifndef __wasi__
bool direct_pads_channels(const Lower *l, const Correlation *k) {
  enum { FEWEST_CHANNELS = 3 };
  return l->layout->dots > 0 && l->node->op->family == FAMILY_CONV && k->groups == 1 && k->l % 2 &&
         k->l >= FEWEST_CHANNELS && k->kernel[0] * k->kernel[1] > 1 && !l->b->nleads && !l->kernel->gate;
}
#endif

bool direct_pairs(const Lower *l, const Correlation *k, bool spread) {
  const Family family = l->node->op->family;
  const bool gathers = spread ? family == FAMILY_CONV_SCATTER && k->stride[0] * k->stride[1] <= DIRECT_PHASES
                              : family == FAMILY_CONV;
  return gathers && node_is_bf16(l->node) && l->in[0]->type.elem == BF16 && l->layout_lanes > 1 &&
         l->images <= 1 &&
         ((spread ? k->s : k->l) % 2 == 0 || direct_merges(l, k) || direct_pads_channels(l, k));
}

Val direct_input_pair(const Direct *d, Buf *from, const Ix *y, const Ix *x, const Ix *c) {
  Nest *b = d->l->b;
  const Ix none = {0};
  return nest_load_pairs(
      b, d->lined ? nest_at(b, from, *y, none, *x * d->in + 2 * *c) : nest_at(b, from, *y, *x, 2 * *c), 1);
}

Val direct_weight_pairs(const Direct *d, const Panels *panels, const Ix *panel, const Ix *ky, const Ix *kx,
                        const Ix *c, const Ix *lane) {
  Nest *b = d->l->b;
  const Ix none = {0};
  return nest_load_pairs(b,
                         has_merged(d)
                             ? nest_at(b, panels->w, *panel, *ky, none, *kx * d->steps + *c, 2 * *lane)
                             : nest_at(b, panels->w, *panel, *ky, *kx, *c, 2 * *lane),
                         d->lanes);
}

Ix panel_of(const Direct *d, const Panels *panels, const Ix *group, const Ix *number, const Ix *block) {
  return (*group * panels->each + panels->before + *number) * (d->blocks * d->inner) + *block;
}

#ifndef __wasi__
/* ---- tile registers ---- */
enum { FEW_CHANNELS = 32, FEWEST_PAIRS = 4, PANEL_VECTORS = 2 };

/* Whether the node computes the large side phase by phase. */
static bool has_phases(const Lower *l) {
  const Correlation own = correlation_of(l->node);
  return correlation_spreads(l->node) && !no_stride(&own);
}

/* Division of the sums into tile registers. k: the convolution as a gather. All phases of a scatter have the
 * same map. */
MatrixMap direct_matrix_map(const Lower *l, const Correlation *k) {
  const Correlation own = correlation_of(l->node);
  if (has_phases(l))
    return matrix_map(&own, (int64_t[]){axis_phase(&own, 0, 0).count, axis_phase(&own, 1, 0).count},
                      (int64_t[]){1, 1}, k->s, false);
  const Axis y = axis_pooled(k, 0, l->kernel->pool), x = axis_pooled(k, 1, l->kernel->pool);
  return matrix_map(k, (int64_t[]){y.count, x.count}, (int64_t[]){y.parts, x.parts}, k->s,
                    k->kernel[0] * k->kernel[1] > 1);
}

/* Whether there are so few channels that the taps of a row of the kernel can be merged (direct_merges). */
static bool few_channels(const Correlation *k) {
  return k->groups == 1 && k->kernel[1] > 1 && k->dilation[1] == 1 && k->l < FEW_CHANNELS;
}

static bool has_tight_rows(const Correlation *k) {
  enum { MOST_WORDS = 16 }; /* rows of a tile register; also limits the unrolled code of pack_tight_row */
  const int64_t words = ceil_divide(k->l * k->kernel[1], 2);
  return few_channels(k) && k->l % 2 && words >= FEWEST_PAIRS && words <= MOST_WORDS;
}

bool direct_is_tight(const Lower *l, const Correlation *k) {
  return direct_pads_channels(l, k) && has_tight_rows(k);
}

int64_t direct_run_of(const Lower *l, const Correlation *k) {
  if (direct_is_tight(l, k)) return ceil_divide(k->l * k->kernel[1], 2);
  const bool merged = l->node->op->family == FAMILY_CONV && few_channels(k);
  return ceil_divide(k->l, 2) * (merged ? k->kernel[1] : 1);
}

/* Whether the phases fit tile registers: there is no dilation and no fused pooling, each phase has taps, and
 * all phases have the same number of outputs. */
static bool phases_fit(const Lower *l) {
  const Correlation k = correlation_of(l->node);
  if (k.dilation[0] > 1 || k.dilation[1] > 1 || l->kernel->pool) return false;
  for (int axis = 0; axis < 2; axis++) {
    const int64_t count = axis_phase(&k, axis, 0).count;
    for (int64_t r = 0; r < k.stride[axis]; r++) {
      const Axis a = axis_phase(&k, axis, r);
      if (!a.taps || !a.count || a.count != count) return false;
    }
  }
  return true;
}

/* Whether the sums can be divided into tiles for the tile registers. k: the convolution as a gather. A
 * scatter with stride 1 also has the form of a gather, but its padding may be negative, which is not
 * supported. */
static bool rows_fit(const Lower *l, const Correlation *k) {
  if (has_phases(l) ? !phases_fit(l) : correlation_spreads(l->node) && (k->before[0] < 0 || k->before[1] < 0))
    return false;
  if (l->b->nleads || matrix_step(direct_run_of(l, k)) < FEWEST_PAIRS) return false;
  const MatrixMap map = direct_matrix_map(l, k);
  return !matrix_refused(&map);
}

static bool matrix_fits(const Lower *l, const Correlation *k) {
  return rows_fit(l, k) && direct_unit(l, k->s) == MATRIX_LANES;
}

/* Whether the filters are padded to a whole register: the layer has few filters, and is computed in tile
 * registers. */
static bool pads_filters(const Lower *l) {
  const Family family = l->node->op->family;
  if (l->layout->tiles <= 0 || !node_is_bf16(l->node) || l->in[0]->type.elem != BF16 || l->images > 1 ||
      kernel_whole_batch(l->kernel) || (family != FAMILY_CONV && family != FAMILY_CONV_SCATTER))
    return false;
  const Correlation own = correlation_of(l->node), k = correlation_gathering(l->node);
  return k.groups == 1 && k.s <= MATRIX_LANES / 2 && own.stride[0] * own.stride[1] <= DIRECT_PHASES &&
         (k.l % 2 == 0 || (family == FAMILY_CONV && few_channels(&k))) && rows_fit(l, &k);
}

int direct_panel_vectors(const Lower *l, const Correlation *k) {
  if (l->layout->tiles <= 0 || !direct_pairs(l, k, false) || !matrix_fits(l, k)) return PANEL_VECTORS;
  const MatrixMap map = direct_matrix_map(l, k);
  return map.pitch ? map.vectors : PANEL_VECTORS;
}

int64_t direct_inner_blocks(const Lower *l) {
  enum { BLOCK = 32 };
  const Correlation k = correlation_gathering(l->node);
  return l->layout->tiles > 0 && k.kernel[0] * k.kernel[1] > 1 && k.l % BLOCK == 0 && !has_phases(l) &&
                 matrix_fits(l, &k)
             ? k.l / BLOCK
             : 1;
}

int64_t direct_run(const Direct *d) { return d->merged && !d->tight ? d->steps * d->k.kernel[1] : d->steps; }

bool direct_merges(const Lower *l, const Correlation *k) {
  if (l->node->op->family != FAMILY_CONV || !few_channels(k)) return false;
  return direct_pads_channels(l, k) || (l->layout->tiles > 0 && matrix_fits(l, k));
}

bool direct_matrix(const Lower *l, const Target *target) {
  const Correlation own = correlation_of(l->node), k = correlation_gathering(l->node);
  return target->tiles > 0 && direct_pairs(l, &own, correlation_spreads(l->node)) && matrix_fits(l, &k);
}
#endif
