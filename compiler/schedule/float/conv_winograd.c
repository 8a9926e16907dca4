// conv_winograd.c: Winograd convolutions, such as F(4x4,3x3), F(2x2,5x5) and F(1x4,1x7). Supported: with
// stride 1, square windows with sides of 2, 3 or 5, and one-dimensional windows of length 2, 3, 5 or 7; with
// stride 2, 3x3 windows; phases of dilated and transposed convolutions; input gradients; any number of
// groups.
// SPDX-License-Identifier: Apache-2.0
//
// This file defines the transforms of tiles and weights. conv_points.c multiplies the transformed tiles,
// point by point:
//
//     split     V[xi][t][c] = B^T (input tile t, channel c) B
//     weights   G w G^T, when they are packed
//     join      output tile t, channel f = finish(A^T M[..][t][f] A + bias[f])
//
// A dilated convolution is divided into phases of rows and columns. Each phase is a convolution without
// dilation. The tiles of all phases are in one matrix V, so the weights are read once. Only split and join
// depend on the positions of the tiles.
//
// Rounding: winograd_error predicts the error, which grows with the number of channels. On random data with
// up to 512 channels, the error is less than 3e-5 of the largest output; with F(6x6,3x3), less than 5e-5. The
// nets tests/run/winograd*.cnn are tested with such tolerances. --exact uses the direct convolution.
//
// Example: `x: 28x28x64 -> conv(64, 3x3, pad=same)` --target=x86-64-v3, lines 3-12 of conv1_split_body:
//
//     for (int p = 0; p < 8; p++) {
//       if (!border)
//         for (int y = 0; y < 6; y++)
//           for (int line = 0; line < 2; line++)
//             PREFETCH((const float *)in + 7168*ty + 256*tx + 32*p + 1792*y + 16*line - 1216);
//       v8 d[6][6];
//       ROLL for (int i = 0; i < 6; i++) {
//         if (!border || (0 <= 4*tx + i - 1 && 4*tx + i - 1 < 28)) {
//           const v8 x0 = !border || (0 <= 4*ty - 1 && 4*ty - 1 < 28) ? LOAD(v8, in[4*ty - 1][4*tx + ...
//           const v8 x1 = LOAD(v8, in[4*ty][4*tx + i - 1][8*p]);
#include "base/number.h"
#include "schedule/float/conv_winograd.h"
#include "schedule/float/phases.h"
#include "schedule/float/rows.h"

/* Reads the weight in row tap[0] and column tap[2] of the window. */
static Val winograd_read_tap(const Points *p, Pack *pack, const PointWeight *at, const Ix tap[4]) {
  const Conv *c = (const Conv *)p;
  const Winograd *wy = &c->w[0], *wx = &c->w[1];
  const Ix from = at->group * c->k.l + at->in, to = at->group * p->filters + at->out,
           ky = at->phase[0] + (c->spread ? c->stride[0] * (wy->r - 1 - tap[0]) : tap[0]),
           kx = at->phase[1] + (c->spread ? c->stride[1] * (wx->r - 1 - tap[2]) : tap[2]);
  Ix index[4];
  const int rank =
      correlation_weight_index(&c->own, index, c->spread ? &from : &to, c->spread ? &at->out : &at->in,
                               c->turned ? &kx : &ky, c->turned ? &ky : &kx);
  return lower_packed_weight(c->l, pack, rank, index, &to, &from);
}

/* Transforms the taps of one window along an axis. Both axes together compute G w G^T. */
static void winograd_transform_taps(const Points *p, Nest *b, int axis, const Val *tap, Val *point) {
  const Winograd *w = &((const Conv *)p)->w[axis];
  winograd_weight(b, w, tap, point);
  for (int i = 0; i < w->n; i++)
    if (w->scale[i] != 1) point[i] = mul(num(b, w->scale[i]), point[i]);
}

static void winograd_exchange(int64_t *a, int64_t *b) {
  const int64_t was = *a;
  *a = *b;
  *b = was;
}

static void winograd_turn(Conv *c) {
  winograd_exchange(&c->k.large.h, &c->k.large.w);
  winograd_exchange(&c->k.small.h, &c->k.small.w);
  winograd_exchange(&c->k.kernel[0], &c->k.kernel[1]);
  winograd_exchange(&c->k.before[0], &c->k.before[1]);
  winograd_exchange(&c->k.dilation[0], &c->k.dilation[1]);
  winograd_exchange(&c->stride[0], &c->stride[1]);
  winograd_exchange(&c->shift[0], &c->shift[1]);
  winograd_exchange(&c->out[0], &c->out[1]);
}

/* Divides the tiles into rows. A block consists of whole rows that together fit in the cache, so rows with
 * fewer tiles permit smaller blocks. */
static void cut_tiles(Conv *c) {
  const Node *pool = c->l->kernel->pool;
  const Extent used =
      pool ? shape_extent(pool->shape) : c->k.small; /* the pooling possibly ignores the last row or column */
  for (int axis = 0; axis < 2; axis++) {
    const WinogradTiles tiles =
        winograd_tiles(&c->k, axis, (pool ? POOLED : 1) * extent_side(used, axis), c->w[axis].m);
    c->dilation[axis] = tiles.step;
    c->phases[axis] = tiles.phases;
    c->tiles[axis] = tiles.each;
    c->dilated = c->dilated || tiles.step > 1;
  }
  c->by_phase = c->dilated && c->phases[0] > c->tiles[0];
  const int64_t count = c->phases[0] * c->tiles[0] * c->phases[1] * c->tiles[1];
  c->p.rows = c->by_phase ? c->phases[0] : c->tiles[0];
  c->p.width = count / c->p.rows;
  c->p.many_small = c->dilated || c->whole;
  c->p.images = c->whole;
  c->p.alone = c->by_phase || c->whole; /* by_phase: the prover cannot prove that blocks of phases write
                                           different rows; whole: each block reads all weights */
  if (c->whole) {
    c->p.rows = c->l->rows;
    c->p.width = count;
  }
}

static Conv conv_of(Lower *l) {
  Conv c = {.own = correlation_of(l->node),
            .k = winograd_correlation(l->node),
            .spread = correlation_spreads(l->node),
            .whole = l->rows > 0,
            .l = l};
  const Extent out = shape_extent(l->node->shape);
  for (int axis = 0; axis < 2; axis++) {
    c.stride[axis] = c.spread ? c.own.stride[axis] : 1;
    c.shift[axis] = c.stride[axis] > 1 ? c.own.before[axis] % c.stride[axis] : 0;
    c.out[axis] = extent_side(out, axis);
  }
  c.turned = c.k.large.h == 1 && c.k.small.h == 1 && c.out[0] == 1;
  if (c.turned) winograd_turn(&c);
  winograd_axes(&c.k, l->choice.m, c.w);
  c.p = (Points){.l = l,
                 .points = c.w[0].n * c.w[1].n,
                 .groups = c.k.groups,
                 .in = c.k.l,
                 .channels = c.k.large.c,
                 .phases = {c.stride[0], c.stride[1]},
                 .filters = out.c / c.k.groups,
                 .macs = correlation_macs(&c.k)};
  cut_tiles(&c);
  return c;
}

static bool conv_winograd_build(Lower *l) {
  Conv c = conv_of(l);
  points_begin(&c.p, &(PointPack){{{c.w[0].r, 1}, {c.w[1].r, 1}},
                                  {c.w[0].n, c.w[1].n},
                                  winograd_read_tap,
                                  winograd_transform_taps});
  c.bias = c.whole && !l->call ? l->node->hidden ? NULL : lower_weight(l, 1)
                               : correlation_bias(l, &c.own, c.spread,
                                                  c.p.groups * c.p.filters + direct_unit(l, c.p.filters));
  points_functions(&c.p, winograd_split_row(&c), winograd_join_row);
  nest_fn(l->b, l->b->name, false);
  /* Phases come either from strides or from dilations: no convolution here is both dilated and transposed. */
  const int phases = (int)(c.stride[0] * c.stride[1] * c.phases[0] * c.phases[1]);
  if (phases > 1) direct_fill(l, l->out, NULL, c.p.lanes);
  points_loops(l->b, &c.p);
  const Correlation k = winograd_correlation(l->node);
  const char *name = winograd_name(l->arena, &k, l->choice.m);
  if (c.whole) name = arena_printf(l->arena, "batched %s", name);
  points_about(&c.p, phases > 1 ? arena_printf(l->arena, "%d phases, each %s", phases, name) : name);
  return true;
}

/* ---- candidate, also for weight gradients and batched kernels ---- */
static bool conv_winograd_takes(const Lower *l) {
  const Correlation k = correlation_of(l->node);
  const bool gathers = no_stride(&k) || !correlation_spreads(l->node) || phases_alike(&k);
  return takes_whole_batch(l) || (takes_channels(l) && gathers);
}

void conv_winograd_sizes(const Lower *l, Choices *choices) {
  const Correlation k = winograd_correlation(l->node);
  int m[WINOGRAD_SIZES];
  const int sizes = winograd_sizes(&k, m);
  for (int i = 0; i < sizes; i++) choices_add(choices, (Choice){.m = m[i]});
}

const char *conv_winograd_title(const Lower *l, const Choice *choice) {
  const Correlation k = winograd_correlation(l->node);
  const char *name = winograd_name(l->arena, &k, choice->m);
  return takes_whole_batch(l) ? arena_printf(l->arena, "batched %s", name) : name;
}

/* The reason why the sizes of the weights are not supported, or NULL. A panel of weights must not contain two
 * phases. The number of transformed weights is limited, too. correlation_near_limits cannot check this limit:
 * it ignores phases, counts taps instead of points if there are groups, and counts too few points with a
 * stride. */
static const char *winograd_weights_refused(const Lower *l, const Correlation *k, int64_t points) {
  enum { UNIT = 16 }; /* padding adds fewer than UNIT filters to a group */
  const Correlation own = correlation_of(l->node);
  const bool phases = correlation_spreads(l->node) && !no_stride(&own);
  if (phases && own.l % direct_unit(l, own.l)) return "filters that are not a multiple of the vector width";
  if (!phases && k->groups == 1 && no_stride(&own)) return NULL;
  const int64_t each = bounded_product(k->l, k->s + UNIT), all = bounded_product(k->groups, each);
  return bounded_product(all, points) > INT32_MAX / 2 ? "too many weights" : NULL;
}

const char *conv_winograd_refused(const Lower *l, const Choice *choice) {
  const Correlation k = winograd_correlation(l->node);
  if (takes_whole_batch(l)) {
    const RowsCosts costs = rows_costs(l);
    return rows_winograd_refused(&costs, l->node);
  }
  Winograd w[2];
  winograd_axes(&k, choice->m, w);
  const char *refused = winograd_refused(l, &k);
  return refused ? refused : winograd_weights_refused(l, &k, w[0].n * w[1].n);
}

WinogradError conv_winograd_error(const Lower *l, const Choice *choice) {
  const Correlation k = winograd_correlation(l->node);
  Winograd w[2];
  winograd_axes(&k, choice->m, w);
  return winograd_error(w, k.l);
}

/* Number of bytes by which the transformed weights of all phases exceed the weights of the layer. */
static int64_t phases_growth(const Lower *l, const Correlation *phases, int m) {
  const Correlation k = correlation_of(l->node);
  int64_t points = 1;
  if (!correlation_spreads(l->node) || no_stride(&k)) return 0;
  for (int axis = 0; axis < 2; axis++)
    if (phases->kernel[axis] > 1) points *= m + phases->kernel[axis] - 1;
  return 4 * k.groups * (phases->l * phases->s * points - k.l * k.s * k.kernel[0] * k.kernel[1]);
}

static Cycles conv_winograd_cycles(const Lower *l, const Target *target, const Choice *choice) {
  const Correlation k = winograd_correlation(l->node);
  const RowsCosts costs = rows_costs(l);
  if (takes_whole_batch(l)) return rows_by_winograd(&costs, l->node, choice->m, l->batch);
  return cost_winograd(target, &k, choice->m, l->batch, l->weight_bytes + phases_growth(l, &k, choice->m));
}

const Schedule schedule_conv_winograd = {.name = "Winograd",
                                         .tuning_name = "winograd",
                                         .families =
                                             FAMILY_BIT(FAMILY_CONV) | FAMILY_BIT(FAMILY_CONV_SCATTER),
                                         .takes = conv_winograd_takes,
                                         .sizes = conv_winograd_sizes,
                                         .title = conv_winograd_title,
                                         .refused = conv_winograd_refused,
                                         .cycles = conv_winograd_cycles,
                                         .error = conv_winograd_error,
                                         .build = conv_winograd_build,
                                         .variants = choices_by_tiles};
