// dense_pairs.c: Dense layers with precision=bf16, for one image or for all rows of the leading axis: words
// of two inputs are multiplied by words of two weights.
// SPDX-License-Identifier: Apache-2.0
//
// Weights are packed as [panel][inputs / 2][unit][2]. For one row, each weight is read once. If the time is
// spent on loading weights, the layer is 2x faster in bf16 than in float, because bf16 halves the bytes. With
// tile registers, all rows of a batch, or all regions of an image, share the loaded weights.
//
// Example: `x: 256 -> relu -> dense(64)` --target=x86-64-v4-bf16 --precision=bf16, lines 13-18 of dense1:
//
//     for (int n = 0; n < 32; n++) {
//       const v16i w0 = n_pairs_x16i(&weight[m][4*n][0]);
//       const v16i w1 = n_pairs_x16i(&weight[m][4*n][32]);
//       a[0][0] = n_dot_x16(n_splat_x16i(n_pairs_x1i(&in[0][0][8*n])), w0, a[0][0]);
//       a[0][1] = n_dot_x16(n_splat_x16i(n_pairs_x1i(&in[0][0][8*n])), w1, a[0][1]);
//       const v16i w0_2 = n_pairs_x16i(&weight[m][4*n + 1][0]);
#include "graph/bf16.h"
#include "schedule/float/pair_rows.h"
#include "schedule/schedule.h"

static bool dense_pairs_takes(const Lower *l) { return bf16_dense_pairs(l->node); }

static Buf *pack_pairs(const PairRows *p, const char *member, int64_t first, int64_t count, int64_t width,
                       int64_t valid) {
  Lower *l = p->l;
  Pack *pack = lower_pack_weights(l, member, 3, (int64_t[]){count, p->pairs, 2 * width});
  Nest *b = pack->nest;
  NEST_FOR(b, m, count)
    NEST_FOR(b, c, p->pairs) {
      NEST_FOR(b, n, valid)
        for (int i = 0; i < 2; i++) {
          const Ix unit = first + m * width + n, input = 2 * c + i;
          nest_store(b, nest_at(b, pack->out, m, c, 2 * n + i),
                     lower_packed_weight(l, pack, 2, NEST_IX(unit, input), &unit, &input));
        }
      if (valid < width)
        NEST_FROM(b, n, 2 * valid, 2 * width) nest_store(b, nest_at(b, pack->out, m, c, n), num(b, 0));
    }
  return lower_pack_done(l, pack);
}

static Buf *pack_pairs_bias(const PairRows *p) {
  Lower *l = p->l;
  const int64_t padded = p->panels * p->width + p->rest_width;
  Pack *pack = lower_pack(l, "bias", 1, &padded);
  Nest *b = pack->nest;
  const Ix none = {0};
  NEST_FOR(b, u, p->columns) nest_store(b, nest_at(b, pack->out, u), lower_packed_bias(l, pack, &u, &none));
  if (padded > p->columns)
    NEST_FROM(b, u, p->columns, padded) nest_store(b, nest_at(b, pack->out, u), num(b, 0));
  return lower_pack_done(l, pack);
}

static void begin_nothing(const void *context) { (void)context; }

static PairRows dense_pairs(Lower *l) {
  return (PairRows){.l = l,
                    .in = l->in[0],
                    .leading = l->rows > 0,
                    .rows = l->rows ? l->rows : 1,
                    .pairs = shape_row_elements(l->node->in[0]->shape) / 2,
                    .columns = shape_row_elements(l->node->shape),
                    .scale = 1};
}

static bool dense_pairs_build(Lower *l) {
  PairRows p = dense_pairs(l);
  pair_rows_panels(&p);
  if (p.panels) p.w[0] = pack_pairs(&p, "weight", 0, p.panels, p.width, p.width);
  if (p.rest)
    p.w[1] = pack_pairs(&p, p.panels ? "weight_rest" : "weight", p.panels * p.width, 1, p.rest_width, p.rest);
  p.bias = pack_pairs_bias(&p);
  pair_rows_build(&p, begin_nothing, NULL);
  return true;
}

/* The cycles per image if the kernel is batched, otherwise the cycles of the kernel. In tile registers, the
 * products of all rows are computed together. */
static Cycles dense_pairs_cycles(const Lower *l, const Target *target, const Choice *choice) {
  const int64_t inputs = shape_row_elements(l->node->in[0]->shape),
                units = shape_row_elements(l->node->shape), rows = l->rows ? l->rows : 1,
                batch = kernel_whole_batch(l->kernel) ? l->batch : 1;
  const Cycles floats =
      batch > 1 ? cost_together(target, inputs * units, 4 * inputs * units, batch, l->weight_bytes)
                : cost_kernel(l, target, choice);
  if (!pair_rows_in_tiles(l, target, rows, inputs / 2, units)) return cost_pairs(floats, target);
  return cost_pair_tiles(floats, target, pair_rows_tile_cycles(rows, inputs / 2, units) / (double)batch);
}

const Schedule schedule_dense_pairs = {.name = "words of two inputs",
                                       .tuning_name = "pairs",
                                       .families = FAMILY_BIT(FAMILY_DENSE),
                                       .takes = dense_pairs_takes,
                                       .cycles = dense_pairs_cycles,
                                       .build = dense_pairs_build,
                                       .variants = choices_itself};
