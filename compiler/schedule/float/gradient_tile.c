// gradient_tile.c: Addition of a tile's sums to a weight gradient. The sums are vectors of channels. If the
// kernel has more than two taps, the sums are transposed to runs of taps, so that gradients are written with
// vector stores.
// SPDX-License-Identifier: Apache-2.0
#include "schedule/float/gradient_tile.h"
#include "base/number.h"

/* MOST_FETCHED: gradients with more elements are not prefetched, because their positions might not fit into
 * int */
enum { FEW_TAPS = 2, MOST_FETCHED = 1 << 28 };

int gradient_tile_part(const GradientTile *t, const GradientColumns *c, int v) {
  return v == c->vectors - 1 ? c->part : t->lanes;
}

void gradient_tile_by_taps(Buf *gradient, int64_t taps) {
  gradient->rank = taps > 1 ? 3 : 2;
  gradient->dim[2] = gradient->room[2] = taps;
}

void gradient_tile_prefetch(const GradientTile *t, const GradientColumns *c, const Ix *row, int64_t rows,
                            const Ix *tap) {
  const Buf *out = t->l->out;
  const int64_t line = t->l->target->line / 4, room = out->dim[1] * t->taps,
                lines = ceil_divide(c->vectors * t->lanes * t->taps, line),
                share = ceil_divide(lines, t->taps);
  Nest *b = t->l->b;
  if (t->taps <= FEW_TAPS || out->dim[0] * room > MOST_FETCHED) return;
  NEST_FOR(b, r, rows)
    for (int64_t i = 0; i < share; i++)
      nest_prefetch(b, t->l->out, (*row + r) * room + c->first * t->taps + (*tap * share + i) * line);
}

/* The value to store at `ref`: the sum, or the previous value plus the sum. */
static Val with_gradient(const GradientTile *t, Ref ref, Val sum, int part, int lanes) {
  return lower_adds(t->l) ? add(nest_load_part(t->l->b, ref, part, lanes), sum) : sum;
}

/* Stores the gradients of the taps from `first` on, for row r of the tile. This row is channel `channel` of
 * the small side. */
static void add_taps(const GradientTile *t, const GradientColumns *c, const Ix *r, const Ix *channel, int v,
                     int64_t first) {
  Nest *b = t->l->b;
  const int L = t->lanes, taps = (int)smaller(t->taps - first, L), part = gradient_tile_part(t, c, v);
  Val x[LANES];
  for (int k = 0; k < L; k++)
    x[k] = k < taps ? nest_let(b, nest_text(b, "x%d", k),
                               nest_load(b, nest_at(b, t->sums, first + k, *r, v * L), L))
                    : splat(num(b, 0), L);
  if (L > 1 && taps > FEW_TAPS) {
    walk_transpose(b, x, L);
    for (int lane = 0; lane < part; lane++) {
      const Ref ref = nest_at(b, t->l->out, *channel, c->first + v * L + lane, first);
      nest_store_part(b, ref, with_gradient(t, ref, x[lane], taps, L), taps);
    }
    return;
  }
  for (int k = 0; k < taps; k++)
    for (int lane = 0; lane < part; lane++) {
      const Ref ref = nest_at(b, t->l->out, *channel, c->first + v * L + lane, first + k);
      nest_store(b, ref, with_gradient(t, ref, L > 1 ? lane_at(b, x[k], NEST_IX(lane)) : x[k], 1, 1));
    }
}

void gradient_tile_add(const GradientTile *t, const GradientColumns *c, const Ix *row, int64_t rows) {
  Nest *b = t->l->b;
  const int L = t->lanes;
  NEST_FOR(b, r, rows) {
    const Ix channel = *row + r;
    for (int v = 0; v < c->vectors; v++) {
      const int part = gradient_tile_part(t, c, v);
      if (t->taps == 1) {
        const Ref ref = nest_at(b, t->l->out, channel, c->first + v * L);
        Val sum = nest_load(b, nest_at(b, t->sums, 0, r, v * L), L);
        nest_store_part(b, ref, with_gradient(t, ref, sum, part, L), part);
      } else
        for (int64_t k = 0; k < t->taps; k += L) add_taps(t, c, &r, &channel, v, k);
    }
  }
}
