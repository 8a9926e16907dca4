/* walk.c: Loops over pixels and channels. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/walk.h"

enum { TOGETHER = 4 }; /* maximum number of independent sums, to hide the latency of additions */
enum {
  PARALLEL_WORK = 1 << 9
}; /* minimum number of operations per lane for which a second thread is faster, despite transfers between
      caches */

int walk_lanes(const Lower *l, int64_t channels) {
  int lanes = l->plain || channels == 1 ? 1 : l->target->lanes;
  while (lanes > 4 && lanes / 2 >= channels) lanes /= 2;
  return lanes;
}

LoopKind walk_rows(const Lower *l, int64_t work) {
  return !l->plain && l->batch == 0 && !l->call && work > PARALLEL_WORK * l->target->lanes ? PARALLEL
                                                                                           : SERIAL;
}

Buf *walk_row_scratch(Lower *l, const char *name, LoopKind kind, int64_t rows, int64_t channels) {
  const int64_t dim[] = {rows, channels};
  return kind == PARALLEL ? lower_scratch(l, name, 2, dim) : lower_scratch(l, name, 1, dim + 1);
}

static Ref walk_place(Lower *l, Buf *buf, const Ix *y, const Ix *x, const Ix *c) {
  Nest *b = l->b;
  return buf->rank == 1   ? nest_at(b, buf, *c)
         : buf->rank == 2 ? nest_at(b, buf, *y, *c)
                          : nest_at(b, buf, *y, *x, *c);
}

Val walk_load(Lower *l, Buf *buf, const Ix *y, const Ix *x, const Ix *c, int part, int lanes) {
  return nest_load_part(l->b, walk_place(l, buf, y, x, c), part, lanes);
}

void walk_put(Lower *l, Buf *buf, Val val, const Ix *y, const Ix *x, const Ix *c, int part, int lanes) {
  if (lanes > 1 && val->type.lanes == 1) val = splat(val, lanes);
  nest_store_part(l->b, walk_place(l, buf, y, x, c), val, part);
}

void walk_channels(Lower *l, int64_t channels, const Ix *y, const Ix *x, WalkBody body, const void *context) {
  Nest *b = l->b;
  const int lanes = walk_lanes(l, channels);
  const int64_t vectors = channels / lanes, rest = channels % lanes;
  if (vectors)
    NEST_FOR(b, v, vectors) {
      const Ix c = v * lanes;
      body(l, y, x, &c, lanes, lanes, context);
    }
  if (rest) {
    const Ix c = {0}, tail = c + vectors * lanes;
    body(l, y, x, &tail, (int)rest, walk_lanes(l, rest), context);
  }
}

void walk_pixels(Lower *l, Extent e, WalkBody body, const void *context) {
  Nest *b = l->b;
  const LoopKind kind = walk_rows(l, e.h * e.w * e.c);
  WALK_PIXELS(b, y, x, e, kind) walk_channels(l, e.c, &y, &x, body, context);
}

/* ---- columns ---- */
const Column *columns_enter(const Columns *set, bool more) {
  Column *column = NEW(set->l->arena, Column);
  const Ix u = *nest_loop(set->l->b, "u", UNROLLED, 1, NEST_IX(0), 1, NEST_IX(more ? 1 : set->full));
  column->v = more ? NEST_Z + set->full : u;
  column->c = more ? set->end : set->first + u * set->lanes;
  return column;
}

Val columns_load(const Columns *set, Buf *buf, const Ix *y, const Ix *x, const Ix *c) {
  return walk_load(set->l, buf, y, x, c, set->part, set->lanes);
}

void walk_columns(Lower *l, int64_t channels, int most, bool overlap, ColumnsBody body, const void *context) {
  Nest *b = l->b;
  const int lanes = walk_lanes(l, channels), part = (int)(channels < lanes ? channels : lanes);
  const int64_t full = channels / part, rest = channels % part;
  if (l->plain) most = 1;
  const int64_t groups = (full + most - 1) / most, count = (full + groups - 1) / groups;
  const bool more = overlap && rest, alike = !more && full % groups == 0;
  const int64_t loops = alike ? groups : groups - 1;
  const Ix zero = {0};
  Columns set = {.l = l, .full = (int)count, .part = part, .lanes = lanes};
  if (loops)
    NEST_FOR(b, g, loops) {
      set.first = g * (count * lanes);
      body(&set, context);
    }
  if (!alike) {
    set.first = zero + loops * count * lanes;
    set.end = zero + (channels - lanes);
    set.full = (int)(full - loops * count);
    set.more = more;
    body(&set, context);
  }
  if (rest && !overlap)
    body(
        &(Columns){
            .l = l, .first = zero + full * lanes, .full = 1, .part = (int)rest, .lanes = walk_lanes(l, rest)},
        context);
}

/* ---- sums over the pixels ---- */
typedef struct PixelSum {
  Extent e;
  WalkValue *value;
  const void *context;
} PixelSum;

static void sum_columns(const Columns *set, const void *context) {
  const PixelSum *of = context;
  Lower *l = set->l;
  Nest *b = l->b;
  const Ix zero = {0};
  Buf *sum = COLUMNS_REGISTERS(b, "sum", set);
  Val nothing = num(b, 0);
  COLUMNS_EACH(b, set, v, c) nest_store(b, nest_at(b, sum, *v), nothing);
  NEST_FOR(b, y, of->e.h)
    NEST_FOR(b, x, of->e.w)
      COLUMNS_EACH(b, set, v, c)
        nest_store(b, nest_at(b, sum, *v),
                   add(of->value(l, &y, &x, c, set->part, set->lanes, of->context),
                       nest_get(b, nest_at(b, sum, *v))));
  COLUMNS_EACH(b, set, v, c) {
    Val total = nest_get(b, nest_at(b, sum, *v));
    if (l->node->result == RESULT_SUM)
      walk_put(l, l->out, add(columns_load(set, l->out, &zero, &zero, c), total), &zero, &zero, c, set->part,
               set->lanes);
    else lower_store(l, total, &zero, &zero, c, set->part, set->lanes);
  }
}

void walk_sum_pixels(Lower *l, Extent e, WalkValue value, const void *context) {
  walk_columns(l, e.c, TOGETHER, false, sum_columns, &(PixelSum){e, value, context});
}

static void clear_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                       const void *context) {
  Buf *const *buf = context;
  walk_put(l, *buf, num(l->b, 0), y, x, c, part, lanes);
}

void walk_clear(Lower *l, Buf *buf, Extent e) { walk_pixels(l, e, clear_body, &buf); }

static void finish_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                        const void *context) {
  Buf *const *from = context;
  lower_store(l, walk_load(l, *from, y, x, c, part, lanes), y, x, c, part, lanes);
}

Buf *walk_sum_begin(Lower *l, Extent e) {
  return l->kernel->nchain ? lower_scratch(l, "sum", 3, (int64_t[]){e.h, e.w, e.c}) : l->out;
}

void walk_sum_end(Lower *l, Buf *sum, Extent e) {
  if (sum != l->out) walk_pixels(l, e, finish_body, &sum);
}

/* ---- rows ---- */
/* Number of lanes of the widest vector that has at most `channels` lanes; 1 if this number is less than 4,
 * and in reference schedules. */
static int whole_lanes(const Lower *l, int64_t channels) {
  int lanes = l->plain ? 1 : l->target->lanes;
  while (lanes > channels) lanes /= 2;
  return lanes < 4 ? 1 : lanes;
}

Val walk_row_max(Lower *l, Buf *buf, const Ix *y, const Ix *x, int64_t channels) {
  Nest *b = l->b;
  const int lanes = whole_lanes(l, channels);
  const int64_t vectors = channels / lanes, rest = channels % lanes;
  const Ix zero = {0},
           last = zero + (channels - lanes); /* the last vector may overlap the vector before it */
  Buf *most = NEST_REGISTERS(b, "most", lanes, 1);
  nest_store(b, nest_at(b, most, 0), walk_load(l, buf, y, x, &zero, lanes, lanes));
  if (vectors > 1)
    NEST_FROM(b, v, 1, vectors) {
      const Ix c = v * lanes;
      nest_store(b, nest_at(b, most, 0),
                 vmax(nest_get(b, nest_at(b, most, 0)), walk_load(l, buf, y, x, &c, lanes, lanes)));
    }
  if (rest)
    nest_store(b, nest_at(b, most, 0),
               vmax(nest_get(b, nest_at(b, most, 0)), walk_load(l, buf, y, x, &last, lanes, lanes)));
  return nest_let(b, "largest", hmax(nest_get(b, nest_at(b, most, 0))));
}

Val walk_row_sum(Lower *l, int64_t channels, const Ix *y, const Ix *x, WalkValue value, const void *context) {
  Nest *b = l->b;
  const int lanes = walk_lanes(l, channels);
  const int64_t vectors = channels / lanes, rest = channels % lanes;
  const Ix zero = {0}, tail = zero + vectors * lanes;
  Buf *sum = NEST_REGISTERS(b, "sum", lanes, 1);
  nest_store(b, nest_at(b, sum, 0), num(b, 0));
  if (vectors)
    NEST_FOR(b, v, vectors) {
      const Ix c = v * lanes;
      nest_store(b, nest_at(b, sum, 0),
                 add(nest_get(b, nest_at(b, sum, 0)), value(l, y, x, &c, lanes, lanes, context)));
    }
  if (rest)
    nest_store(b, nest_at(b, sum, 0),
               add(nest_get(b, nest_at(b, sum, 0)), value(l, y, x, &tail, (int)rest, lanes, context)));
  return nest_let(b, "total", hsum(nest_get(b, nest_at(b, sum, 0))));
}

/* ---- square matrices of vectors ---- */
void walk_interleave(int lanes, int low[LANES], int high[LANES]) {
  for (int i = 0; i < lanes; i++) {
    low[i] = i / 2 + i % 2 * lanes;
    high[i] = low[i] + lanes / 2;
  }
}

/* Transposes a square matrix of `lanes` vectors: interleaves vector n with vector n + lanes/2 for each n <
 * lanes/2, log2(lanes) times. */
void walk_transpose(Nest *b, Val x[LANES], int lanes) {
  Val y[LANES];
  int low[LANES], high[LANES];
  walk_interleave(lanes, low, high);
  for (int step = 1; step < lanes; step *= 2) {
    for (int n = 0; n < lanes / 2; n++) {
      y[2 * n] = nest_let(b, nest_text(b, "x%d", 2 * n), shuffle(x[n], x[n + lanes / 2], lanes, low));
      y[2 * n + 1] =
          nest_let(b, nest_text(b, "x%d", 2 * n + 1), shuffle(x[n], x[n + lanes / 2], lanes, high));
    }
    for (int n = 0; n < lanes; n++) x[n] = y[n];
  }
}
