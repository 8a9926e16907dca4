// conv_groups.c: Convolutions with groups narrower than a vector: a vector has channels of several groups.
// SPDX-License-Identifier: Apache-2.0
//
// At one tap, the weights from n inputs of a group to n outputs form a square of n diagonals: diagonal r
// connects input j to output j ^ r (exclusive or). A vector of inputs, in memory order, is multiplied by the
// weights of a diagonal, and the products are added to a register of that diagonal. In this register, the
// lane of input j contains a part of output j ^ r. Only after all taps have been added, lanes are exchanged:
// n - 1 times per vector of outputs. So the taps need no shuffles, only loads and one multiply-add per vector
// of weights and pixel.
//
// A group with more channels on one side than on the other consists of several squares. If the registers
// cannot hold the sums of all diagonals for a few pixels, the diagonals are processed in several passes over
// the inputs. The loops are those of the direct convolution (conv_direct.c, conv_tile.c), with other terms of
// a pixel: vectors of inputs replace single inputs, and diagonals replace vectors of outputs. If the vectors
// of a target are shorter than n, a square is divided into blocks. The exclusive or of the numbers of the
// input's block and of the output's block selects the diagonals.
//
// Example: `x: 14x14x32 -> conv(32, 3x3, pad=same, groups=8)` --target=x86-64-v3,
// lines 10-19 of conv1_tile_3x1_body:
//
//     for (int ty = (1 - y > 0 ? 1 - y : 0), ty_end = (15 - y < 3 ? 15 - y : 3); ty < ty_end; ty++)
//       UNROLL for (int tx = 0; tx < 3; tx++) {
//         ptrdiff_t i = (y + ty - 1)*448 + (x0 + tx - 1)*32 + c0;
//         PIN(i);
//         const v8 w0 = LOAD(v8, weight[panel][ty][tx][0][h]);
//         const v8 w1 = LOAD(v8, weight[panel][ty][tx][1][h]);
//         const v8 w2 = LOAD(v8, weight[panel][ty][tx][2][h]);
//         const v8 w3 = LOAD(v8, weight[panel][ty][tx][3][h]);
//         UNROLL for (int q = 0; q < 3 - narrow; q++)
//           if (!left || x0 + tx + q - 1 >= 0)
#include "base/number.h"
#include "schedule/float/conv_tile.h"

static bool power_of_two(int64_t n) { return (n & (n - 1)) == 0; }

static Diagonals diagonals_of(const Lower *l, const Correlation *k) {
  const bool spread = correlation_spreads(l->node);
  const int64_t n = smaller(k->l, k->s), in = spread ? k->s : k->l, out = spread ? k->l : k->s;
  return (Diagonals){
      .n = n, .ins = in / n, .outs = out / n, .unit = direct_unit(l, bounded_product(k->groups, n))};
}

static const char *conv_groups_refused(const Lower *l, const Choice *choice) {
  (void)choice;
  const Correlation own = correlation_of(l->node), *k = &own;
  const int64_t n = smaller(k->l, k->s), wide = larger(k->l, k->s) / n;
  if (l->layout_lanes == 1) return "no vectors";
  if (l->images > 1) return "batch-innermost layout";
  if (k->groups == 1) return "no groups";
  if (!power_of_two(n)) return "a number of channels per group that is not a power of two";
  if (larger(k->l, k->s) % n) return "groups whose larger side is not a multiple of the smaller";
  if (n >= l->layout_lanes) return "groups at least as wide as a vector";
  if (n * wide > MOST_VECTORS) return "groups of more than 16 channels";
  if (correlation_spreads(l->node) && k->stride[0] * k->stride[1] > DIRECT_PHASES) return "too many phases";
  return NULL;
}

/* ---- packed weights: [panel][ky][kx][diagonal, square along the outputs][input] ---- */
typedef struct Square {
  const Direct *d;
  Pack *pack;
  Ix panel, ky, kx, group, first, q, h; /* first: index of the group in its panel; q, h: index of the square
                                           along the inputs of the group, and along its outputs */
} Square;

/* Packs diagonal r: the weights from each input j to output j ^ r. There is one loop per bit of j, because j
 * ^ r is affine in the bits of j, but not in j. The innermost loop is over the lowest bit. */
static void pack_diagonal(const Square *s, int64_t r, int64_t bit, const Ix *in, const Ix *out) {
  const Direct *d = s->d;
  const Diagonals *of = d->diagonals;
  Nest *b = s->pack->nest;
  if (bit) {
    NEST_FOR(b, one, 2)
      pack_diagonal(s, r, bit / 2, NEST_IX(*in + one * bit),
                    r & bit ? NEST_IX(*out + bit - one * bit) : NEST_IX(*out + one * bit));
    return;
  }
  const Ix i = s->q * of->n + *in, o = s->h * of->n + *out;
  const Ix in_channel = s->group * (of->n * of->ins) + i, out_channel = s->group * (of->n * of->outs) + o;
  Ix index[4];
  const int rank = correlation_weight_index(&d->k, index, d->spread ? &in_channel : &out_channel,
                                            d->spread ? &o : &i, &s->ky, &s->kx);
  nest_store(
      b,
      nest_at(b, s->pack->out, s->panel, s->ky, s->kx, r * of->outs + s->h, s->first * (of->n * of->ins) + i),
      lower_packed_weight(d->l, s->pack, rank, index, &out_channel, &in_channel));
}

static void pack_groups(Square *s, int64_t before, int64_t groups) {
  Nest *b = s->pack->nest;
  const Diagonals *of = s->d->diagonals;
  const Ix none = {0};
  NEST_FOR(b, g, groups)
    NEST_FOR(b, q, of->ins)
      NEST_FOR(b, h, of->outs) {
        s->first = g;
        s->group = before + s->panel * groups + g;
        s->q = q;
        s->h = h;
        for (int64_t r = 0; r < of->n; r++) pack_diagonal(s, r, of->n / 2, &none, &none);
      }
}

static void groups_pack_panels(Direct *d, Panels *panels, const char *member) {
  const Diagonals *of = d->diagonals;
  const int64_t width = of->ins * of->unit, rows = of->n * of->outs, each = of->n * of->outs,
                groups = panels->valid / each, real = groups * of->n * of->ins;
  Pack *pack = lower_pack_weights(d->l, member, 5,
                                  (int64_t[]){panels->count, d->k.kernel[0], d->k.kernel[1], rows, width});
  Nest *b = pack->nest;
  NEST_FOR(b, panel, panels->count)
    NEST_FOR(b, ky, d->k.kernel[0])
      NEST_FOR(b, kx, d->k.kernel[1]) {
        Square s = {.d = d, .pack = pack, .panel = panel, .ky = ky, .kx = kx};
        pack_groups(&s, panels->first / each, groups);
        if (real < width)
          NEST_FOR(b, row, rows)
            NEST_FROM(b, lane, real, width)
              nest_store(b, nest_at(b, pack->out, panel, ky, kx, row, lane), num(b, 0));
      }
  panels->w = lower_pack_done(d->l, pack);
}

/* ---- the layer ---- */
static bool conv_groups_build(Lower *l) {
  const Correlation k = correlation_of(l->node);
  const Diagonals of = diagonals_of(l, &k);
  Direct d = {.l = l,
              .k = k,
              .own = k,
              .spread = correlation_spreads(l->node),
              .from = l->in[0],
              .block = 1,
              .blocks = 1,
              .inner = 1,
              .steps = 1};
  d.diagonals = &of;
  d.in = k.groups * of.n * of.ins; /* all groups are treated as one group, divided into panels */
  d.out = k.groups * of.n * of.outs;
  d.lanes = (int)smaller(l->target->lanes, of.unit);
  d.vectors = (int)(larger(of.n, d.lanes) / d.lanes * of.outs);
  const int64_t outputs = of.outs * of.unit, whole = d.out / outputs, rest = d.out % outputs,
                width = of.n * of.outs * of.ins * of.unit;
  d.panels[0] = (Panels){.count = whole, .width = width, .valid = outputs, .each = whole};
  d.panels[1] =
      (Panels){.count = rest > 0, .width = width, .valid = rest, .first = whole * outputs, .each = 1};
  if (whole) groups_pack_panels(&d, &d.panels[0], "weight");
  if (rest) groups_pack_panels(&d, &d.panels[1], whole ? "weight_rest" : "weight");
  d.bias = correlation_bias(l, &k, d.spread, d.out + outputs);
  d.k.groups = 1;
  if (d.spread) direct_by_phases(&d);
  else direct_gather(&d, correlation_macs(&k));
  lower_about(l, "%d adjacent groups in vectors of %d channels, a sum for each of %d diagonals",
              (int)smaller(k.groups, larger(d.lanes / of.n, 1)), d.lanes, (int)of.n);
  return true;
}

static Cycles conv_groups_cycles(const Lower *l, const Target *target, const Choice *choice) {
  (void)choice;
  const Correlation k = correlation_ranked(l->node);
  return cost_groups(target, &k, l->weight_bytes);
}

const Schedule schedule_conv_groups = {.name = "diagonals of groups",
                                       .tuning_name = "groups",
                                       .families = FAMILY_BIT(FAMILY_CONV) | FAMILY_BIT(FAMILY_DEPTHWISE) |
                                                   FAMILY_BIT(FAMILY_CONV_SCATTER),
                                       .transforms = "exchanged lanes",
                                       .takes = takes_groups,
                                       .refused = conv_groups_refused,
                                       .cycles = conv_groups_cycles,
                                       .build = conv_groups_build,
                                       .variants = choices_itself};
