// conv_joined.c: Transposed convolutions with few filters: the phases of the output are interleaved in
// vectors.
// SPDX-License-Identifier: Apache-2.0
//
// With stride S, the outputs S*m .. S*m+S-1 along an axis depend on the same few inputs, beginning near input
// m. So the layer is a direct convolution with stride 1. It has S*S*F output channels: one for each
// combination of a phase of the rows, a phase of the columns, and one of F filters. One broadcast of an input
// is used for all these channels; with separate phases, most lanes would be empty. If some phases have fewer
// taps than others, zeros replace the missing weights. A zero times an infinite input is NaN, so with --exact
// this method is used only if no weights are missing. The channels of one phase p of the rows have the order
// [phase of columns][filter], both in the vectors and in the output. So these channels of pixel (y, x) are
// stored without a change of order: in row S*y + p, beginning at element S*F*x.
//
// Example: `x: 14x14x16 -> conv_transpose(1, 4x4, stride=2, pad=1)` --target=x86-64-v3,
// lines 4-13 of conv_transpose1_tile_14x1_left_right:
//
//     UNROLL for (int q = 0; q < 14; q++)
//       a[0][q][0] = LOAD(v4, bias[0]);
//     for (int ty = (1 - y > 0 ? 1 - y : 0), ty_end = (15 - y < 3 ? 15 - y : 3); ty < ty_end; ty++)
//       UNROLL for (int tx = 0; tx < 3; tx++) {
//         ptrdiff_t i = (y + ty - 1)*224 + (tx - 1)*16;
//         PIN(i);
//         for (int c = 0; c < 16; c++) {
//           const v4 w0 = LOAD(v4, weight[0][ty][tx][c][0]);
//           UNROLL for (int q = 0; q < 14; q++)
//             if (tx + q - 1 >= 0)
#include "graph/bf16.h"
#include "base/number.h"
#include "schedule/float/direct.h"

/* Maximum number of channels of a tile: the lanes of four of the narrowest vectors. */
enum { MOST_CHANNELS = 16 };

static const char *conv_joined_refused(const Lower *l, const Choice *choice) {
  (void)choice;
  const Correlation own = correlation_of(l->node), *k = &own;
  if (l->layout_lanes == 1) return "no vectors";
  if (l->images > 1) return "batch-innermost layout";
  if (k->groups != 1) return "groups";
  if (k->dilation[0] != 1 || k->dilation[1] != 1) return "a dilation";
  if (bounded_product(k->stride[0] * k->stride[1], k->l) > MOST_CHANNELS)
    return "the number of phases times the number of filters exceeds 16";
  if (k->large.h % k->stride[0] || k->large.w % k->stride[1])
    return "an output size that is not a multiple of the stride";
  if (l->exact && !joined_without_gaps(k)) return "--exact";
  if (l->out->flat) return "the result is a view of another value";
  if (l->kernel->nscales && node_weight_elem(l->node) != F32)
    return "batchnorm cannot be folded into rounded weights";
  for (int i = 0; i < l->kernel->nchain; i++)
    if (l->kernel->chain[i]->nin > 1 || l->kernel->chain[i]->nweights)
      return "a fused node with a second operand or parameters";
  return NULL;
}

static void pack_phases(Direct *d, const Correlation *k, int64_t width) {
  Lower *l = d->l;
  const int64_t taps[] = {d->k.kernel[0], d->k.kernel[1]}, *S = k->stride;
  Pack *pack = lower_pack_weights(l, "weight", 5, (int64_t[]){1, taps[0], taps[1], d->in, width});
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

static bool conv_joined_build(Lower *l) {
  const Correlation k = correlation_of(l->node);
  Direct d = {.l = l, .k = joined_correlation(&k), .from = l->in[0], .blocks = 1, .inner = 1};
  d.in = d.block = d.steps = d.k.l;
  d.out = d.k.s;
  d.joined = &k;
  const int64_t unit = direct_unit(l, d.out), width = (d.out + unit - 1) / unit * unit;
  d.lanes = (int)smaller(l->target->lanes, unit);
  d.vectors = (int)((d.out + d.lanes - 1) / d.lanes);
  pack_phases(&d, &k, width);
  d.bias = correlation_bias_copies(l, &k, true, k.stride[0] * k.stride[1], width);
  lower_whole_rows(l);
  l->choice.order = ORDER_ROWS;
  direct_gather(&d, correlation_macs(&k));
  lower_about(l, "%d phases x %d filters, interleaved in vectors of %d lanes",
              (int)(k.stride[0] * k.stride[1]), (int)k.l, d.lanes);
  return true;
}

static bool conv_joined_takes(const Lower *l) {
  const Correlation k = correlation_of(l->node);
  return takes_channels(l) && !no_stride(&k);
}

static Cycles conv_joined_cycles(const Lower *l, const Target *target, const Choice *choice) {
  (void)choice;
  const Correlation k = correlation_of(l->node);
  return cost_joined(target, &k, l->weight_bytes);
}

const Schedule schedule_conv_joined = {.name = "phases computed together",
                                       .tuning_name = "joined",
                                       .families = FAMILY_BIT(FAMILY_CONV_SCATTER),
                                       .transforms = "short stores",
                                       .takes = conv_joined_takes,
                                       .refused = conv_joined_refused,
                                       .cycles = conv_joined_cycles,
                                       .build = conv_joined_build,
                                       .variants = choices_itself};
