// int8_phases.c: Vectorized int8 transposed convolutions, phase by phase.
// SPDX-License-Identifier: Apache-2.0
//
// With stride S, the outputs form S phases along each axis. Each phase is a convolution with stride 1 and a
// part of the taps (axis.c). All phases read the same words; int8_tiles.c computes the phases.
//
// Example: `x: 9x9x16 -> conv_transpose(24, 4x4, stride=2, pad=1)` --target=x86-64-v3,
// lines 39-48 of conv_transpose1:
//
//     n_conv_transpose1_split_weights_2(weight_words, halves);
//     n_conv_transpose1_split_weights_1(weight_words, halves);
//     for (int y = 0; y < 9; y++) {
//       n_conv_transpose1_tile_5x2(out, words, bias_of_signed, rounding_factor, rounding_half, round ...
//       n_conv_transpose1_tile_4x2(out, words, bias_of_signed, rounding_factor, rounding_half, round ...
//       n_conv_transpose1_tile_5x1(out, words, bias_of_signed, rounding_factor, rounding_half, round ...
//       n_conv_transpose1_tile_4x1(out, words, bias_of_signed, rounding_factor, rounding_half, round ...
//     }
//     n_conv_transpose1_split_weights_2(weight_words_1, halves_1);
//     n_conv_transpose1_split_weights_1(weight_words_1, halves_1);
#include "base/number.h"
#include "schedule/int8/int8_cost.h"
#include "schedule/int8/int8_tiles.h"

typedef struct Phases {
  Correlation k;
  Product product[DIRECT_PHASES];
  Int8Product own[DIRECT_PHASES]; /* for each phase: the weights of its taps, filter by filter */
  int n;
} Phases;

static const int8_t *int8_phases_taps_of(const Phases *t, const Int8Product *p, Arena *arena,
                                         const Axis axis[2]) {
  const Correlation *k = &t->k;
  const int64_t filters = k->large.c * k->s;
  int8_t *weight = NEW_ARRAY(arena, int8_t, filters *axis[0].taps *axis[1].taps), *at = weight;
  for (int64_t f = 0; f < filters; f++)
    for (int64_t ty = 0; ty < axis[0].taps; ty++)
      for (int64_t tx = 0; tx < axis[1].taps; tx++) {
        const int64_t ky = axis[0].tap_first + axis[0].tap_stride * ty,
                      kx = axis[1].tap_first + axis[1].tap_stride * tx;
        *at++ = p->weight[(f * k->kernel[0] + ky) * k->kernel[1] + kx];
      }
  return weight;
}

/* Adds a phase. Returns the reason why the outputs of the phase are not supported, or NULL. */
static const char *add_phase(Phases *t, const Lower *l, int64_t ry, int64_t rx) {
  const Int8Product *p = l->node->detail;
  const Axis axis[2] = {axis_phase(&t->k, 0, ry), axis_phase(&t->k, 1, rx)};
  if (!axis[0].count || !axis[1].count) return NULL;
  if (!axis[0].taps || !axis[1].taps) return "some outputs depend on no input";
  Product *d = &t->product[t->n];
  t->own[t->n] = *p;
  t->own[t->n].weight = int8_phases_taps_of(t, p, l->arena, axis);
  *d = (Product){.p = &t->own[t->n],
                 .phase = t->n ? arena_printf(l->arena, "_%d", t->n) : "",
                 .k = {.large = t->k.small,
                       .small = {.h = axis[0].count, .w = axis[1].count, .c = t->k.large.c},
                       .groups = t->k.groups,
                       .l = t->k.s,
                       .s = t->k.l,
                       .rank = t->k.rank}};
  for (int i = 0; i < 2; i++) {
    d->first[i] = axis[i].out_first;
    d->step[i] = axis[i].out_step;
    d->k.kernel[i] = axis[i].taps;
    d->k.stride[i] = 1;
    d->k.dilation[i] = larger(1, axis[i].tap_step);
    d->k.before[i] = -axis[i].in_first;
  }
  t->n++;
  return int8_refused(l, words_kind(l), d->p, &d->k);
}

static const char *all_phases(Phases *t, const Lower *l) {
  const int64_t sy = t->k.stride[0], sx = t->k.stride[1];
  const char *why = correlation_near_limits(&t->k) ? "sizes near the limit of an index" : NULL;
  if (sy > DIRECT_PHASES || sx > DIRECT_PHASES / sy) return "too many phases";
  for (int64_t r = 0; r < sy * sx && !why; r++) why = add_phase(t, l, r / sx, r % sx);
  return why;
}

static Phases *phases_begin(const Lower *l) {
  Phases *t = NEW(l->arena, Phases);
  t->k = int8_geometry(l->node);
  return t;
}

/* Creates the copy of the input that all phases read, with the padding that they need. Sets the first row and
 * column of the copy that each phase reads. */
static Words words_of(Phases *t, Lower *l) {
  Correlation all = t->product[0].k;
  int64_t behind[2] = {0, 0};
  for (int i = 0; i < 2; i++) {
    all.before[i] = 0;
    all.kernel[i] = 1;
    for (int n = 0; n < t->n; n++) all.before[i] = larger(all.before[i], t->product[n].k.before[i]);
    for (int n = 0; n < t->n; n++) {
      const Correlation *k = &t->product[n].k;
      t->product[n].from[i] = all.before[i] - k->before[i];
      behind[i] = larger(behind[i], t->product[n].from[i] + extent_side(k->small, i) +
                                        (k->kernel[i] - 1) * k->dilation[i]);
    }
  }
  all.small.h = behind[0];
  all.small.w = behind[1];
  return words_begin(l, &all);
}

/* Fills the output with zeros. Each phase writes a part of the output, and the prover cannot show that all
 * phases together write the whole output. */
static void int8_phases_fill(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  const int lanes = l->target->lanes;
  const Val zero = convert(num_i32(b, 0), I8), zeros = convert(splat(num_i32(b, 0), lanes), I8);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w) {
      if (e.c / lanes)
        NEST_FOR(b, v, e.c / lanes) nest_store(b, nest_at(b, l->out, y, x, lanes * v), zeros);
      if (e.c % lanes)
        NEST_FROM(b, c, e.c / lanes * lanes, e.c) nest_store(b, nest_at(b, l->out, y, x, c), zero);
    }
}

static bool int8_phases_build(Lower *l) {
  Phases *t = phases_begin(l);
  if (all_phases(t, l) || !t->n) return false;
  const Words words = words_of(t, l);
  const Finish finish =
      finish_begin(l, words.dot, t->product[0].p, &t->product[0].k, (int)direct_unit(l, t->k.l), false);
  Strip strip[DIRECT_PHASES][2];
  for (int n = 0; n < t->n; n++) {
    Product *d = &t->product[n];
    d->l = l;
    d->words = words;
    d->finish = finish;
    if (n) d->finish.bias = finish_bias(l, &finish, d->p, &d->k, d->phase);
    int8_tiles_begin(d, strip[n]);
  }
  nest_fn(l->b, l->b->name, false);
  words_fill(l, &words, t->product[0].outer);
  int8_phases_fill(l);
  for (int n = 0; n < t->n; n++) int8_tiles_loops(&t->product[n], strip[n]);
  int8_tiles_about(&t->product[0], nest_text(l->b, "%d phases in ", t->n));
  return true;
}

/* ---- candidate ---- */
static bool int8_phases_takes(const Lower *l) {
  if (!int8_takes(l, &op_int8_transposed)) return false;
  const Correlation k = int8_geometry(l->node);
  return k.groups == 1 || k.l > 1;
}

static const char *int8_phases_refused(const Lower *l, const Choice *choice) {
  (void)choice;
  return all_phases(phases_begin(l), l);
}

/* Each input is multiplied by all taps. So the cost is that of a convolution with inputs and outputs
 * exchanged, in which each output sums all taps. */
static Cycles int8_phases_cycles(const Lower *l, const Target *target, const Choice *choice) {
  (void)target;
  (void)choice;
  const Correlation k = int8_geometry(l->node);
  Correlation turned = k;
  turned.l = k.s;
  turned.s = k.l;
  return int8_cycles(l, &turned, int8_direct_products(l, &turned), 0);
}

const Schedule schedule_int8_phases = {.name = "phases of a direct convolution",
                                       .families = FAMILY_BIT(FAMILY_INT8),
                                       .takes = int8_phases_takes,
                                       .refused = int8_phases_refused,
                                       .cycles = int8_phases_cycles,
                                       .build = int8_phases_build};
