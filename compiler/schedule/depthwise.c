// depthwise.c: depthwise convolution and its gradients: vectors run over the channels.
// SPDX-License-Identifier: Apache-2.0
//
// A tile of a few pixels of a row times one vector of channels stays in registers; the inputs that
// neighbouring pixels share are loaded once, and all taps are unrolled. Rows at the top and bottom edge loop
// over the rows of taps that are inside, and single pixels at the left and right one over the columns, too,
// if there are more than three: that code is a fraction of what the tests of unrolled taps would be, and as
// fast. With a multiplier above 1 the channels of a group are convolved directly (conv_direct.c).
#include "base/number.h"
#include "ops/engine/walk.h"
#include "schedule/direct.h"

enum { MOST_PHASES = 9, MOST_UNROLLED = 9, SUMS_APART = 4 };

typedef struct Depthwise {
  Lower *l;
  Correlation k;
  int lanes;
  Buf *w, *bias; /* [ky][kx][channel], [channel], padded to whole vectors */
} Depthwise;

static bool one_to_one(const Correlation *k) { return k->l == 1 && k->s == 1; }

static Depthwise begin(Lower *l, bool spread) {
  Depthwise d = {.l = l, .k = correlation_of(l->node)};
  const Correlation *k = &d.k;
  const int64_t unit = direct_unit(l, k->groups), padded = (k->groups + unit - 1) / unit * unit;
  d.lanes = l->target->lanes < unit ? l->target->lanes : (int)unit;
  Pack *pack = lower_pack(l, "weight", 3, (int64_t[]){k->kernel[0], k->kernel[1], padded});
  Nest *b = pack->nest;
  NEST_FOR(b, ky, k->kernel[0])
    NEST_FOR(b, kx, k->kernel[1]) {
      NEST_FOR(b, c, k->groups) {
        Ix index[4];
        const Ix none = {0};
        const int rank = correlation_weight_index(k, index, &c, &none, &ky, &kx);
        nest_store(b, nest_at(b, pack->out, ky, kx, c), lower_packed_weight(l, pack, rank, index, &c, &c));
      }
      if (padded > k->groups)
        NEST_FROM(b, c, k->groups, padded) nest_store(b, nest_at(b, pack->out, ky, kx, c), num(b, 0));
    }
  d.w = lower_pack_done(l, pack);
  d.bias = correlation_bias(l, k, spread, padded);
  return d;
}

/* ---- a tile of pixels, all channels ---- */
typedef struct Tile {
  const Depthwise *d;
  const Axis *y, *x;
  int pixels;
  bool edge; /* a pixel with columns of taps outside */
} Tile;
typedef struct TileArgs {
  Ix y, x0, top;
} TileArgs; /* top: the row is at the top or bottom edge */
typedef struct Channels {
  const Ix *c;
  int part, lanes;
} Channels; /* of a vector: the first one, how many are real, of how many */

static Val input_at(Nest *b, const Depthwise *d, const Ix *y, const Ix *x, const Channels *v) {
  const Ref ref = nest_at(b, d->l->in[0], *y, *x, *v->c);
  return v->part < v->lanes ? nest_load_part(b, ref, v->part, v->lanes) : nest_load(b, ref, v->lanes);
}

static LoopKind taps_kind(const Axis *axis) { return axis->taps <= MOST_UNROLLED ? UNROLLED : SERIAL; }

/* A tap of all pixels of the tile. */
static void tap(Nest *b, const Tile *t, const TileArgs *a, Buf *acc, const Channels *v, const Ix *iy,
                const Ix *ky, const Ix *tx) {
  const Depthwise *d = t->d;
  const Axis *x = t->x;
  const Ix kx = x->tap_first + *tx * x->tap_stride;
  Val w = nest_let(b, "w", nest_load(b, nest_at(b, d->w, *ky, kx, *v->c), v->lanes));
  NEST_UNROLL(b, p, t->pixels) {
    const Ix ix = x->in_first + (a->x0 + p) * x->in_step + *tx * x->tap_step;
    nest_accumulate(b, nest_at(b, acc, p), input_at(b, d, iy, &ix, v), w);
  }
}

/* Of a row, at the left or right edge. Three are faster unrolled: the whole of MobileNetV2 by a twentieth. */
static const Ix *edge_taps(Nest *b, const Axis *x, const Ix *x0) {
  enum { FEW = 3 };
  return x->taps > FEW ? axis_taps(b, "tx", x, x0)
                       : nest_loop(b, "tx", UNROLLED, 1, NEST_IX(0), 1, NEST_IX(x->taps));
}

static void row_of_taps(Nest *b, const Tile *t, const TileArgs *a, Buf *acc, const Channels *v,
                        const Ix *ty) {
  const Axis *y = t->y, *x = t->x;
  const Ix iy = y->in_first + a->y * y->in_step + *ty * y->tap_step, ky = y->tap_first + *ty * y->tap_stride;
  if (!t->edge) {
    NEST_LOOP(b, tx, taps_kind(x), 1, NEST_IX(0), 1, NEST_IX(x->taps)) tap(b, t, a, acc, v, &iy, &ky, &tx);
    return;
  }
  for (const Ix tx = *edge_taps(b, x, &a->x0); nest_enter(b);)
    NEST_IF(b, nest_within(b, x->in_first + a->x0 * x->in_step + tx * x->tap_step, 0, x->in_size))
      tap(b, t, a, acc, v, &iy, &ky, &tx);
}

static void tile_vector(Nest *b, const Tile *t, const TileArgs *a, const Channels *v) {
  const Depthwise *d = t->d;
  const Axis *y = t->y, *x = t->x;
  Buf *acc = NEST_REGISTERS(b, "a", v->lanes, t->pixels);
  Val start = d->bias ? nest_let(b, "bias", nest_load(b, nest_at(b, d->bias, *v->c), v->lanes)) : num(b, 0);
  NEST_UNROLL(b, p, t->pixels) nest_store(b, nest_at(b, acc, p), start);
  if (y->taps && x->taps) {
    NEST_IF(b, nest_no(b, a->top))
      NEST_LOOP(b, ty, taps_kind(y), 1, NEST_IX(0), 1, NEST_IX(y->taps)) row_of_taps(b, t, a, acc, v, &ty);
    NEST_ELSE(b)
      for (const Ix ty = *axis_taps(b, "ty", y, &a->y); nest_enter(b);)
        NEST_IF(b, nest_within(b, y->in_first + a->y * y->in_step + ty * y->tap_step, 0, y->in_size))
          row_of_taps(b, t, a, acc, v, &ty);
  }
  const Ix oy = y->out_first + a->y * y->out_step;
  Buf *sum =
      acc; /* the sums: where what follows takes tens of instructions, for a loop that is not unrolled */
  const bool loop = t->pixels > 1 && lower_costly(d->l, nest_get(b, nest_at(b, acc, 0)));
  if (loop) {
    sum = NEST_REGISTERS(b, "sum", v->lanes, t->pixels);
    NEST_UNROLL(b, p, t->pixels) nest_store(b, nest_at(b, sum, p), nest_get(b, nest_at(b, acc, p)));
  }
  NEST_LOOP(b, p, loop ? SERIAL : UNROLLED, 1, NEST_IX(0), 1, NEST_IX(t->pixels)) {
    const Ix ox = x->out_first + (a->x0 + p) * x->out_step;
    lower_store(d->l, nest_get(b, nest_at(b, sum, p)), &oy, &ox, v->c, v->part, v->lanes);
  }
}

/* The rest of the channels goes by narrower vectors, of which only the last one may have lanes to spare. */
static int narrower(int lanes) { return lanes > 4 ? lanes / 2 : lanes; }
static int part_of(int64_t rest, int lanes) { /* of the lanes of the next vector; 0: narrower ones do it */
  return rest >= lanes || lanes <= 4 ? (int)smaller(rest, lanes) : 0;
}

static NestFn *tile_function(const Tile *t, const char *phase) {
  const Depthwise *d = t->d;
  Nest *b = d->l->b;
  NestFn *fn = nest_fn(b, nest_text(b, "%stile_%d", phase, t->pixels), true);
  TileArgs a = {.y = nest_arg(b, "y")};
  a.x0 = nest_arg(b, "x0");
  a.top = nest_flag(b, "top");
  const int64_t vectors = d->k.groups / d->lanes;
  if (vectors)
    NEST_FOR(b, v, vectors) tile_vector(b, t, &a, &(Channels){NEST_IX(v * d->lanes), d->lanes, d->lanes});
  int64_t c = vectors * d->lanes;
  for (int lanes = d->lanes; c < d->k.groups; lanes = narrower(lanes)) {
    const int part = part_of(d->k.groups - c, lanes);
    if (part) tile_vector(b, t, &a, &(Channels){NEST_IX(c), part, lanes});
    c += part;
  }
  return fn;
}

/* ---- rows ---- */
/* The mean of a row that has just been stored, and is in the first caches: whoever makes the row, the sum is
 * in one order. Several sums, which need not wait for each other. */
static void mean_of_row(Lower *l, const Ix *y, const Ix *zero, const Ix *c, int part, int lanes,
                        const void *context) {
  const int64_t width = *(const int64_t *)context, rounds = width / SUMS_APART;
  Nest *b = l->b;
  Buf *sum = NEST_REGISTERS(b, "sum", lanes, SUMS_APART);
  NEST_UNROLL(b, i, SUMS_APART) nest_store(b, nest_at(b, sum, i), num(b, 0));
  if (rounds)
    NEST_FOR(b, x, rounds)
      NEST_UNROLL(b, i, SUMS_APART) {
        Val value = walk_load(l, l->out, y, NEST_IX(x * SUMS_APART + i), c, part, lanes);
        nest_store(b, nest_at(b, sum, i), add(nest_get(b, nest_at(b, sum, i)), value));
      }
  for (int64_t x = rounds * SUMS_APART; x < width; x++) {
    Val value = walk_load(l, l->out, y, NEST_IX(x), c, part, lanes);
    nest_store(b, nest_at(b, sum, x % SUMS_APART), add(nest_get(b, nest_at(b, sum, x % SUMS_APART)), value));
  }
  Val total = nest_get(b, nest_at(b, sum, 0));
  for (int i = 1; i < SUMS_APART; i++) total = add(total, nest_get(b, nest_at(b, sum, i)));
  walk_put(l, l->means, mul(total, num(b, 1.0 / (double)width)), y, zero, c, part, lanes);
}

static NestFn *row_function(const Depthwise *d, const Axis *y, const Axis *x, const char *phase) {
  Nest *b = d->l->b;
  Tile t = {.d = d, .y = y, .x = x};
  int64_t from, to;
  axis_inside(x, &from, &to);
  const int64_t most = d->l->target->blocking.depthwise_pixels, inside = to - from,
                tiles = (inside + most - 1) / most;
  const int64_t pixels = tiles ? (inside + tiles - 1) / tiles : 1, whole = inside / pixels,
                rest = inside % pixels;
  NestFn *body = NULL, *last = NULL, *edge = NULL;
  if (whole) {
    t.pixels = (int)pixels;
    body = tile_function(&t, phase);
  }
  if (rest) {
    t.pixels = (int)rest;
    last = tile_function(&t, nest_text(b, "%slast_", phase));
  }
  if (from > 0 || to < x->count) {
    t.pixels = 1;
    t.edge = true;
    edge = tile_function(&t, nest_text(b, "%sedge_", phase));
  }
  NestFn *fn = nest_fn(b, nest_text(b, "%srow", phase), false);
  const Ix y_ = nest_arg(b, "y"), top = nest_flag(b, "top");
  if (from > 0)
    NEST_FOR(b, i, from) nest_call(b, edge, y_, i, top);
  if (whole == 1) nest_call(b, body, y_, from, top);
  else if (whole)
    NEST_FOR(b, i, whole) nest_call(b, body, y_, from + i * pixels, top);
  if (rest) nest_call(b, last, y_, from + whole * pixels, top);
  if (to < x->count)
    NEST_FROM(b, i, to, x->count) nest_call(b, edge, y_, i, top);
  if (d->l->means)
    walk_channels(d->l, d->k.groups, NEST_IX(y->out_first + y_ * y->out_step), NEST_IX(0), mean_of_row,
                  &d->k.small.w);
  return fn;
}

static void rows(const Depthwise *d, const Axis *y, NestFn *row) {
  Nest *b = d->l->b;
  int64_t from, to;
  axis_inside(y, &from, &to);
  if (from > 0)
    NEST_FOR(b, y_, from) nest_call(b, row, y_, 1);
  if (to > from)
    NEST_LOOP(b, y_, schedule_outer(d->l, correlation_macs(&d->k)), 1, NEST_IX(from), 1, NEST_IX(to))
      nest_call(b, row, y_, 0);
  if (to < y->count)
    NEST_FROM(b, y_, to, y->count) nest_call(b, row, y_, 1);
}

bool schedule_depthwise(Lower *l) {
  const Correlation k = correlation_of(l->node);
  if (!one_to_one(&k)) return schedule_conv(l);
  const Depthwise d = begin(l, false);
  const Axis y = axis_gathered(&d.k, 0), x = axis_gathered(&d.k, 1);
  NestFn *row = row_function(&d, &y, &x, "");
  nest_fn(l->b, l->b->name, false);
  rows(&d, &y, row);
  lower_about(l, "tiles of pixels x a vector of %d channels", d.lanes);
  return true;
}

bool schedule_depthwise_scatter(Lower *l) {
  const Correlation k = correlation_of(l->node);
  const int64_t sy = k.stride[0], sx = k.stride[1];
  if (!one_to_one(&k)) return schedule_conv_scatter(l);
  if (sy * sx > MOST_PHASES) return false;
  const Depthwise d = begin(l, true);
  Nest *b = l->b;
  Axis y[MOST_PHASES], x[MOST_PHASES];
  NestFn *row[MOST_PHASES] = {NULL};
  for (int64_t r = 0; r < sy * sx; r++) {
    y[r] = axis_phase(&k, 0, r / sx);
    x[r] = axis_phase(&k, 1, r % sx);
    if (y[r].count && x[r].count)
      row[r] = row_function(&d, &y[r], &x[r], sy * sx > 1 ? nest_text(b, "phase%d_", (int)r) : "");
  }
  nest_fn(b, b->name, false);
  if (sy * sx > 1) direct_fill(l, NULL, d.lanes);
  for (int64_t r = 0; r < sy * sx; r++)
    if (row[r]) rows(&d, &y[r], row[r]);
  lower_about(l, "%d phases in tiles of pixels x a vector of %d channels", (int)(sy * sx), d.lanes);
  return true;
}

/* ---- dw[c][0][ky][kx] += sum over y, x of dy[y][x][c] * in[y*S + ky*D - P][x*S + kx*D - P][c] ---- */
/* Columns from .. to-1 of row y: vectors of channels by the taps first .. first+count-1 of row ky. */
static void add_columns(Nest *b, const Lower *l, const Correlation *k, Buf *acc, int lanes, int part,
                        int vectors, const Ix *y, const Ix *ky, const Ix *c, TapRun run) {
  const Ix iy = *y * k->stride[0] + *ky * k->dilation[0] - k->before[0];
  if (run.from < run.to)
    NEST_FROM(b, x, run.from, run.to)
      for (int v = 0; v < vectors; v++) {
        const Ref dy = nest_at(b, l->in[1], *y, x, *c + v * lanes);
        Val d = nest_let(b, nest_text(b, "d%d", v),
                         part < lanes ? nest_load_part(b, dy, part, lanes) : nest_load(b, dy, lanes));
        for (int64_t kx = run.first; kx < run.first + run.count; kx++) {
          const Ref in =
              nest_at(b, l->in[0], iy, x * k->stride[1] + kx * k->dilation[1] - k->before[1], *c + v * lanes);
          nest_accumulate(b, nest_at(b, acc, v, kx),
                          part < lanes ? nest_load_part(b, in, part, lanes) : nest_load(b, in, lanes), d);
        }
      }
}

static void add_channels(Nest *b, const Lower *l, const Correlation *k, const TapRun *column, int ncolumns,
                         const Ix *c, int lanes, int part, int vectors) {
  TapRun common = {0, k->kernel[1], 0, k->small.w}; /* where all taps of a row are inside */
  int64_t inside = 0;
  for (int i = 0; i < ncolumns; i++) {
    common.from = column[i].from > common.from ? column[i].from : common.from;
    common.to = column[i].to < common.to ? column[i].to : common.to;
    inside += column[i].count;
  }
  if (inside < k->kernel[1] || common.from >= common.to) common.from = common.to = k->small.w;
  NEST_FOR(b, ky, k->kernel[0]) {
    Buf *acc = NEST_REGISTERS(b, "a", lanes, vectors, k->kernel[1]);
    for (int v = 0; v < vectors; v++)
      NEST_UNROLL(b, kx, k->kernel[1]) nest_store(b, nest_at(b, acc, v, kx), num(b, 0));
    NEST_FOR(b, y, k->small.h)
      NEST_IF(b, nest_within(b, y * k->stride[0] + ky * k->dilation[0] - k->before[0], 0, k->large.h)) {
        add_columns(b, l, k, acc, lanes, part, vectors, &y, &ky, c, common);
        for (int i = 0; i < ncolumns; i++) { /* what single taps see beyond that */
          TapRun before = column[i], behind = column[i];
          before.to = before.to < common.from ? before.to : common.from;
          behind.from = behind.from > common.to ? behind.from : common.to;
          add_columns(b, l, k, acc, lanes, part, vectors, &y, &ky, c, before);
          add_columns(b, l, k, acc, lanes, part, vectors, &y, &ky, c, behind);
        }
      }
    for (int v = 0; v < vectors; v++)
      NEST_UNROLL(b, kx, k->kernel[1]) {
        Val sum = nest_let(b, "sum", nest_get(b, nest_at(b, acc, v, kx)));
        for (int lane = 0; lane < part; lane++) {
          Ix index[4];
          const Ix none = {0}, channel = *c + v * lanes + lane;
          const Ref ref =
              nest_ref(b, l->out, correlation_weight_index(k, index, &channel, &none, &ky, &kx), index);
          nest_store(b, ref, add(lanes > 1 ? lane_at(b, sum, NEST_IX(lane)) : sum, nest_load(b, ref, 1)));
        }
      }
  }
}

bool schedule_depthwise_weights(Lower *l) {
  const Correlation k = correlation_of(l->node);
  if (!one_to_one(&k)) return schedule_conv_weights(l);
  TapRun column[MOST_TAP_RUNS];
  const int ncolumns = axis_runs(&k, 1, column);
  if (ncolumns < 0 || k.kernel[1] > MOST_UNROLLED) return false;
  Nest *b = l->b;
  int lanes = l->target->lanes;
  while (lanes > 4 && lanes / 2 >= k.groups) lanes /= 2;
  const int64_t pairs = k.groups / (2 * lanes);
  nest_fn(b, b->name, false);
  if (pairs)
    NEST_FOR(b, c, pairs) add_channels(b, l, &k, column, ncolumns, NEST_IX(c * 2 * lanes), lanes, lanes, 2);
  int64_t c = pairs * 2 * lanes;
  for (int narrow = lanes; c < k.groups; narrow = narrower(narrow)) {
    const int part = part_of(k.groups - c, narrow);
    if (part) add_channels(b, l, &k, column, ncolumns, NEST_IX(c), narrow, part, 1);
    c += part;
  }
  lower_about(l, "the taps of a row x vectors of %d channels", lanes);
  return true;
}
