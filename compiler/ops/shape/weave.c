/* weave.c: Transposes channels as a matrix, in vectors. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/shape/weave.h"
#include "kernel/walk.h"

enum { MOST_WAYS = 8 }; /* with more `ways`, copies of single elements are as fast as assembled vectors */

static int lanes_for(const Lower *l, int64_t n) { /* lanes of the widest vector that n elements fill, or 1 */
  int lanes = walk_lanes(l, n);
  while (lanes > n) lanes /= 2;
  return lanes < 4 ? 1 : lanes;
}

bool weave_fits(const Lower *l, int64_t ways, int64_t n) {
  return ways <= MOST_WAYS && ways <= lanes_for(l, n) && lanes_for(l, n) > 1;
}

static Val load(Lower *l, const Spot *from, const Ix *c, int part, int lanes) {
  return walk_load(l, l->in[0], &from->y, &from->x, c, part, lanes);
}
static void store(Lower *l, Val val, const Spot *to, const Ix *c, int lanes) {
  lower_store(l, val, &to->y, &to->x, c, lanes, lanes);
}

/* A vector whose element t is element place[t] of n consecutive vectors. */
static Val picked(const Val *from, int n, int lanes, const int *place) {
  Val all = NULL;
  int lane[LANES];
  for (int v = 0; v < n; v++) {
    bool some = false;
    for (int t = 0; t < lanes; t++) some |= place[t] / lanes == v;
    if (!some) continue;
    const bool pair = !all && v + 1 < n; /* one shuffle reads the first two vectors */
    for (int t = 0; t < lanes; t++) {
      const int ahead = place[t] - v * lanes;
      if (!all) lane[t] = ahead >= 0 && ahead < (pair ? 2 : 1) * lanes ? ahead : 0;
      else lane[t] = ahead >= 0 && ahead < lanes ? lanes + ahead : t;
    }
    all = all ? shuffle(all, from[v], lanes, lane) : shuffle(from[v], from[pair ? v + 1 : v], lanes, lane);
    if (pair) v++;
  }
  return all;
}

static void vectors_together(Lower *l, int ways, int64_t vectors, int lanes, const Spot *from,
                             const Spot *to) {
  Nest *b = l->b;
  NEST_FOR(b, v, vectors) {
    Val x[MOST_WAYS];
    for (int w = 0; w < ways; w++) {
      const Ix c = from[w].c + v * lanes;
      x[w] = nest_let(b, nest_text(b, "x%d", w), load(l, &from[w], &c, lanes, lanes));
    }
    for (int m = 0; m < ways; m++) {
      int place[LANES];
      for (int t = 0; t < lanes; t++) place[t] = (m * lanes + t) % ways * lanes + (m * lanes + t) / ways;
      const Ix c = to->c + (v * ways + m) * lanes;
      store(l, picked(x, ways, lanes, place), to, &c, lanes);
    }
  }
}

void weave_together(Lower *l, int64_t ways, int64_t n, const Spot *from, const Spot *to) {
  Nest *b = l->b;
  const int lanes = lanes_for(l, n);
  const int64_t vectors = n / lanes;
  vectors_together(l, (int)ways, vectors, lanes, from, to);
  if (vectors * lanes < n)
    NEST_FROM(b, c, vectors * lanes, n)
      for (int64_t w = 0; w < ways; w++) {
        const Ix fc = from[w].c + c, tc = to->c + c * ways + w;
        store(l, load(l, &from[w], &fc, 1, 1), to, &tc, 1);
      }
}

static void vectors_apart(Lower *l, int ways, int64_t vectors, int lanes, const Spot *from, const Spot *to) {
  Nest *b = l->b;
  NEST_FOR(b, v, vectors) {
    Val x[MOST_WAYS];
    for (int m = 0; m < ways; m++) {
      const Ix c = from->c + (v * ways + m) * lanes;
      x[m] = nest_let(b, nest_text(b, "x%d", m), load(l, from, &c, lanes, lanes));
    }
    for (int w = 0; w < ways; w++) {
      int place[LANES];
      for (int t = 0; t < lanes; t++) place[t] = t * ways + w;
      const Ix c = to[w].c + v * lanes;
      store(l, picked(x, ways, lanes, place), &to[w], &c, lanes);
    }
  }
}

void weave_apart(Lower *l, int64_t ways, int64_t n, const Spot *from, const Spot *to) {
  Nest *b = l->b;
  const int lanes = lanes_for(l, n);
  const int64_t vectors = n / lanes;
  vectors_apart(l, (int)ways, vectors, lanes, from, to);
  for (int64_t w = 0; w < ways && vectors * lanes < n; w++)
    NEST_FROM(b, c, vectors * lanes, n) {
      const Ix fc = from->c + c * ways + w, tc = to[w].c + c;
      store(l, load(l, from, &fc, 1, 1), &to[w], &tc, 1);
    }
}

typedef struct Way {
  const Spot *from, *to;
} Way;

static void copy_woven_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                            const void *context) {
  const Way *way = context;
  const Ix fc = way->from->c + *c, tc = way->to->c + *c;
  (void)y;
  (void)x;
  lower_store(l, load(l, way->from, &fc, part, lanes), &way->to->y, &way->to->x, &tc, part, lanes);
}

void weave_copy(Lower *l, int64_t n, const Spot *from, const Spot *to) {
  walk_channels(l, n, NULL, NULL, copy_woven_body, &(Way){from, to});
}
