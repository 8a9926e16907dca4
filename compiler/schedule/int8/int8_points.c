// int8_points.c: Common part of int8 Winograd and Strassen convolutions.
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "schedule/float/direct.h"
#include "schedule/int8/int8_points.h"

enum { MOST_SLOTS = 4, MOST_TILES_AT_ONCE = 16 };

bool points8_fit(Points8 *d, const Lower *l, const Correlation *k, int64_t halves) {
  const int lanes = l->target->lanes;
  const int64_t unit = direct_unit(l, k->s), width = larger(2 * lanes, unit);
  *d = (Points8){.k = *k, .halves = halves, .quads = k->l / WORD_BYTES / halves, .channels = lanes};
  while (d->channels > FEWEST_LANES && d->quads % d->channels) d->channels /= 2;
  d->p = (Points){.groups = 1,
                  .phases = {1, 1},
                  .parts = 1,
                  .in = 2 * d->quads,
                  .lanes = lanes,
                  .vectors = (int)(width / lanes),
                  .bundles = k->s / halves / width,
                  .dot = &primitive_dot_halves,
                  .macs = correlation_macs(k)};
  return lanes >= FEWEST_LANES && lanes <= unit && k->l % (d->channels * WORD_BYTES * halves) == 0 &&
         k->s % (width * halves) == 0;
}

int64_t points8_width(const Points8 *d) { return d->p.vectors * d->p.lanes; }

void points8_begin(Points8 *d, Lower *l, int64_t odd, bool inner) {
  Points *c = &d->p;
  const Int8Product *p = l->node->detail;
  const int64_t registers = l->target->registers,
                sums = inner ? registers - 2 * c->vectors - 4 : registers - c->vectors - 2;
  d->l = c->l = l;
  c->most = larger(1, smaller(sums / c->vectors, MOST_TILES_AT_ONCE));
  c->by_bundles = schedule_outer(l, c->macs);
  c->slots = 1;
  while (l->threads && c->by_bundles == PARALLEL && c->slots < MOST_SLOTS && c->bundles % (2 * c->slots) == 0)
    c->slots *= 2;
  d->finish = finish_begin(l, DOT_HALVES, p, &d->k, (int)direct_unit(l, d->k.s), false);
  d->weight = words_weights(l, p, &d->k, &d->finish, "");
  points_begin_words(c, odd);
  if (inner) {
    c->inner[0] = lower_scratch_of(l, "own_V", I32, 2, (int64_t[]){c->points, c->block * c->width});
    c->inner[1] = lower_scratch_of(l, "own_U", I32, 3, (int64_t[]){c->slots, c->points, points8_width(d)});
  }
}

Ix points8_vector(const Points8 *d, const Ix *bundle, int64_t half, int v) {
  const int unit = d->finish.unit;
  return (*bundle * d->halves + half) * (points8_width(d) / unit) + v * d->p.lanes / unit;
}
Ix points8_lane(const Points8 *d, int v) { return NEST_Z + v * d->p.lanes % d->finish.unit; }

void points8_finish(const Points8 *d, Val sum, const Ix *y, const Ix *x, const Ix *bundle, int64_t half,
                    int v) {
  Nest *b = d->l->b;
  const int lanes = d->p.lanes;
  const Ix f = (*bundle * d->halves + half) * points8_width(d) + v * lanes,
           vector = points8_vector(d, bundle, half, v), lane = points8_lane(d, v);
  const Val bias = nest_load(b, nest_at(b, d->finish.bias, vector, lane), lanes);
  lower_store(d->l, finish_vector(d->l, &d->finish, wrapped_plus(sum, bias), &vector, &lane), y, x, &f, lanes,
              lanes);
}

void points8_about(const Points8 *d, const char *name, const char *products) {
  const Int8Product *p = d->l->node->detail;
  const Tiling tiles = points_tiling(&d->p, d->p.block * d->p.width, d->p.vectors);
  lower_about(d->l, "int8, %s in integers, rounding %s%s", name, rounding_name(p->rounding), products);
  lower_detail(d->l, "sums in registers: %d tiles x %d vectors of %d filters", (int)tiles.pixels,
               d->p.vectors, d->p.lanes);
}
