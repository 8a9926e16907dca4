// int8_direct.c: Vectorized int8 convolutions and dense layers: a tile of pixels and channels in registers.
// SPDX-License-Identifier: Apache-2.0
//
// The input is copied as packed words with its padding (int8_words.c), so all tiles run the same code
// (int8_tiles.c).
//
// Example: `x: 14x14x16 -> conv(24, 5x5, pad=same)` --target=x86-64-v3, lines 12-21 of conv1_tile_5x2:
//
//     for (int plane = 0; plane < 2; plane++)
//       for (int c = 0; c < 20; c++) {
//         const v8i w0 = LOAD(v8i, halves[0][ky][c][plane][0]);
//         const v8i w1 = LOAD(v8i, halves[0][ky][c][plane][8]);
//         UNROLL for (int p = 0; p < 5; p++) {
//           const v8i x = n_splat_x8i(words[i + 1296*plane + c + 4*p]);
//           a[p][0] = n_dot_halves_x8(a[p][0], x, w0);
//           a[p][1] = n_dot_halves_x8(a[p][1], x, w1);
//         }
//       }
#include "base/number.h"
#include "schedule/int8/int8_cost.h"
#include "schedule/int8/int8_tiles.h"

/* Merges all rows into one, if each output pixel reads one input pixel and rows are short. */
static void join_rows(Product *d) {
  Correlation *k = &d->k;
  if (!correlation_pointwise(k) || d->p->dense) return;
  if (k->small.w >= 4 * d->l->target->chains) return;
  lower_view_rows(d->l, 1);
  k->large.w = k->small.w *= k->small.h;
  k->large.h = k->small.h = 1;
}

/* Changes the description of the convolution: the taps of a row of the window become one tap with many
 * channels. */
static void see_windows(Product *d, Int8Product *own) {
  Correlation *k = &d->k;
  const int64_t taps = k->kernel[1], rows = k->kernel[0], channels = k->l;
  int8_t *weight = NEW_ARRAY(d->l->arena, int8_t, k->s * channels * rows * taps);
  for (int64_t f = 0; f < k->s; f++)
    for (int64_t c = 0; c < channels; c++)
      for (int64_t ky = 0; ky < rows; ky++)
        for (int64_t kx = 0; kx < taps; kx++)
          weight[((f * taps + kx) * channels + c) * rows + ky] =
              d->p->weight[((f * channels + c) * rows + ky) * taps + kx];
  *own = *d->p;
  own->weight = weight;
  d->p = own;
  k->large.w = k->small.w;
  k->large.c = k->l = taps * channels;
  k->kernel[1] = k->stride[1] = 1;
  k->before[1] = 0;
}

static bool int8_direct_build(Lower *l) {
  Int8Product own;
  Product d = {.l = l, .p = l->node->detail, .k = int8_geometry(l->node), .phase = "", .step = {1, 1}};
  Correlation *k = &d.k;
  if (words_see_windows(l, k)) {
    d.words = words_of_windows(l, k);
    see_windows(&d, &own);
  } else {
    join_rows(&d);
    d.words = words_begin(l, k);
  }
  if (inner_pays(l, &d.words, k)) d.inner = inner_begin(l, &d.words);
  d.finish = finish_begin(l, d.words.dot, d.p, k, (int)direct_unit(l, k->s), d.inner);
  Strip strip[2];
  int8_tiles_begin(&d, strip);
  NestFn *inner = d.inner ? inner_function(l, &d.words, d.inner) : NULL;
  nest_fn(l->b, l->b->name, false);
  words_fill(l, &d.words, d.outer);
  if (inner) inner_fill(l, &d.words, inner, d.outer);
  int8_tiles_loops(&d, strip);
  int8_tiles_about(&d, "");
  return true;
}

/* ---- candidate ---- */
static bool int8_direct_takes(const Lower *l) {
  const Correlation k = int8_takes(l, &op_int8_product) ? int8_geometry(l->node) : (Correlation){0};
  return k.groups && !int8_by_channel(&k);
}

static const char *int8_direct_refused(const Lower *l, const Choice *choice) {
  (void)choice;
  return int8_product_refused(l);
}

static Cycles int8_direct_cycles(const Lower *l, const Target *target, const Choice *choice) {
  (void)target;
  (void)choice;
  const Correlation k = int8_geometry(l->node);
  return int8_cycles(l, &k, int8_direct_products(l, &k), 0);
}

const Schedule schedule_int8_direct = {.name = "direct",
                                       .families = FAMILY_BIT(FAMILY_INT8),
                                       .takes = int8_direct_takes,
                                       .refused = int8_direct_refused,
                                       .cycles = int8_direct_cycles,
                                       .build = int8_direct_build};
