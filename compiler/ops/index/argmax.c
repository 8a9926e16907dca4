/* argmax.c: argmax, the index of the largest channel of each pixel. If several channels are largest, the
 * result is the first of their indices; NaN counts as the largest. The index has no gradient. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "kernel/channels.h"
#include "base/number.h"
#include "ops/index/index.h"

static const Param params[] = {{0}};

static void shape(ShapeContext *context, Node *node) {
  if (!node->in[0]->shape.rank) return;
  if (index_fits(context, node, node->in[0], shape_extent(node->in[0]->shape).c))
    channels_shape(context, node);
}

static void run(const Eval *eval) {
  const Extent e = shape_extent(eval->node->in[0]->shape);
  for (int64_t p = 0; p < e.h * e.w; p++) {
    const double *x = eval->in[0] + p * e.c;
    int64_t best = 0;
    for (int64_t c = 1; c < e.c; c++)
      if (x[c] > x[best] || (isnan(x[c]) && !isnan(x[best]))) best = c;
    eval->out[p] = (double)best;
  }
}

/* In each lane: the largest value so far, and the index of its channel. */
typedef struct Best {
  Lower *l;
  Buf *value, *index;
} Best;

static Best best_new(Lower *l, const char *value, const char *index, int lanes) {
  return (Best){l, NEST_REGISTERS(l->b, value, lanes, 1), NEST_REGISTERS(l->b, index, lanes, 1)};
}

static void best_is(const Best *best, Val value, Val index) {
  Nest *b = best->l->b;
  nest_store(b, nest_at(b, best->value, 0), value);
  nest_store(b, nest_at(b, best->index, 0), index);
}

/* Keeps the larger value; NaN counts as the largest. If the new and the old value are equal, the old value is
 * kept, or with `ties` the value with the lower index. */
static void best_meet(const Best *best, Val value, Val index, bool ties) {
  Nest *b = best->l->b;
  Val x = nest_let(b, "x", value), at_ = nest_let(b, "at", index),
      old = nest_let(b, "old", nest_get(b, nest_at(b, best->value, 0))),
      place = nest_let(b, "place", nest_get(b, nest_at(b, best->index, 0)));
  Val lower = ties ? choose(less(at_, place), at_, place) : place;
  Val same = ties ? choose(equal(old, x), lower, place) : place;
  Val of_nan = choose(equal(old, old), at_, lower);
  best_is(best, choose(less(old, x), x, choose(equal(x, x), old, x)),
          choose(less(old, x), at_, choose(equal(x, x), same, of_nan)));
}

static Val channel_number(Lower *l, const Ix *c) { return convert(position(l->b, c), F32); }

static void best_of_lanes(const Best *best, const Ix *y, const Ix *x, int64_t count, int lanes) {
  Lower *l = best->l;
  Nest *b = l->b;
  const Ix zero = {0};
  float *number = NEW_ARRAY(l->arena, float, lanes);
  for (int i = 0; i < lanes; i++) number[i] = (float)i;
  Buf *table = lower_table(l, number, lanes);
  Best each = best_new(l, "most", "where", lanes);
  Val own = nest_let(b, "lane", nest_load(b, nest_at(b, table, 0), lanes));
  best_is(&each, walk_load(l, l->in[0], y, x, &zero, lanes, lanes), own);
  if (count > 1)
    NEST_FROM(b, v, 1, count) {
      const Ix c = v * lanes;
      best_meet(&each, walk_load(l, l->in[0], y, x, &c, lanes, lanes), add(own, channel_number(l, &c)),
                false);
    }
  Val most = nest_let(b, "all", nest_get(b, nest_at(b, each.value, 0))),
      where = nest_let(b, "places", nest_get(b, nest_at(b, each.index, 0)));
  best_is(best, lane_at(b, most, &zero), lane_at(b, where, &zero));
  for (int i = 1; i < lanes; i++)
    best_meet(best, lane_at(b, most, NEST_IX(i)), lane_at(b, where, NEST_IX(i)), true);
}

static Val best_channel(Lower *l, const Ix *y, const Ix *x, int64_t channels) {
  Nest *b = l->b;
  const Ix zero = {0};
  int lanes = l->plain ? 1 : l->target->lanes;
  while (lanes > channels / 2) lanes /= 2;
  if (lanes < 4) lanes = 1;
  const int64_t count = lanes > 1 ? channels / lanes : 0, from = larger(count * lanes, 1);
  const Best best = best_new(l, "best", "index", 1);
  if (count) best_of_lanes(&best, y, x, count, lanes);
  else best_is(&best, walk_load(l, l->in[0], y, x, &zero, 1, 1), num(b, 0));
  if (from < channels)
    NEST_FROM(b, c, from, channels)
      best_meet(&best, walk_load(l, l->in[0], y, x, &c, 1, 1), channel_number(l, &c), false);
  return nest_let(b, "largest", nest_get(b, nest_at(b, best.index, 0)));
}

static void lower(Lower *l) { channels_lower(l, best_channel); }

const Op op_argmax = {
    .name = "argmax",
    .group = "index",
    .summary = "index of the largest channel of each pixel: an image becomes HxWx1",
    .detail = "y = the first c with the largest x[c]; NaN counts as the largest number; no gradient passes",
    .params = params,
    .example = "conv(21, 1x1) -> argmax",
    .traits.keeps_spatial = true,
    .traits.stream = STREAM_ROWS,
    .traits.int8 = INT8_ARGMAX,
    .traits.indices = true,
    .shape = shape,
    .eval = run,
    .lower = lower,
};
