// conv_joined.c: transposed convolutions of few filters: all phases of an output lie side by side in vectors.
// SPDX-License-Identifier: Apache-2.0
//
// With stride S the outputs S*m + p, p < S, of one m are made of the same few inputs, m + first and behind
// it. So the layer is a direct convolution of stride 1 with a channel for each phase and filter: one
// broadcast of an input serves them all, where phase after phase would leave most lanes empty. A weight that
// a phase does not have is zero: infinities among the inputs would make NaN of it, so --exact has it only
// where all phases have all taps. The channels of a phase of rows, [phase of columns][filter], lie in the
// output as they lie in the vectors: each piece of them is stored as it is, at S*F*m in row S*m + p.
#include "base/number.h"
#include "schedule/float/direct.h"

enum { MOST_CHANNELS = 16 }; /* of a tile: the vectors of the narrowest target */

/* The taps of all phases together. Output S*m + p of an axis takes input m + first + t by the kernel's
 * element p + P - S*(first + t), if there is such a one. */
typedef struct Phases {
  int64_t first, taps, count; /* count: of m */
} Phases;

static Phases phases_of(const Correlation *k, int axis) {
  const int64_t S = k->stride[axis], P = k->before[axis];
  const int64_t first = ceil_divide(P - k->kernel[axis] + 1, S), last = floor_divide(S - 1 + P, S);
  return (Phases){first, last - first + 1, (axis ? k->large.w : k->large.h) / S};
}

/* Every tap that all phases see together is one of each phase. */
static bool without_gaps(const Correlation *k) {
  const Phases y = phases_of(k, 0), x = phases_of(k, 1);
  return y.taps * k->stride[0] == k->kernel[0] && x.taps * k->stride[1] == k->kernel[1];
}

const char *joined_refused(const Lower *l, const Correlation *k) {
  if (l->layout_lanes == 1) return "no vectors";
  if (l->images > 1) return "images lie side by side";
  if (k->groups != 1) return "groups";
  if (k->dilation[0] != 1 || k->dilation[1] != 1) return "a dilation";
  if (bounded_product(k->stride[0] * k->stride[1], k->l) > MOST_CHANNELS)
    return "more than 16 phases and filters";
  if (k->large.h % k->stride[0] || k->large.w % k->stride[1])
    return "an output whose size is no multiple of the stride";
  if (l->exact && !without_gaps(k)) return "--exact";
  if (l->out->flat) return "its result lies within another value";
  for (int i = 0; i < l->kernel->nchain; i++)
    if (l->kernel->chain[i]->nin > 1 || l->kernel->chain[i]->nweights)
      return "operands, which have their filters side by side";
  return NULL;
}

Correlation joined_correlation(const Correlation *k) {
  const Phases y = phases_of(k, 0), x = phases_of(k, 1);
  const int64_t channels = k->stride[0] * k->stride[1] * k->l;
  Correlation joined = *k;
  joined.large = k->small;
  joined.small = (Extent){.n = k->large.n, .h = y.count, .w = x.count, .c = channels};
  joined.l = k->s;
  joined.s = channels;
  const Phases *axis[] = {&y, &x};
  for (int i = 0; i < 2; i++) {
    joined.kernel[i] = axis[i]->taps;
    joined.before[i] = -axis[i]->first;
    joined.stride[i] = 1;
  }
  return joined;
}

static void pack_phases(Direct *d, const Correlation *k, int64_t width) {
  Lower *l = d->l;
  const int64_t taps[] = {d->k.kernel[0], d->k.kernel[1]}, *S = k->stride;
  Pack *pack = lower_pack(l, "weight", 5, (int64_t[]){1, taps[0], taps[1], d->in, width});
  Nest *b = pack->nest;
  NEST_FOR(b, ty, taps[0])
    NEST_FOR(b, tx, taps[1])
      NEST_FOR(b, c, d->in) {
        NEST_FOR(b, py, S[0])
          NEST_FOR(b, px, S[1]) {
            const Ix ky = py + k->before[0] + S[0] * d->k.before[0] - S[0] * ty,
                     kx = px + k->before[1] + S[1] * d->k.before[1] - S[1] * tx;
            NEST_IF(b, cond_and(nest_within(b, ky, 0, k->kernel[0]), nest_within(b, kx, 0, k->kernel[1])))
              NEST_FOR(b, f, k->l) {
                Ix index[4];
                const int rank = correlation_weight_index(k, index, &c, &f, &ky, &kx);
                nest_store(b, nest_at(b, pack->out, 0, ty, tx, c, (py * S[1] + px) * k->l + f),
                           lower_packed_weight(l, pack, rank, index, &f, &c));
              }
            NEST_ELSE(b)
              NEST_FOR(b, f, k->l)
                nest_store(b, nest_at(b, pack->out, 0, ty, tx, c, (py * S[1] + px) * k->l + f), num(b, 0));
          }
        NEST_FROM(b, lane, d->out, width) nest_store(b, nest_at(b, pack->out, 0, ty, tx, c, lane), num(b, 0));
      }
  d->panels[0] =
      (Panels){.w = lower_pack_done(l, pack), .count = 1, .width = width, .valid = d->out, .each = 1};
}

bool schedule_conv_joined(Lower *l) {
  const Correlation k = correlation_of(l->node);
  Direct d = {.l = l, .k = joined_correlation(&k), .blocks = 1};
  d.in = d.block = d.k.l;
  d.out = d.k.s;
  d.joined = &k;
  const int64_t unit = direct_unit(l, d.out), width = (d.out + unit - 1) / unit * unit;
  d.lanes = (int)smaller(l->target->lanes, unit);
  d.vectors = (int)((d.out + d.lanes - 1) / d.lanes);
  pack_phases(&d, &k, width);
  d.bias = correlation_bias_copies(l, &k, true, k.stride[0] * k.stride[1], width);
  lower_whole_rows(l);
  l->choice.order = ORDER_ROWS;
  const Axis y = axis_gathered(&d.k, 0), x = axis_gathered(&d.k, 1);
  NestFn *row[2][2];
  direct_functions(&d, &y, &x, "", row);
  nest_fn(l->b, l->b->name, false);
  direct_loops(&d, &y, row, schedule_outer(l, correlation_macs(&k)));
  lower_about(l, "%d phases of %d filters side by side in vectors of %d", (int)(k.stride[0] * k.stride[1]),
              (int)k.l, d.lanes);
  return true;
}
