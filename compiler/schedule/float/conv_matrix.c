// conv_matrix.c: Direct convolution of bf16 numbers in tile registers (AMX), each of which holds 16 rows of
// 32 numbers.
// SPDX-License-Identifier: Apache-2.0
//
// A tile is a part of the map (matrix.h) times one or two vectors of channels. Its sums stay in registers for
// all taps and input channels; then they are stored, and the epilogue reads them from memory. If there is
// padding, windows read a padded copy of the input. Weights are packed as words of two input channels, as in
// conv_direct.c. The right operand of an instruction has the words of up to 16 pairs of input channels for
// one vector of output channels. With few input channels, the words of all taps of a row are contiguous, both
// in the copy and in the weights.
//
// The tiles are divided into sets, and each set has its own functions. In a transposed convolution with a
// stride, each phase is a set. In other convolutions, there can be several sets if many taps are outside the
// input, as with large dilations. A set then has the tiles for which the same taps are inside.
//
// Example: `x: 14x14x64 -> conv(32, 3x3, pad=same)` --target=x86-64-v4-amx --precision=bf16,
// lines 3-12 of conv1_tile_amx:
//
//     _Alignas(64) float sums[28][32];
//     n_tile_clear_x16_amx(4);
//     for (int ib = 0; ib < 2; ib++) {
//       for (int ky = 0; ky < 3; ky++)
//         for (int kx = 0; kx < 3; kx++)
//           n_tile_add_x16_amx(&padded[ib][y + ky][kx][0], 64, 1024, 2, &weight[ib][ky][kx][0][0], 1 ...
//       n_tile_awake_x16_amx(&sums[0][0]);
//     }
//     n_tile_store_x16_amx(&sums[0][0], 128, 1792, 2, 1);
//     const v16 bias0 = LOAD(v16, bias[0]);
#include "base/number.h"
#include "kernel/walk.h"
#include "schedule/float/direct.h"
#include "schedule/matrix.h"

enum { MOST_POOLED = 4, MOST_VECTORS = 2, MOST_SETS = 24 };

/* Tiles with the same taps. y, x: the inputs and outputs along each axis; map: the division of the sums into
 * tiles. */
typedef struct TileSet {
  Axis y, x;
  MatrixMap map;
} TileSet;

typedef struct Matrix {
  Direct *d;
  int nsets;
  TileSet set[MOST_SETS];
  bool by_rows;
  /* number of passes over a panel of weights, each of which prefetches a share of the next panel; 0: no
   * prefetch */
  int passes;
} Matrix;

/* ---- sets of tiles ---- */
/* `count` tiles of a span, from tile `first` on. In these tiles, only taps t with from <= t < to can be
 * inside the input. */
typedef struct TapSpan {
  int span;
  int64_t first, count, from, to;
} TapSpan;

/* Sets t->from and t->to for the n sums from `first` on. The range has at least one tap, even if no tap is
 * inside the input. */
static void taps_of_sums(const Axis *a, int64_t first, int64_t n, TapSpan *t) {
  const int64_t begin = a->in_first + first * a->part_step, end = begin + (n - 1) * a->part_step;
  t->from = larger(smaller(ceil_divide(-end, a->tap_step), a->taps - 1), 0);
  t->to = smaller(larger(floor_divide(a->in_size - 1 - begin, a->tap_step) + 1, t->from + 1), a->taps);
}

/* Divides the tiles of two spans into TapSpans. n: number of sums of a tile along the axis; 0: this number is
 * MatrixSpan.blocks. Returns the number of TapSpans, or 0 if there are too many. */
static int tap_spans(const Axis *a, const MatrixSpan span[2], int64_t n, TapSpan to[MOST_SETS]) {
  int count = 0;
  for (int s = 0; s < 2; s++)
    for (int64_t i = 0; i < span[s].count; i++) {
      TapSpan t = {.span = s, .first = i, .count = 1};
      taps_of_sums(a, span[s].first + i * span[s].step, n ? n : span[s].blocks, &t);
      TapSpan *last = count ? &to[count - 1] : NULL;
      if (last && last->span == s && last->from == t.from && last->to == t.to) last->count++;
      else if (count == MOST_SETS) return 0;
      else to[count++] = t;
    }
  return count;
}

static int64_t spanned_taps(const TapSpan *t, int n) {
  int64_t sum = 0;
  for (int i = 0; i < n; i++) sum += t[i].count * (t[i].to - t[i].from);
  return sum;
}

static void narrow_axis(Axis *a, const TapSpan *t, MatrixSpan span[2]) {
  a->in_first += t->from * a->tap_step;
  a->tap_first += t->from * a->tap_stride;
  a->taps = t->to - t->from;
  span[!t->span].count = 0;
  span[t->span].first += t->first * span[t->span].step;
  span[t->span].count = t->count;
}

/* Divides a set into sets of tiles with the same taps, if this is possible and avoids at least a tenth of the
 * products. Returns the number of sets. */
static int sets_by_taps(const TileSet *whole, bool merged, TileSet set[MOST_SETS]) {
  TapSpan rows[MOST_SETS], columns[MOST_SETS];
  const MatrixMap *map = &whole->map;
  set[0] = *whole;
  if (map->pitch || matrix_is_row(map)) return 1;
  const int nrows = tap_spans(&whole->y, map->outer, 0, rows),
            ncolumns = tap_spans(&whole->x, map->inner, map->columns, columns);
  if (!nrows || !ncolumns || nrows * ncolumns > MOST_SETS) return 1;
  if (merged)
    for (int i = 0; i < ncolumns; i++) columns[i].from = 0, columns[i].to = whole->x.taps;
  const int64_t tiles =
                    (map->outer[0].count + map->outer[1].count) * (map->inner[0].count + map->inner[1].count),
                all = tiles * whole->y.taps * whole->x.taps,
                inside = spanned_taps(rows, nrows) * spanned_taps(columns, ncolumns);
  if (10 * inside > 9 * all) return 1;
  int n = 0;
  for (int i = 0; i < nrows; i++)
    for (int j = 0; j < ncolumns; j++) {
      set[n] = *whole;
      narrow_axis(&set[n].y, &rows[i], set[n].map.outer);
      narrow_axis(&set[n].x, &columns[j], set[n].map.inner);
      n++;
    }
  return n;
}

/* Creates the sets of tiles, and returns the number of sets. A scatter with a stride has one set per phase.
 * In other cases, the tiles are one set or are divided by taps. */
static int tile_sets(const Lower *l, TileSet set[MOST_SETS]) {
  const Correlation own = correlation_of(l->node), k = correlation_gathering(l->node);
  if (!correlation_spreads(l->node)) {
    const TileSet whole = {axis_pooled(&k, 0, l->kernel->pool), axis_pooled(&k, 1, l->kernel->pool),
                           direct_matrix_map(l, &k)};
    return sets_by_taps(&whole, direct_merges(l, &k), set);
  }
  int n = 0;
  const MatrixMap map = direct_matrix_map(l, &k); /* all phases have this map */
  for (int64_t y = 0; y < own.stride[0]; y++)
    for (int64_t x = 0; x < own.stride[1]; x++)
      set[n++] = (TileSet){axis_phase(&own, 0, y), axis_phase(&own, 1, x), map};
  const TileSet whole = set[0];
  return no_stride(&own) ? sets_by_taps(&whole, false, set) : n;
}

double direct_matrix_products(const Lower *l) {
  const Correlation k = correlation_gathering(l->node);
  const bool merged = direct_merges(l, &k);
  const int64_t run = direct_run_of(l, &k);
  TileSet set[MOST_SETS];
  const int n = tile_sets(l, set);
  double cycles = 0;
  for (int i = 0; i < n; i++)
    cycles += matrix_cycles(&set[i].map, k.s,
                            set[i].y.taps * (merged ? 1 : set[i].x.taps) * (run / matrix_step(run)));
  return (double)k.groups * cycles;
}

/* ---- the input ---- */
/* A correlation whose windows include all inputs that the sets read. For a gather, the stride is the stride
 * of the layer; for a scatter, the stride is 1. */
static Correlation window_of_sets(const Matrix *m) {
  Correlation k = correlation_gathering(m->d->l->node);
  const Correlation own = correlation_of(m->d->l->node);
  if (no_stride(&own) || !correlation_spreads(m->d->l->node)) return k;
  for (int axis = 0; axis < 2; axis++) {
    int64_t first = 0, end = 0, count = 0;
    for (int i = 0; i < m->nsets; i++) {
      const Axis *a = axis ? &m->set[i].x : &m->set[i].y;
      first = smaller(first, a->in_first);
      end = larger(end, a->in_first + a->count + (a->taps - 1) * a->tap_step);
      count = a->count;
    }
    k.stride[axis] = 1;
    k.before[axis] = -first;
    k.kernel[axis] = end - first - count + 1;
    *(axis ? &k.small.w : &k.small.h) = count;
  }
  return k;
}

static bool has_padding(const Correlation *k) {
  for (int axis = 0; axis < 2; axis++)
    if (k->before[axis] ||
        (extent_side(k->small, axis) - 1) * k->stride[axis] + (k->kernel[axis] - 1) * k->dilation[axis] + 1 >
            extent_side(k->large, axis))
      return true;
  return false;
}

/* Whether the copy has a plane for each block of channels of each group. The pixels of a plane are adjacent.
 * So a tile reads fewer cache lines, and few of these lines map to the same cache set. */
static bool has_planes(const Direct *d) {
  const int64_t blocks = d->inner * d->k.groups;
  return !d->merged && blocks > 1 && blocks * d->block == d->k.large.c;
}

/* ---- a tile ---- */
typedef struct MatrixTile { /* describes a panel's whole tiles, or the tile of its remaining channels */
  const Matrix *m;
  const TileSet *set;
  const Panels *panels;
  int vectors, part; /* part: number of lanes in use in the last vector */
} MatrixTile;

/* Arguments of a tile. y, x: the first output; channels: index of the first pair of input channels or, if the
 * copy has planes, index of the plane; f0: the first output channel; h: the position of channel f0 in the
 * panel. */
typedef struct MatrixArgs {
  Ix y, x, panel, channels, f0, h;
} MatrixArgs;

/* Number of times that a tile reads its panel: once per group of blocks whose sums fit in the registers. */
static int64_t groups_of_sums(const MatrixMap *m) { return ceil_divide(m->blocks, MATRIX_SUMS / m->vectors); }

/* Number of cache lines of the next panel that a tile prefetches per step. For each output channel of the
 * current panel, a step reads matrix_step words (at most 16). */
static int64_t lines_ahead(const MatrixTile *t) {
  const int64_t line = t->m->d->l->target->line, words = matrix_step(direct_run(t->m->d));
  return ceil_divide(words * WORD_BYTES * t->panels->width / line, t->m->passes);
}

static void fetch_panel_ahead(const MatrixTile *t, const MatrixArgs *a, const Ix *u, const Ix *ib,
                              const Ix *ky, const Ix *kx, const Ix *c) {
  const Matrix *m = t->m;
  const MatrixMap *map = &t->set->map;
  Nest *b = m->d->l->b;
  Buf *w = t->panels->w;
  const int64_t share = lines_ahead(t) * m->d->l->target->line / elem_bytes(w->type.elem),
                columns = map->blocks * map->columns, group = MATRIX_SUMS / map->vectors;
  const int64_t all = buf_room(w, 1) * m->d->inner;
  const Ix pass = map->pitch || groups_of_sums(map) > 1 ? *u * (share / group)
                  : matrix_is_row(map)                  ? a->x * (share / columns)
                                                        : a->y * (share / map->blocks);
  nest_prefetch(b, w,
                (a->panel + *ib) * buf_room(w, 1) + all + *ky * buf_room(w, 2) + *kx * buf_room(w, 3) +
                    *c * buf_room(w, 4) + pass);
}

typedef struct MatrixSums {
  const MatrixTile *t;
  const MatrixArgs *a;
  Buf *sums;
} MatrixSums;

static void matrix_sum(const void *context, const Ix *u, const Ix *q, const Ix *v) {
  const MatrixSums *s = context;
  const MatrixTile *t = s->t;
  const MatrixArgs *a = s->a;
  const Matrix *m = t->m;
  const Direct *d = m->d;
  const Axis *ay = &t->set->y, *ax = &t->set->x;
  const MatrixMap *map = &t->set->map;
  const int64_t taps = has_merged(d) ? 1 : ax->taps, words = direct_run(d);
  Nest *b = d->l->b;
  Buf *sum = NEST_REGISTERS(b, "sum", d->lanes, 1);
  nest_store(b, nest_at(b, sum, 0), num(b, 0));
  NEST_FOR(b, ib, d->inner)
    NEST_FOR(b, ky, ay->taps)
      NEST_FOR(b, kx, taps)
        NEST_FOR(b, c, words) {
          const Ix none = {0}, lane = a->h + d->lanes * *v, pair = a->channels + ib * d->steps + c,
                   plane = a->channels + ib, panel = a->panel + ib, wy = ay->tap_first + ky * ay->tap_stride,
                   wx = ax->tap_first + kx * ax->tap_stride,
                   y = matrix_row_of(map, &a->y, u) * ay->part_step + ky * ay->tap_step + ay->in_first +
                       d->own.before[0],
                   x = matrix_column_of(map, &a->x, u, q) * ax->part_step + kx * ax->tap_step + ax->in_first +
                       d->own.before[1],
                   flat = x + y * d->pitch;
          const Val in = d->planes ? nest_load_pairs(
                                         b, nest_at(b, d->from, plane, d->pitch ? none : y, flat, 2 * c), 1)
                                   : direct_input_pair(d, d->from, d->pitch ? &none : &y, &flat, &pair),
                    w = direct_weight_pairs(d, t->panels, &panel, &wy, &wx, &c, &lane);
          nest_store(b, nest_at(b, sum, 0),
                     dot_bf16(splat(in, d->lanes), w, nest_get(b, nest_at(b, sum, 0))));
          if (m->passes) fetch_panel_ahead(t, a, u, &ib, &ky, &kx, &c);
        }
  nest_store(b, nest_at(b, s->sums, matrix_place(map, u, q), d->lanes * *v), nest_get(b, nest_at(b, sum, 0)));
}

/* Index, in the sums of a tile, of a sum that is pooled to the tile's output (y, x). row, column: position of
 * the sum in the pooling window. */
static Ix sum_place(const MatrixMap *map, const Ix *y, const Ix *x, int64_t row, int64_t column) {
  const int64_t pitch = map->pitch ? map->pitch : matrix_is_row(map) ? 0 : map->columns;
  return (*y * map->parts[0] + row) * pitch + *x * map->parts[1] + column;
}

static void finish_output(const MatrixTile *t, const MatrixArgs *a, Buf *sums, Val bias, const Ix *y,
                          const Ix *x, int v) {
  const Matrix *m = t->m;
  Lower *l = m->d->l;
  Nest *b = l->b;
  const int L = m->d->lanes, part = v == t->vectors - 1 ? t->part : L;
  const Axis *ay = &t->set->y, *ax = &t->set->x;
  const Ix oy = ay->out_first + (a->y + *y) * ay->out_step, ox = ax->out_first + (a->x + *x) * ax->out_step,
           f = a->f0 + L * v;
  Val of[MOST_POOLED];
  int n = 0;
  for (int64_t r = 0; r < ay->parts; r++)
    for (int64_t i = 0; i < ax->parts; i++) {
      const Ix row = oy * ay->parts + r, column = ox * ax->parts + i;
      Val sum = nest_load(b, nest_at(b, sums, sum_place(&t->set->map, y, x, r, i), L * v), L);
      if (bias) sum = add(sum, bias);
      of[n++] = l->kernel->pool ? lower_finish(l, sum, &row, &column, &f, part, L) : sum;
    }
  if (l->kernel->pool) lower_put(l, l->kernel->pool->op->traits.pool(of, n), &oy, &ox, &f, part, L);
  else lower_store(l, of[0], &oy, &ox, &f, part, L);
}

static void matrix_finish(const MatrixTile *t, const MatrixArgs *a, Buf *sums, int64_t blocks, int64_t skip) {
  const Direct *d = t->m->d;
  const MatrixMap *map = &t->set->map;
  Nest *b = d->l->b;
  const bool row = matrix_is_row(map);
  const int64_t rows = map->pitch ? map->h
                       : row      ? 1
                                  : blocks / map->parts[0],
                columns = (map->pitch ? map->w
                           : row      ? matrix_sums(map, blocks)
                                      : map->columns) /
                          map->parts[1];
  Val bias[MOST_VECTORS] = {NULL};
  for (int v = 0; v < t->vectors && d->bias; v++)
    bias[v] = nest_let(b, nest_text(b, "bias%d", v),
                       nest_load(b, nest_at(b, d->bias, a->f0 + d->lanes * v), d->lanes));
  NEST_FOR(b, p, rows)
    NEST_FROM(b, q, skip / map->parts[1], columns)
      for (int v = 0; v < t->vectors; v++) finish_output(t, a, sums, bias[v], &p, &q, v);
}

static NestFn *matrix_tile(const void *context, int64_t blocks, int64_t skip) {
  const MatrixTile *t = context;
  Nest *b = t->m->d->l->b;
  NestFn *fn = nest_fn(b, t->part < t->m->d->lanes ? "tile_part" : "tile", true);
  const bool both = t->part == t->m->d->lanes && t->m->d->panels[1].before;
  MatrixArgs a = {.y = nest_arg(b, "y")};
  a.x = nest_arg(b, "x");
  a.panel = nest_varied(b, "panel", both);
  a.channels = nest_arg(b, t->m->d->planes ? "plane" : "c");
  a.f0 = nest_varied(b, "f0", both);
  a.h = nest_varied(b, "h", both);
  Buf *sums = NEST_BUF(b, STACK, "sums", matrix_sums(&t->set->map, blocks), t->vectors * t->m->d->lanes);
  matrix_groups(b, &t->set->map, blocks, t->vectors, matrix_sum, &(MatrixSums){t, &a, sums});
  matrix_finish(t, &a, sums, blocks, skip);
  return fn;
}

/* ---- all tiles ---- */
typedef struct MatrixPanels { /* fns[0]: functions for whole tiles of panels; fns[1]: functions for the
                                 remaining channels of panels */
  MatrixFns fns[2];
  int64_t wholes, width; /* number of whole tiles of a panel; number of channels of a whole tile */
} MatrixPanels;

static MatrixPanels panel_functions(const Matrix *m, const TileSet *tiles, const Panels *panels) {
  const int64_t width = tiles->map.vectors * m->d->lanes, wholes = panels->valid / width,
                rest = panels->valid % width;
  const int vectors = (int)ceil_divide(rest, m->d->lanes);
  MatrixPanels p = {.wholes = wholes, .width = width};
  const MatrixTile whole = {m, tiles, panels, tiles->map.vectors, m->d->lanes},
                   last = {m, tiles, panels, vectors, (int)rest - (vectors - 1) * m->d->lanes};
  if (panels->count && wholes) p.fns[0] = matrix_functions(&tiles->map, matrix_tile, &whole);
  if (panels->count && rest) p.fns[1] = matrix_functions(&tiles->map, matrix_tile, &last);
  return p;
}

typedef struct MatrixPlace { /* for MatrixCall: a tile's group, panel, and position in the panel */
  const Direct *d;
  const Panels *panels;
  Ix group, number, h;
} MatrixPlace;

static void call_matrix_tile(const void *context, NestFn *fn, const Ix *y, const Ix *x) {
  const MatrixPlace *at = context;
  const Direct *d = at->d;
  const Ix none = {0},
           first = at->group * d->out + at->panels->first + at->number * at->panels->valid + at->h;
  nest_call(d->l->b, fn, *y, *x, panel_of(d, at->panels, &at->group, &at->number, &none),
            at->group * (d->planes ? d->inner : d->in / 2), first, at->h);
}

typedef MatrixPanels SetPanels[MOST_SETS][2];

/* Computes the tiles of a set for one panel: the tiles of row n of the span, or all tiles if n is NULL. */
static void panel_tiles(const Matrix *m, const MatrixMap *map, const MatrixPanels *p, MatrixPlace *at,
                        int span, const Ix *n) {
  Nest *b = m->d->l->b;
  for (int rest = 0; rest < 2; rest++)
    if (rest ? at->panels->valid % p->width : p->wholes)
      NEST_FOR(b, h, rest ? 1 : p->wholes) {
        at->h = rest ? NEST_Z + p->wholes * p->width : h * p->width;
        if (n) matrix_row_tiles(b, map, &p->fns[rest], span, n, call_matrix_tile, at);
        else matrix_tiles(b, map, &p->fns[rest], call_matrix_tile, at);
      }
}

/* Computes a set, one row of tiles after the other; each row reads all panels of weights. */
static void row_by_row(const Matrix *m, int set, const MatrixPanels p[2], LoopKind outer) {
  Nest *b = m->d->l->b;
  const MatrixMap *map = &m->set[set].map;
  for (int span = 0; span < 2; span++)
    if (map->outer[span].count)
      NEST_LOOP(b, n, map->outer[span].count > 1 ? outer : SERIAL, 1, NEST_IX(0), 1,
                NEST_IX(map->outer[span].count))
        NEST_FOR(b, g, m->d->k.groups)
          for (int i = 0; i < 2; i++)
            if (m->d->panels[i].count)
              NEST_FOR(b, fb, m->d->panels[i].count) {
                MatrixPlace at = {.d = m->d, .panels = &m->d->panels[i], .group = g, .number = fb};
                panel_tiles(m, map, &p[i], &at, span, &n);
              }
}

static void panel_by_panel(const Matrix *m, SetPanels p, LoopKind outer) {
  Nest *b = m->d->l->b;
  const bool by_group = m->d->k.groups > 1;
  NEST_LOOP(b, g, by_group ? outer : SERIAL, 1, NEST_IX(0), 1, NEST_IX(m->d->k.groups))
    for (int i = 0; i < 2; i++)
      if (m->d->panels[i].count)
        NEST_LOOP(b, fb, by_group || m->d->panels[i].count == 1 ? SERIAL : outer, 1, NEST_IX(0), 1,
                  NEST_IX(m->d->panels[i].count)) {
          MatrixPlace at = {.d = m->d, .panels = &m->d->panels[i], .group = g, .number = fb};
          for (int set = 0; set < m->nsets; set++) panel_tiles(m, &m->set[set].map, &p[set][i], &at, 0, NULL);
        }
}

static bool has_row_order(const Matrix *m) {
  const Direct *d = m->d;
  const Order order = d->l->choice.order;
  const int64_t bytes = 2 * d->k.groups * d->in * d->out * d->k.kernel[0] * d->k.kernel[1];
  int64_t rows = 0;
  for (int i = 0; i < m->nsets; i++) rows += m->set[i].map.outer[0].count + m->set[i].map.outer[1].count;
  return rows > 1 &&
         (order == ORDER_OWN ? bytes <= d->l->target->blocking.direct_weights : order == ORDER_ROWS);
}

/* Number of passes over a panel if the passes prefetch the next panel; otherwise 0. Passes prefetch if the
 * order is panel by panel, there are several panels and few passes, and the net's weights are larger than the
 * second-level cache. There must also be a single set of tiles, with one tile per row. */
static int passes_of(const Matrix *m) {
  enum { MOST_PASSES = 16 };
  const Direct *d = m->d;
  const MatrixMap *map = &m->set[0].map;
  const int64_t passes = groups_of_sums(map) * (map->outer[0].count + map->outer[1].count) *
                         (map->inner[0].count + map->inner[1].count);
  return m->nsets > 1 || m->by_rows || d->panels[0].count < 2 || d->l->weight_bytes / 2 <= d->l->target->l2 ||
                 passes > MOST_PASSES || map->inner[0].count + map->inner[1].count > 1
             ? 0
             : (int)passes;
}

static void matrix_details(const Matrix *m) {
  Lower *l = m->d->l;
  const MatrixMap *map = &m->set[0].map;
  lower_about(l, "tile registers, tiles of %d x %d pixels x %d vectors of %d channels", (int)map->blocks,
              (int)map->columns, map->vectors, m->d->lanes);
  if (map->pitch) lower_detail(l, "the map is one tile, with %d pixels per row", (int)map->pitch);
  if (m->nsets > 1)
    lower_detail(l, "%d %s", m->nsets,
                 m->set[0].y.out_step * m->set[0].x.out_step > 1
                     ? "phases of the stride"
                     : "sets of tiles, each with the taps that are inside the input");
  lower_detail(l, "%s",
               m->by_rows ? "order: row by row, each with all panels of weights"
                          : "order: panel by panel of weights, each over the whole image");
}

void direct_by_matrix(Direct *d) {
  Lower *l = d->l;
  Matrix m = {.d = d};
  SetPanels p;
  const Correlation whole = correlation_of(l->node);
  m.nsets = tile_sets(l, m.set);
  const MatrixMap *map = &m.set[0].map;
  m.by_rows = has_row_order(&m);
  d->k = d->own = window_of_sets(&m);
  if (correlation_pointwise(&whole) && !l->kernel->pool) {
    lower_view_rows(l, 1);
    d->k.large.w = d->k.small.w *= d->k.small.h;
    d->k.large.h = d->k.small.h = 1;
  }
  const bool lined = d->merged || d->in != d->k.l; /* taps are merged, or a channel of zeros is added */
  if (map->pitch || lined || has_padding(&d->own))
    padded_begin(d, lined, has_planes(d), map->pitch > 0, map->spare);
  m.passes = passes_of(&m);
  l->b->tiles = (TileShape){.rows = (int)map->columns, .pairs = matrix_step(direct_run(d))};
  if (m.passes) l->b->tiles.lines = (int)lines_ahead(&(MatrixTile){.m = &m, .panels = &d->panels[0]});
  for (int set = 0; set < m.nsets; set++)
    for (int i = 0; i < 2; i++) p[set][i] = panel_functions(&m, &m.set[set], &d->panels[i]);
  nest_fn(l->b, l->b->name, false);
  const LoopKind outer = schedule_outer(l, correlation_macs(&whole));
  if (m.set[0].y.out_step * m.set[0].x.out_step > 1) walk_clear(l, l->out, shape_extent(l->node->shape));
  padded_fill(d, outer);
  if (!m.by_rows) panel_by_panel(&m, p, outer);
  for (int set = 0; set < m.nsets && m.by_rows; set++) row_by_row(&m, set, p[set], outer);
  matrix_details(&m);
  cost_padding_detail(l, &whole);
}
