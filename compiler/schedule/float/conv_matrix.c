// conv_matrix.c: the direct convolution of bf16 numbers as products of tiles in registers that hold 16 rows
// of 32 numbers (AMX).
// SPDX-License-Identifier: Apache-2.0
//
// A tile is a part of the map (matrix.h) times one or two vectors of channels. Its sums stay in registers for
// all taps and input channels; then they are stored, and the epilogue reads them from memory. Windows read a
// copy of the input that includes the padding. Weights are packed as for other products of pairs
// (conv_direct.c): 16 pairs of a vector of channels are the right operand of an instruction. With few input
// channels, the words of all taps of a row are contiguous, both in the copy and in the weights.
//
// Example: `x: 14x14x64 -> conv(32, 3x3, pad=same)` --target=x86-64-v4-amx --precision=bf16,
// lines 3-10 of conv1_tile_amx:
//
//     _Alignas(64) float sums[28][32];
//     n_tile_clear_x16_amx(4);
//     for (int ib = 0; ib < 2; ib++)
//       for (int ky = 0; ky < 3; ky++)
//         for (int kx = 0; kx < 3; kx++)
//           n_tile_add_x16_amx(&padded[ib][y + ky][kx][0], 64, 1024, 2, &weight[ib][ky][kx][0][0], 1 ...
//     n_tile_store_x16_amx(&sums[0][0], 128, 1792, 2, 1);
//     const v16 bias0 = LOAD(v16, bias[0]);
#include "base/number.h"
#include "schedule/float/direct.h"
#include "schedule/matrix.h"

enum { MOST_POOLED = 4, MOST_VECTORS = 2 };

typedef struct Matrix {
  Direct *d;
  Axis y, x;
  MatrixMap map;
  bool by_rows;
  /* number of passes over a panel of weights, each of which prefetches a share of the next panel; 0: no
   * prefetch */
  int passes;
} Matrix;

static bool has_padding(const Correlation *k) {
  for (int axis = 0; axis < 2; axis++)
    if (k->before[axis] ||
        (extent_side(k->small, axis) - 1) * k->stride[axis] + (k->kernel[axis] - 1) * k->dilation[axis] + 1 >
            extent_side(k->large, axis))
      return true;
  return false;
}

/* ---- a tile ---- */
typedef struct MatrixTile { /* describes a panel's whole tiles, or the tile of its remaining channels */
  const Matrix *m;
  const Panels *panels;
  int vectors, part; /* part: number of lanes in use in the last vector */
} MatrixTile;

/* The first output, the panel, the first pair of input channels, the first output channel, and its position
 * in the panel. */
typedef struct MatrixArgs {
  Ix y, x, panel, pair, f0, h;
} MatrixArgs;

/* Cache lines of the next panel that a tile prefetches while it reads one step of the current panel: 16 words
 * of all its channels. */
static int64_t lines_ahead(const MatrixTile *t) {
  const int64_t line = t->m->d->l->target->line, words = matrix_step(direct_run(t->m->d));
  return ceil_divide(words * WORD_BYTES * t->panels->width / line, t->m->passes);
}

static void fetch_panel_ahead(const MatrixTile *t, const MatrixArgs *a, const Ix *u, const Ix *ib,
                              const Ix *ky, const Ix *kx, const Ix *c) {
  const Matrix *m = t->m;
  const MatrixMap *map = &m->map;
  Nest *b = m->d->l->b;
  Buf *w = t->panels->w;
  const int64_t share = lines_ahead(t) * m->d->l->target->line / elem_bytes(w->type.elem),
                columns = map->blocks * map->columns, group = MATRIX_SUMS / map->vectors;
  const int64_t all = buf_room(w, 1) * m->d->inner;
  const Ix pass = map->pitch           ? *u * (share / group)
                  : matrix_is_row(map) ? a->x * (share / columns)
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
  const Correlation *k = &d->k;
  const int64_t taps = has_merged(d) ? 1 : k->kernel[1], words = d->steps * k->kernel[1] / taps;
  Nest *b = d->l->b;
  Buf *sum = NEST_REGISTERS(b, "sum", d->lanes, 1);
  nest_store(b, nest_at(b, sum, 0), num(b, 0));
  NEST_FOR(b, ib, d->inner)
    NEST_FOR(b, ky, k->kernel[0])
      NEST_FOR(b, kx, taps)
        NEST_FOR(b, c, words) {
          const Ix none = {0}, lane = a->h + d->lanes * *v, pair = a->pair + ib * d->steps + c,
                   panel = a->panel + ib, wy = d->turned ? k->kernel[0] - 1 - ky : ky,
                   wx = d->turned ? k->kernel[1] - 1 - kx : kx,
                   y = matrix_row_of(&m->map, &a->y, u) * k->stride[0] + ky * k->dilation[0],
                   x = matrix_column_of(&m->map, &a->x, u, q) * k->stride[1] + kx * k->dilation[1],
                   flat = x + y * d->pitch;
          const Val in =
                        d->planes
                            ? nest_load_pairs(b, nest_at(b, d->from, ib, d->pitch ? none : y, flat, 2 * c), 1)
                            : direct_input_pair(d, d->from, d->pitch ? &none : &y, &flat, &pair),
                    w = direct_weight_pairs(d, t->panels, &panel, &wy, &wx, &c, &lane);
          nest_store(b, nest_at(b, sum, 0),
                     dot_bf16(splat(in, d->lanes), w, nest_get(b, nest_at(b, sum, 0))));
          if (m->passes) fetch_panel_ahead(t, a, u, &ib, &ky, &kx, &c);
        }
  nest_store(b, nest_at(b, s->sums, matrix_place(&m->map, u, q), d->lanes * *v),
             nest_get(b, nest_at(b, sum, 0)));
}

/* Index, among the sums of a tile, of a sum that contributes to output (y, x). */
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
  const Ix oy = a->y + *y, ox = a->x + *x, f = a->f0 + L * v;
  Val of[MOST_POOLED];
  int n = 0;
  for (int64_t r = 0; r < m->y.parts; r++)
    for (int64_t i = 0; i < m->x.parts; i++) {
      const Ix row = oy * m->y.parts + r, column = ox * m->x.parts + i;
      Val sum = nest_load(b, nest_at(b, sums, sum_place(&m->map, y, x, r, i), L * v), L);
      if (bias) sum = add(sum, bias);
      of[n++] = l->kernel->pool ? lower_finish(l, sum, &row, &column, &f, part, L) : sum;
    }
  if (l->kernel->pool) lower_put(l, l->kernel->pool->op->traits.pool(of, n), &oy, &ox, &f, part, L);
  else lower_store(l, of[0], &oy, &ox, &f, part, L);
}

static void matrix_finish(const MatrixTile *t, const MatrixArgs *a, Buf *sums, int64_t blocks, int64_t skip) {
  const Matrix *m = t->m;
  const Direct *d = m->d;
  const MatrixMap *map = &m->map;
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
  a.pair = nest_arg(b, "c");
  a.f0 = nest_varied(b, "f0", both);
  a.h = nest_varied(b, "h", both);
  Buf *sums = NEST_BUF(b, STACK, "sums", matrix_sums(&t->m->map, blocks), t->vectors * t->m->d->lanes);
  matrix_groups(b, &t->m->map, blocks, t->vectors, matrix_sum, &(MatrixSums){t, &a, sums});
  matrix_finish(t, &a, sums, blocks, skip);
  return fn;
}

/* ---- all tiles ---- */
typedef struct MatrixPanels { /* functions for the whole tiles of panels, and for the remaining channels of
                                 panels */
  MatrixFns fns[2];
  int64_t wholes, width; /* whole tiles of a panel, their channels */
} MatrixPanels;

static MatrixPanels panel_functions(const Matrix *m, const Panels *panels) {
  const int64_t width = m->map.vectors * m->d->lanes, wholes = panels->valid / width,
                rest = panels->valid % width;
  const int vectors = (int)ceil_divide(rest, m->d->lanes);
  MatrixPanels p = {.wholes = wholes, .width = width};
  const MatrixTile whole = {m, panels, m->map.vectors, m->d->lanes},
                   last = {m, panels, vectors, (int)rest - (vectors - 1) * m->d->lanes};
  if (panels->count && wholes) p.fns[0] = matrix_functions(&m->map, matrix_tile, &whole);
  if (panels->count && rest) p.fns[1] = matrix_functions(&m->map, matrix_tile, &last);
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
            at->group * (d->in / 2), first, at->h);
}

/* Computes the tiles of a panel: all tiles (n NULL), or the tiles of one row. */
static void panel_tiles(const Matrix *m, const MatrixPanels *p, MatrixPlace *at, int span, const Ix *n) {
  Nest *b = m->d->l->b;
  for (int part = 0; part < 2; part++)
    if (part ? at->panels->valid % p->width : p->wholes)
      NEST_FOR(b, h, part ? 1 : p->wholes) {
        at->h = part ? NEST_Z + p->wholes * p->width : h * p->width;
        if (n) matrix_row_tiles(b, &m->map, &p->fns[part], span, n, call_matrix_tile, at);
        else matrix_tiles(b, &m->map, &p->fns[part], call_matrix_tile, at);
      }
}

static void row_by_row(const Matrix *m, const MatrixPanels p[2], LoopKind outer) {
  Nest *b = m->d->l->b;
  for (int span = 0; span < 2; span++)
    if (m->map.outer[span].count)
      NEST_LOOP(b, n, m->map.outer[span].count > 1 ? outer : SERIAL, 1, NEST_IX(0), 1,
                NEST_IX(m->map.outer[span].count))
        NEST_FOR(b, g, m->d->k.groups)
          for (int i = 0; i < 2; i++)
            if (m->d->panels[i].count)
              NEST_FOR(b, fb, m->d->panels[i].count) {
                MatrixPlace at = {.d = m->d, .panels = &m->d->panels[i], .group = g, .number = fb};
                panel_tiles(m, &p[i], &at, span, &n);
              }
}

static void panel_by_panel(const Matrix *m, const MatrixPanels p[2], LoopKind outer) {
  Nest *b = m->d->l->b;
  const bool by_group = m->d->k.groups > 1;
  NEST_LOOP(b, g, by_group ? outer : SERIAL, 1, NEST_IX(0), 1, NEST_IX(m->d->k.groups))
    for (int i = 0; i < 2; i++)
      if (m->d->panels[i].count)
        NEST_LOOP(b, fb, by_group || m->d->panels[i].count == 1 ? SERIAL : outer, 1, NEST_IX(0), 1,
                  NEST_IX(m->d->panels[i].count)) {
          MatrixPlace at = {.d = m->d, .panels = &m->d->panels[i], .group = g, .number = fb};
          panel_tiles(m, &p[i], &at, 0, NULL);
        }
}

static bool has_row_order(const Matrix *m) {
  const Direct *d = m->d;
  const Order order = d->l->choice.order;
  const int64_t bytes = 2 * d->k.groups * d->in * d->out * d->k.kernel[0] * d->k.kernel[1];
  return m->map.outer[0].count + m->map.outer[1].count > 1 &&
         (order == ORDER_OWN ? bytes <= d->l->target->blocking.direct_weights : order == ORDER_ROWS);
}

/* Number of passes over a panel, if each of them prefetches a share of the next panel; otherwise 0. The
 * passes prefetch if they are few, if the weights exceed the second-level cache, and if all tiles are of one
 * kind. */
static int passes_of(const Matrix *m) {
  enum { MOST_PASSES = 16 };
  const Direct *d = m->d;
  const MatrixMap *map = &m->map;
  const int64_t passes =
      map->pitch ? ceil_divide(map->blocks, MATRIX_SUMS / map->vectors)
                 : (map->outer[0].count + map->outer[1].count) * (map->inner[0].count + map->inner[1].count);
  return m->by_rows || d->panels[0].count < 2 || d->l->weight_bytes / 2 <= d->l->target->l2 ||
                 passes > MOST_PASSES || map->inner[0].count + map->inner[1].count > 1
             ? 0
             : (int)passes;
}

void direct_by_matrix(Direct *d) {
  Lower *l = d->l;
  d->turned = d->spread;
  d->k = d->own = correlation_gathering(l->node);
  Matrix m = {.d = d, .map = direct_matrix_map(l, &d->own)};
  if (correlation_pointwise(&d->own) && !l->kernel->pool) {
    lower_view_rows(l, 1);
    d->k.large.w = d->k.small.w *= d->k.small.h;
    d->k.large.h = d->k.small.h = 1;
  }
  m.y = axis_pooled(&d->own, 0, l->kernel->pool);
  m.x = axis_pooled(&d->own, 1, l->kernel->pool);
  if (m.map.pitch || d->merged || has_padding(&d->own))
    padded_begin(d, d->merged, d->inner > 1 && d->k.groups == 1, m.map.pitch > 0, m.map.spare);
  m.by_rows = has_row_order(&m);
  m.passes = passes_of(&m);
  l->b->tiles = (TileShape){.rows = (int)m.map.columns, .pairs = matrix_step(direct_run(d))};
  if (m.passes) l->b->tiles.lines = (int)lines_ahead(&(MatrixTile){.m = &m, .panels = &d->panels[0]});
  const MatrixPanels p[2] = {panel_functions(&m, &d->panels[0]), panel_functions(&m, &d->panels[1])};
  nest_fn(l->b, l->b->name, false);
  const LoopKind outer = schedule_outer(l, correlation_macs(&d->own));
  padded_fill(d, outer);
  if (m.by_rows) row_by_row(&m, p, outer);
  else panel_by_panel(&m, p, outer);
  lower_about(l, "tile registers, tiles of %d x %d pixels x %d vectors of %d channels", (int)m.map.blocks,
              (int)m.map.columns, m.map.vectors, d->lanes);
  if (m.map.pitch) lower_detail(l, "the map is one tile, with %d pixels per row", (int)m.map.pitch);
  lower_detail(l, "%s",
               m.by_rows ? "order: row by row, each with all panels of weights"
                         : "order: panel by panel of weights, each over the whole image");
  cost_padding_detail(l, &d->own);
}
