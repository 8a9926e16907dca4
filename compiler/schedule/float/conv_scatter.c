// conv_scatter.c: Transposed convolutions and input gradients: each input pixel contributes to several
// outputs.
// SPDX-License-Identifier: Apache-2.0
//
// Each output gathers its contributions. With stride S, the outputs form S phases along each axis. Each pair
// of a row phase and a column phase is a direct convolution with stride 1 and a part of the taps (axis.c). So
// every output is summed in registers and stored once. If there are many phases, the contributions are
// scattered pixel by pixel instead.
//
// Example: `x: 14x14x8 -> conv_transpose(32, 3x3, stride=2)` --target=x86-64-v3,
// lines 5-14 of conv_transpose1_phase0_tile_5x2_body:
//
//     UNROLL for (int q = 0; q < 5; q++) {
//       a[0][q][0] = LOAD(v8, bias[f0]);
//       a[0][q][1] = LOAD(v8, bias[f0 + 8]);
//     }
//     for (int ty = (1 - y > 0 ? 1 - y : 0), ty_end = (15 - y < 2 ? 15 - y : 2); ty < ty_end; ty++)
//       UNROLL for (int tx = 0; tx < 2; tx++) {
//         ptrdiff_t i = (y + ty - 1)*112 + (x0 + tx - 1)*8 + c0;
//         PIN(i);
//         for (int c = 0; c < 8; c++) {
//           const v8 w0 = LOAD(v8, weight[panel][2 - 2*ty][2 - 2*tx][c][h]);
#include "schedule/float/direct.h"

/* Fills the whole output with the bias or zeros, before phases or pixels write parts of it. */
void direct_fill(Lower *l, Buf *to, Buf *bias, int lanes) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  const int64_t vectors = e.c / lanes, rest = e.c % lanes;
  Val zero = lanes > 1 ? splat(num(b, 0), lanes) : num(b, 0);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w) {
      if (vectors)
        NEST_FOR(b, v, vectors)
          nest_store(b, nest_at(b, to, y, x, lanes * v),
                     bias ? nest_load(b, nest_at(b, bias, lanes * v), lanes) : zero);
      if (rest)
        nest_store_part(b, nest_at(b, to, y, x, lanes * vectors),
                        bias ? nest_load(b, nest_at(b, bias, lanes * vectors), lanes) : zero, (int)rest);
    }
}

static int64_t scatter_phases_of(const Direct *d, int axis) {
  return d->repeat[axis] ? d->repeat[axis] : d->k.stride[axis];
}

static Axis phase_of(const Direct *d, int axis, int64_t r) {
  return d->repeat[axis] ? axis_repeated(&d->own, axis, d->repeat[axis], r) : axis_phase(&d->k, axis, r);
}

void direct_by_phases(Direct *d) {
  Lower *l = d->l;
  Nest *b = l->b;
  const int64_t sy = scatter_phases_of(d, 0), sx = scatter_phases_of(d, 1);
  Axis y[DIRECT_PHASES], x[DIRECT_PHASES];
  NestFn *row[DIRECT_PHASES][2][2];
  for (int64_t r = 0; r < sy * sx; r++) {
    y[r] = phase_of(d, 0, r / sx);
    x[r] = phase_of(d, 1, r % sx);
    if (y[r].count && x[r].count)
      direct_functions(d, &y[r], &x[r], sy * sx > 1 ? nest_text(b, "phase%d_", (int)r) : "", row[r]);
  }
  nest_fn(b, b->name, false);
  if (sy * sx > 1) direct_fill(l, l->out, NULL, d->lanes);
  for (int64_t r = 0; r < sy * sx; r++)
    if (y[r].count && x[r].count)
      direct_loops(d, &y[r], row[r], schedule_outer(l, correlation_macs(&d->own)));
  lower_about(l, "%d phases, each a direct convolution; %d vectors of %d channels per tile", (int)(sy * sx),
              d->vectors, d->lanes);
}

/* ---- pixel by pixel ---- */
static void spread_vectors(Nest *b, const Direct *d, const Panels *panels, const Ix *panel, const Ix *c0,
                           const Ix *f0, const Ix *h, int vectors, int part, const Ix *y, const Ix *x) {
  const Correlation *k = &d->k;
  const int L = d->lanes;
  NEST_FOR(b, ky, k->kernel[0])
    NEST_FOR(b, kx, k->kernel[1]) {
      const Ix oy = *y * k->stride[0] + ky * k->dilation[0] - k->before[0],
               ox = *x * k->stride[1] + kx * k->dilation[1] - k->before[1];
      NEST_IF(b, cond_and(nest_within(b, oy, 0, k->large.h), nest_within(b, ox, 0, k->large.w))) {
        Buf *acc = NEST_REGISTERS(b, "a", L, vectors);
        for (int v = 0; v < vectors; v++) {
          const Ref sum = nest_at(b, d->sums, oy, ox, *f0 + L * v);
          nest_store(b, nest_at(b, acc, v),
                     v == vectors - 1 && part < L ? nest_load_part(b, sum, part, L) : nest_load(b, sum, L));
        }
        NEST_FOR(b, c, d->block)
          for (int v = 0; v < vectors; v++) {
            Val w = nest_load(b, nest_at(b, panels->w, *panel, ky, kx, c, *h + L * v), L);
            nest_accumulate(b, nest_at(b, acc, v), nest_load(b, nest_at(b, d->l->in[0], *y, *x, *c0 + c), 1),
                            w);
          }
        for (int v = 0; v < vectors; v++)
          nest_store_part(b, nest_at(b, d->sums, oy, ox, *f0 + L * v), nest_get(b, nest_at(b, acc, v)),
                          v == vectors - 1 ? part : L);
      }
    }
}

static void by_pixels(Direct *d) {
  Lower *l = d->l;
  Nest *b = l->b;
  const Extent large = d->k.large;
  const int64_t step = d->vectors * d->lanes;
  d->sums = lower_sums_in_memory(l);
  nest_fn(b, b->name, false);
  direct_fill(l, d->sums, d->bias, d->lanes);
  NEST_FOR(b, y, d->k.small.h)
    NEST_FOR(b, x, d->k.small.w)
      NEST_FOR(b, g, d->k.groups)
        for (int i = 0; i < 2; i++) {
          const Panels *panels = &d->panels[i];
          const int64_t whole = panels->valid / step, rest = panels->valid % step;
          const int vectors = (int)((rest + d->lanes - 1) / d->lanes);
          if (panels->count)
            NEST_FOR(b, fb, panels->count)
              NEST_FOR(b, ib, d->blocks) {
                const Ix panel = panel_of(d, panels, &g, &fb, &ib), c0 = g * d->in + ib * d->block,
                         f0 = g * d->out + panels->first + fb * panels->width;
                if (whole)
                  NEST_FOR(b, n, whole)
                    spread_vectors(b, d, panels, &panel, &c0, NEST_IX(f0 + step * n), NEST_IX(step * n),
                                   d->vectors, d->lanes, &y, &x);
                if (rest)
                  spread_vectors(b, d, panels, &panel, &c0, NEST_IX(f0 + step * whole), NEST_IX(step * whole),
                                 vectors, (int)rest - (vectors - 1) * d->lanes, &y, &x);
              }
        }
  const int64_t whole = large.c / d->lanes, rest = large.c % d->lanes;
  if (lower_finishes(l))
    NEST_FOR(b, y, large.h)
      NEST_FOR(b, x, large.w) {
        if (whole)
          NEST_FOR(b, v, whole)
            lower_store(l, nest_load(b, nest_at(b, d->sums, y, x, d->lanes * v), d->lanes), &y, &x,
                        NEST_IX(d->lanes * v), d->lanes, d->lanes);
        if (rest)
          lower_store(l, nest_load_part(b, nest_at(b, d->sums, y, x, d->lanes * whole), (int)rest, d->lanes),
                      &y, &x, NEST_IX(d->lanes * whole), (int)rest, d->lanes);
      }
  lower_about(l, "each pixel scattered with vectors of %d channels", d->lanes);
}

static bool conv_scatter_build(Lower *l) {
  Direct d = direct_begin(l, true);
  if (direct_matrix(l, l->target)) direct_by_matrix(&d);
  else if (d.k.stride[0] * d.k.stride[1] <= DIRECT_PHASES) direct_by_phases(&d);
  else by_pixels(&d);
  return true;
}

static Cycles conv_scatter_cycles(const Lower *l, const Target *target, const Choice *choice) {
  (void)choice;
  const Correlation k = correlation_ranked(l->node);
  const Cycles floats = (no_stride(&k) ? cost_direct : cost_phases)(target, &k, l->weight_bytes);
  if (direct_matrix(l, target)) return cost_tiles(floats, target, &k, direct_matrix_products(l));
  return direct_pairs(l, &k, true) ? cost_pairs(floats, target) : floats;
}

const Schedule schedule_conv_scatter = {.name = "phases of a direct convolution",
                                        .tuning_name = "direct",
                                        .families = FAMILY_BIT(FAMILY_CONV_SCATTER) |
                                                    FAMILY_BIT(FAMILY_DEPTHWISE_SCATTER),
                                        .takes = takes_channels,
                                        .refused = direct_pixels_refused,
                                        .cycles = conv_scatter_cycles,
                                        .build = conv_scatter_build,
                                        .variants = choices_itself};
