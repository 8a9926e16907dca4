// pair_rows.c: Products of rows of bf16 numbers and packed columns, in words of two numbers. The sums of a
// tile of rows and columns are in vector registers, or in tile registers that hold 16 rows (AMX).
// SPDX-License-Identifier: Apache-2.0
//
// For the widest target, a panel has one or two vectors of columns, so a tile of one row reads the panel
// once, from start to end. If a tile has few sums, each output has several partial sums, so that an addition
// need not wait for the previous addition.
//
// The number of rows of a batch is known only at run time. Rows that do not fill a tile are computed with one
// tile of half the size, if there are enough rows, and then one by one.
#include "schedule/float/pair_rows.h"
#include "base/number.h"
#include "schedule/float/direct.h"
#include "schedule/parallel.h"

enum { PANEL_VECTORS = 2, MOST_TILE_ROWS = 12, FEWEST_STEP = 4, MOST_TOGETHER = 8 };

void pair_rows_panels(PairRows *p) {
  const int64_t unit = direct_unit(p->l, p->columns);
  p->lanes = (int)smaller(p->l->target->lanes, unit);
  p->width = p->columns > unit ? PANEL_VECTORS * unit : unit;
  p->panels = p->columns / p->width;
  p->rest = p->columns % p->width;
  p->rest_width = ceil_divide(p->rest, unit) * unit;
}

/* ---- a panel ---- */
typedef struct PairPanel { /* describes the whole panels, or the last panel */
  const PairRows *p;
  Buf *w;
  int64_t valid; /* columns */
  const MatrixMap *map;
} PairPanel;

static PairPanel panel_of_kind(const PairRows *p, int kind, const MatrixMap *map) {
  return (PairPanel){p, p->w[kind], kind ? p->rest : p->width, map};
}

static Ref pair_rows_input(const PairRows *p, const Ix *row, const Ix *pair) {
  Nest *b = p->l->b;
  const Ix none = {0}, k = 2 * *pair;
  const int rank = p->in->rank - (p->in->leads > 0);
  return rank == 4   ? nest_at(b, p->in, *row, none, none, k)
         : rank == 3 ? nest_at(b, p->in, none, *row, k)
                     : nest_at(b, p->in, *row, k);
}

static Val panel_pairs(const PairPanel *q, const Ix *panel, const Ix *pair, const Ix *h, int lanes) {
  return nest_load_pairs(q->p->l->b, nest_at(q->p->l->b, q->w, *panel, *pair, 2 * *h), lanes);
}

static void finish_pair_sum(const PairRows *p, Val sum, const Ix *row, const Ix *column, int part) {
  const Ix none = {0};
  if (p->scale != 1) sum = mul(sum, num(p->l->b, p->scale));
  p->l->row = row;
  lower_store(p->l, sum, &none, p->leading ? &none : row, column, part, p->lanes);
  p->l->row = NULL;
}

/* ---- vectors ---- */
/* Multiplies `rows` rows, from `row` on, by `vectors` vectors of the panel, from column h of the panel on.
 * f0: the panel's first column. */
static void pair_tile(const PairPanel *q, const Ix *row, int rows, const Ix *panel, const Ix *f0, int64_t h,
                      int vectors) {
  const PairRows *p = q->p;
  Nest *b = p->l->b;
  const int L = p->lanes;
  int together = 1;
  while (together < MOST_TOGETHER && together * rows * vectors < p->l->target->chains &&
         p->pairs % (2 * together) == 0)
    together *= 2;
  Buf *acc = NEST_REGISTERS(b, "a", L, together * rows, vectors);
  for (int u = 0; u < together; u++)
    NEST_UNROLL(b, r, rows)
      for (int v = 0; v < vectors; v++)
        nest_store(b, nest_at(b, acc, r + u * rows, v),
                   u || !p->bias ? num(b, 0) : nest_load(b, nest_at(b, p->bias, *f0 + h + L * v), L));
  NEST_FOR(b, n, p->pairs / together)
    for (int u = 0; u < together; u++) {
      const Ix pair = n * together + u;
      Val w[2 * MOST_TILE_ROWS];
      for (int v = 0; v < vectors; v++)
        w[v] = nest_let(b, nest_text(b, "w%d", v), panel_pairs(q, panel, &pair, NEST_IX(h + L * v), L));
      NEST_UNROLL(b, r, rows) {
        const Val x = splat(nest_load_pairs(b, pair_rows_input(p, NEST_IX(*row + r), &pair), 1), L);
        for (int v = 0; v < vectors; v++) {
          const Ref sum = nest_at(b, acc, r + u * rows, v);
          nest_store(b, sum, dot_bf16(x, w[v], nest_get(b, sum)));
        }
      }
    }
  NEST_UNROLL(b, r, rows)
    for (int v = 0; v < vectors; v++) {
      Val sum = nest_get(b, nest_at(b, acc, r, v));
      for (int u = 1; u < together; u++) sum = add(sum, nest_get(b, nest_at(b, acc, r + u * rows, v)));
      const Ix at = *row + r, column = *f0 + h + L * v;
      finish_pair_sum(p, sum, &at, &column, (int)smaller(q->valid - h - L * v, L));
    }
}

/* Number of vectors of columns of a tile. */
static int tile_vectors_of(const PairPanel *q) {
  const PairRows *p = q->p;
  return (int)smaller(ceil_divide(q->valid, p->lanes), p->l->target->registers < 32 ? 2 : 4);
}

static void pair_tiles(const PairPanel *q, const Ix *row, int rows, const Ix *panel, const Ix *f0) {
  const int64_t all = ceil_divide(q->valid, q->p->lanes);
  const int vectors = tile_vectors_of(q);
  for (int64_t v = 0; v < all; v += vectors)
    pair_tile(q, row, rows, panel, f0, v * q->p->lanes, (int)smaller(vectors, all - v));
}

/* Number of rows of a tile, chosen so that sums and operands fit into the registers. If the target has no
 * instruction that multiplies words, an operand needs two registers. */
static int pair_tile_rows(const PairRows *p) {
  const Target *t = p->l->target;
  const PairPanel q = panel_of_kind(p, p->panels == 0, NULL);
  const int vectors = tile_vectors_of(&q), operands = (vectors + 1) * (t->dots > 0 ? 1 : 2);
  return (int)smaller(larger((t->registers - operands) / vectors, 1), MOST_TILE_ROWS);
}

/* ---- tile registers ---- */
bool pair_rows_in_tiles(const Lower *l, const Target *target, int64_t rows, int64_t pairs, int64_t columns) {
  enum { FEWEST_ROWS = 4 };
  return target->tiles > 0 && rows >= FEWEST_ROWS && direct_unit(l, columns) == MATRIX_LANES &&
         matrix_step(pairs) >= FEWEST_STEP;
}

/* The map of the rows, which are the pixels of a 1x1 convolution. */
static MatrixMap map_of_rows(int64_t rows, int64_t columns) {
  const Extent e = {.h = 1, .w = rows, .c = 1};
  const Correlation k = {
      .large = e, .small = e, .kernel = {1, 1}, .stride = {1, 1}, .dilation = {1, 1}, .groups = 1};
  return matrix_map(&k, (int64_t[]){1, rows}, (int64_t[]){1, 1}, columns, false);
}

double pair_rows_tile_cycles(int64_t rows, int64_t pairs, int64_t columns) {
  const MatrixMap map = map_of_rows(rows, columns);
  return matrix_cycles(&map, columns, pairs / matrix_step(pairs));
}

typedef struct PairSums {
  const PairPanel *q;
  const Ix *row, *panel;
  Buf *sums;
} PairSums;

static void pair_sum(const void *context, const Ix *u, const Ix *q, const Ix *v) {
  const PairSums *s = context;
  const PairRows *p = s->q->p;
  Nest *b = p->l->b;
  Buf *sum = NEST_REGISTERS(b, "sum", p->lanes, 1);
  nest_store(b, nest_at(b, sum, 0), num(b, 0));
  NEST_FOR(b, c, p->pairs) {
    const Ix row = matrix_column_of(s->q->map, s->row, u, q), h = p->lanes * *v;
    const Val in = nest_load_pairs(b, pair_rows_input(p, &row, &c), 1);
    nest_store(b, nest_at(b, sum, 0),
               dot_bf16(splat(in, p->lanes), panel_pairs(s->q, s->panel, &c, &h, p->lanes),
                        nest_get(b, nest_at(b, sum, 0))));
  }
  nest_store(b, nest_at(b, s->sums, matrix_place(s->q->map, u, q), p->lanes * *v),
             nest_get(b, nest_at(b, sum, 0)));
}

/* Creates the function of a tile. The first `skip` rows of the tile are computed, but not stored. */
static NestFn *pair_matrix(const void *context, int64_t blocks, int64_t skip) {
  const PairPanel *q = context;
  const PairRows *p = q->p;
  Nest *b = p->l->b;
  const int vectors = (int)ceil_divide(q->valid, p->lanes), L = p->lanes;
  const int64_t rows = matrix_sums(q->map, blocks);
  NestFn *fn = nest_fn(b, nest_text(b, "tile_%d%s", (int)rows, q->w == p->w[1] ? "_rest" : ""), true);
  const Ix row = nest_arg(b, "row"), panel = nest_arg(b, "panel"), f0 = nest_arg(b, "f0");
  Buf *sums = NEST_BUF(b, STACK, "sums", rows, vectors * L);
  matrix_groups(b, q->map, blocks, vectors, pair_sum, &(PairSums){q, &row, &panel, sums});
  Val bias[PANEL_VECTORS] = {NULL};
  for (int v = 0; v < vectors && p->bias; v++)
    bias[v] = nest_let(b, nest_text(b, "bias%d", v), nest_load(b, nest_at(b, p->bias, f0 + L * v), L));
  NEST_FROM(b, r, skip, rows)
    for (int v = 0; v < vectors; v++) {
      Val sum = nest_load(b, nest_at(b, sums, r, L * v), L);
      if (bias[v]) sum = add(sum, bias[v]);
      const Ix at = row + r, column = f0 + L * v;
      finish_pair_sum(p, sum, &at, &column, (int)smaller(q->valid - L * v, L));
    }
  return fn;
}

typedef struct PairCall {
  const PairRows *p;
  Ix panel, f0;
} PairCall;

static void call_pair_matrix(const void *context, NestFn *fn, const Ix *y, const Ix *x) {
  (void)y;
  const PairCall *call = context;
  nest_call(call->p->l->b, fn, *x, call->panel, call->f0);
}

/* ---- all rows of a panel ---- */
typedef struct PairKind { /* the functions for whole panels, or for the last panel */
  PairPanel q;
  MatrixFns fns; /* in tile registers, for a fixed number of rows: the functions of the tiles */
  NestFn *fn[2]; /* in tile registers, for a batch: fn[0] for tiles with all blocks of the map, fn[1] for
                    tiles of one block */
} PairKind;

/* Computes whole tiles of a batch. The remaining rows are computed with one tile of half the size (in tile
 * registers: of one block), if there are enough rows, and then with tiles of one row. */
static void batch_rows(const PairKind *kind, const Ix *count, const Ix *panel, const Ix *f0, int tile) {
  const PairRows *p = kind->q.p;
  Nest *b = p->l->b;
  const bool halves = kind->q.map ? kind->fn[1] != NULL : tile > 1;
  const int half = kind->q.map ? (int)kind->q.map->columns : tile / 2;
  const Ix all = *count;
  NEST_FOR(b, m, ceil_divide(p->rows, tile)) {
    const Ix row = m * tile, rest = row + half;
    NEST_IF(b, nest_at_least(b, all - m * tile, tile)) {
      if (kind->fn[0]) nest_call(b, kind->fn[0], row, *panel, *f0);
      else pair_tiles(&kind->q, &row, tile, panel, f0);
    }
    NEST_ELSE(b) {
      NEST_IF(b, nest_at_least(b, all - m * tile, halves ? half : tile)) {
        if (kind->fn[1]) nest_call(b, kind->fn[1], row, *panel, *f0);
        else pair_tiles(&kind->q, &row, half, panel, f0);
        NEST_FROM(b, n, rest, all) pair_tiles(&kind->q, &n, 1, panel, f0);
      }
      NEST_ELSE(b)
        NEST_FROM(b, n, row, all) pair_tiles(&kind->q, &n, 1, panel, f0);
    }
  }
}

/* Sets all outputs of the panel to 0, because the prover cannot show that `batch_rows` writes all of them. */
static void clear_panel(const PairKind *kind, const Ix *count, const Ix *f0) {
  const PairRows *p = kind->q.p;
  Nest *b = p->l->b;
  const int L = p->lanes;
  NEST_FROM(b, n, 0, *count)
    for (int64_t h = 0; h < kind->q.valid; h += L)
      nest_store_part(b, nest_at(b, p->l->out, n, 0, 0, *f0 + h), splat(num(b, 0), L),
                      (int)smaller(kind->q.valid - h, L));
}

static void fixed_rows(const PairKind *kind, const Ix *panel, const Ix *f0, int64_t most, LoopKind loop) {
  const PairRows *p = kind->q.p;
  Nest *b = p->l->b;
  const int64_t tiles = ceil_divide(p->rows, most), wide = ceil_divide(p->rows, tiles),
                wides = p->rows - tiles * (wide - 1);
  NEST_LOOP(b, m, wides > 1 ? loop : SERIAL, 1, NEST_IX(0), 1, NEST_IX(wides))
    pair_tiles(&kind->q, NEST_IX(m * wide), (int)wide, panel, f0);
  if (wides < tiles)
    NEST_LOOP(b, m, tiles - wides > 1 ? loop : SERIAL, 1, NEST_IX(0), 1, NEST_IX(tiles - wides))
      pair_tiles(&kind->q, NEST_IX(m * (wide - 1) + wides * wide), (int)wide - 1, panel, f0);
}

static void rows_of_panel(const PairKind *kind, const Ix *panel, const Ix *f0, int tile, LoopKind loop) {
  const PairRows *p = kind->q.p;
  Nest *b = p->l->b;
  const Ix none = {0};
  if (kernel_whole_batch(p->l->kernel)) {
    clear_panel(kind, &p->count, f0);
    batch_rows(kind, &p->count, panel, f0, tile);
  } else if (kind->q.map) {
    const PairCall call = {p, *panel, *f0};
    matrix_tiles(b, kind->q.map, &kind->fns, call_pair_matrix, &call);
  } else if (p->rows == 1) pair_tiles(&kind->q, &none, 1, panel, f0);
  else fixed_rows(kind, panel, f0, tile, loop);
}

static void begin_pair_kind(PairKind *kind, const PairRows *p, int last, const MatrixMap *map) {
  kind->q = panel_of_kind(p, last, map);
  if (!map || !kind->q.w) return;
  if (!kernel_whole_batch(p->l->kernel)) {
    kind->fns = matrix_functions(map, pair_matrix, &kind->q);
    return;
  }
  kind->fn[0] = pair_matrix(&kind->q, map->blocks, 0);
  if (map->blocks > 1) kind->fn[1] = pair_matrix(&kind->q, 1, 0);
}

void pair_rows_build(PairRows *p, PairRowsBegin *begin, const void *context) {
  enum { BATCH_TILE = 32 };
  Lower *l = p->l;
  Nest *b = l->b;
  const bool batch = kernel_whole_batch(l->kernel),
             tiles = pair_rows_in_tiles(l, l->target, p->rows, p->pairs, p->columns);
  const MatrixMap map = map_of_rows(batch ? smaller(p->rows, BATCH_TILE) : p->rows, p->columns);
  const int tile = tiles ? (int)matrix_sums(&map, map.blocks) : (int)smaller(pair_tile_rows(p), p->rows);
  PairKind kind[2];
  if (tiles) b->tiles = (TileShape){.rows = (int)map.columns, .pairs = matrix_step(p->pairs)};
  for (int i = 0; i < 2; i++) begin_pair_kind((kind[i] = (PairKind){0}, &kind[i]), p, i, tiles ? &map : NULL);
  nest_fn(b, b->name, false);
  if (batch) p->count = lower_rows(l);
  begin(context);
  const LoopKind loop =
      batch ? l->threads ? PARALLEL : SERIAL : schedule_outer(l, p->rows * p->columns * 2 * p->pairs);
  const Ix none = {0};
  if (p->panels)
    NEST_LOOP(b, m, p->panels > 1 ? loop : SERIAL, 1, NEST_IX(0), 1, NEST_IX(p->panels))
      rows_of_panel(&kind[0], &m, NEST_IX(m * p->width), tile, p->panels > 1 ? SERIAL : loop);
  if (p->rest) rows_of_panel(&kind[1], &none, NEST_IX(p->panels * p->width), tile, loop);
  if (tiles)
    lower_about(l, "tile registers, tiles of %d blocks of %d rows x %d vectors of %d columns",
                (int)map.blocks, (int)map.columns, map.vectors, p->lanes);
  else
    lower_about(l, "words of two bf16 numbers, tiles of %d rows x %d vectors of %d columns", tile,
                (int)(p->width / p->lanes), p->lanes);
}
