// dense_rows.c: Dense layers and their gradients for all rows of the leading axis (the images of a batch or
// the regions of an image): matrix products that read each weight once.
// SPDX-License-Identifier: Apache-2.0
//
//     forward          out[n][u] = finish(bias[u] + sum over i of x[n][i] * w[u][i])
//     input gradient   dx[n][i]  = finish(sum over u of dy[n][u] * w[u][i])
//     weight gradient  dw[u][i] += sum over n of dy[n][u] * x[n][i]
//
// Each of these products is sums[row][column] += sum over k of a[row][k] * b[k][column]. The columns are
// divided into panels of a few vectors. The rows of b in a panel are divided into parts of at most
// Blocking.dense_depth rows (in inference: Blocking.dense_packed); in the weight gradient, all rows form one
// part. All register tiles, which have a few rows
// each, read one part before the next. In training, each part of b is first copied to contiguous memory. In
// inference, b is the packed weights, and each tile prefetches its share of the next part.
//
// Example: `x: 256 -> dense(64) -> relu -> train(8)` --target=x86-64-v3 --train,
// lines 97-106 of dense1_training:
//
//       a[r][0] = LOAD(v8, out[6*m_2 + r][0][0][16*m]);
//       a[r][1] = LOAD(v8, out[6*m_2 + r][0][0][16*m + 8]);
//     }
//     for (int k = 0; k < 256; k++) {
//       const v8 w0 = LOAD(v8, b[k][0]);
//       const v8 w1 = LOAD(v8, b[k][8]);
//       a[0][0] += in[6*m_2][0][0][k] * w0;
//       a[0][1] += in[6*m_2][0][0][k] * w1;
//       a[1][0] += in[6*m_2 + 1][0][0][k] * w0;
//       a[1][1] += in[6*m_2 + 1][0][0][k] * w1;
#include "graph/bf16.h"
#include "ops/registry.h"
#include "schedule/cost.h"
#include "schedule/float/dense.h"
#include "schedule/float/direct.h"
#include "schedule/float/images.h"
#include "schedule/float/rows.h"
#include "schedule/schedule.h"

/* ---- packed weights, which dense.c reads, too ---- */
enum { PANEL_VECTORS = 4 };

static Buf *dense_pack_panels(Lower *l, const DensePacks *d, const char *member, int64_t first, int64_t count,
                              int64_t width, int64_t valid) {
  Pack *pack = lower_pack_weights(l, member, 3, (int64_t[]){count, d->inputs, width});
  Nest *b = pack->nest;
  NEST_FOR(b, p, count)
    NEST_FOR(b, i, d->inputs) {
      NEST_FOR(b, n, valid) {
        const Ix unit = first + p * width + n;
        nest_store(b, nest_at(b, pack->out, p, i, n),
                   lower_packed_weight(l, pack, 2, NEST_IX(unit, i), &unit, &i));
      }
      if (valid < width)
        NEST_FROM(b, n, valid, width) nest_store(b, nest_at(b, pack->out, p, i, n), num(b, 0));
    }
  return lower_pack_done(l, pack);
}

static Buf *pack_bias(Lower *l, const DensePacks *d, int64_t padded) {
  Pack *pack = lower_pack(l, "bias", 1, &padded);
  Nest *b = pack->nest;
  const Ix none = {0};
  NEST_FOR(b, u, d->units) nest_store(b, nest_at(b, pack->out, u), lower_packed_bias(l, pack, &u, &none));
  if (padded > d->units)
    NEST_FROM(b, u, d->units, padded) nest_store(b, nest_at(b, pack->out, u), num(b, 0));
  return lower_pack_done(l, pack);
}

DensePacks dense_packs(Lower *l) {
  DensePacks d = {.inputs = shape_row_elements(l->node->in[0]->shape),
                  .units = shape_row_elements(l->node->shape)};
  const int64_t unit = direct_unit(l, d.units);
  d.lanes = l->target->lanes < unit ? l->target->lanes : (int)unit;
  d.width = PANEL_VECTORS * unit;
  d.panels = d.units / d.width;
  d.rest = d.units % d.width;
  const int64_t rest_width = (d.rest + unit - 1) / unit * unit;
  if (d.panels) d.w[0] = dense_pack_panels(l, &d, "weight", 0, d.panels, d.width, d.width);
  if (d.rest)
    d.w[1] = dense_pack_panels(l, &d, d.panels ? "weight_rest" : "weight", d.panels * d.width, 1, rest_width,
                               d.rest);
  d.bias = pack_bias(l, &d, d.panels * d.width + rest_width);
  return d;
}

enum { VECTORS = 2, MOST_VECTORS = 4, TOGETHER = 4 };
static const double WORTH = 0.9; /* a layer is batched only if the batched kernel needs less than this
                                    fraction of the time of the unbatched kernel, because batching interrupts
                                    the loop over images */

typedef struct Product {
  Lower *l;
  Family family;
  int64_t inputs, units;
  int64_t rows, columns,
      depth; /* sizes of the product. rows (weight gradient: depth): the maximum size of the leading axis */
  int lanes, vectors, tile; /* number of lanes of a vector, of vectors of a panel, and of rows of a tile */
  Buf *w, *bias, *dy;       /* dy: for the weight gradient, a copy of dy as [tile][image][unit of the tile] */
  const Ix *count;
  LoopKind loops; /* PARALLEL with threads, otherwise SERIAL: kind of the outermost loops */
} Product;

/* Columns of a panel, from `first` on; part: lanes in use in the last vector. In inference, b has the packed
 * weights, and the columns are b[number][k][from ..]. */
typedef struct Panel {
  Ix first;
  int vectors, part;
  Buf *b;
  bool packed;
  Ix number, from;
} Panel;

/* Whether the rows of the result are rows of the leading axis; in the weight gradient, they are units. */
static bool gives_rows(const Product *p) { return p->family != FAMILY_DENSE_WEIGHTS; }

static int dense_rows_part_of(const Product *p, const Panel *panel, int v) {
  return v == panel->vectors - 1 ? panel->part : p->lanes;
}

static Ref dense_rows_sum_at(Nest *b, const Product *p, const Panel *panel, const Ix *row, int v) {
  const Ix column = panel->first + v * p->lanes;
  return gives_rows(p) ? nest_at(b, p->l->out, *row, 0, 0, column) : nest_at(b, p->l->out, *row, column);
}

static Val load_sum(Nest *b, const Product *p, const Panel *panel, const Ix *row, int v) {
  if (!gives_rows(p) && !lower_adds(p->l)) return splat(num(b, 0), p->lanes);
  const Ref ref = dense_rows_sum_at(b, p, panel, row, v);
  const int part = dense_rows_part_of(p, panel, v);
  return nest_load_part(b, ref, part, p->lanes);
}

static void store_sum(Nest *b, const Product *p, const Panel *panel, const Ix *row, int v, Val sum) {
  const Ref ref = dense_rows_sum_at(b, p, panel, row, v);
  const int part = dense_rows_part_of(p, panel, v);
  nest_store_part(b, ref, sum, part);
}

/* ---- the part of b in a panel ---- */
static Val load_columns(Nest *b, const Product *p, const Panel *panel, Ref ref, int v) {
  const int part = dense_rows_part_of(p, panel, v);
  return nest_load_part(b, ref, part, p->lanes);
}

/* Transposes weights [units][inputs] to [inputs][units]: first squares of L x L weights (L: lanes), then the
 * rest. Missing units are zeros. */
static void turn_weights(Nest *b, const Product *p, const Panel *panel, const Ix *first, int64_t depth) {
  const int64_t L = p->lanes, squares = depth / L;
  for (int v = 0; v < panel->vectors; v++) {
    const int part = dense_rows_part_of(p, panel, v);
    if (squares)
      NEST_FOR(b, q, squares) {
        Val x[LANES];
        for (int t = 0; t < L; t++)
          x[t] =
              t < part
                  ? nest_let(b, nest_text(b, "x%d", t),
                             nest_load(b, nest_at(b, p->w, panel->first + v * L + t, *first + q * L), (int)L))
                  : splat(num(b, 0), (int)L);
        walk_transpose(b, x, (int)L);
        for (int t = 0; t < L; t++) nest_store(b, nest_at(b, panel->b, q * L + t, v * L), x[t]);
      }
    if (depth % L)
      NEST_FROM(b, k, squares * L, depth)
        for (int t = 0; t < L; t++)
          nest_store(b, nest_at(b, panel->b, k, v * L + t),
                     t < part ? nest_load(b, nest_at(b, p->w, panel->first + v * L + t, *first + k), 1)
                              : num(b, 0));
  }
}

static void dense_rows_fill_panel(Nest *b, const Product *p, const Panel *panel, const Ix *first,
                                  int64_t depth) {
  const int L = p->lanes;
  switch (p->family) {
  case FAMILY_DENSE: turn_weights(b, p, panel, first, depth); break;
  case FAMILY_DENSE_INPUT:
    NEST_FOR(b, k, depth)
      for (int v = 0; v < panel->vectors; v++)
        nest_store(b, nest_at(b, panel->b, k, v * L),
                   load_columns(b, p, panel, nest_at(b, p->w, *first + k, panel->first + v * L), v));
    break;
  default:
    NEST_FROM(b, n, 0, *p->count)
      for (int v = 0; v < panel->vectors; v++)
        nest_store(b, nest_at(b, panel->b, n, v * L),
                   load_columns(b, p, panel, nest_at(b, p->l->in[0], n, 0, 0, panel->first + v * L), v));
  }
}

/* ---- tiles ---- */
static Val part_of_b(Nest *b, const Product *p, const Panel *panel, const Ix *first, const Ix *k, int v) {
  return nest_load(b,
                   panel->packed
                       ? nest_at(b, panel->b, panel->number, *first + *k, panel->from + v * p->lanes)
                       : nest_at(b, panel->b, *k, v * p->lanes),
                   p->lanes);
}

/* Prefetches weights of the next part of the panel: from the row of b that is `depth` rows after the current
 * row. Each tile prefetches one cache line of that row, or more lines if there are few tiles. */
static void dense_rows_fetch_next(Nest *b, const Product *p, const Panel *panel, const Ix *number,
                                  const Ix *first, const Ix *k, int64_t depth) {
  const int64_t width = panel->b->dim[2], line = p->l->target->line / 4, lines = width / line,
                tiles = (p->rows + p->tile - 1) / p->tile, each = (lines + tiles - 1) / tiles;
  if (panel->vectors * p->lanes < width) return;
  for (int64_t i = 0; i < each; i++)
    nest_prefetch(b, panel->b,
                  panel->number * (p->depth * width) + (*first + *k + depth) * width +
                      (*number * each + i) * line);
}

static Ref a_at(Nest *b, const Product *p, const Ix *row, const Ix *block, int r, const Ix *k) {
  return gives_rows(p) ? nest_at(b, p->l->in[0], *row + r, 0, 0, *k) : nest_at(b, p->dy, *block, *k, r);
}

/* Adds the products of row first + k of b. first: the first row of b in the current part of the panel. */
static void accumulate_row(Nest *b, const Product *p, const Panel *panel, const Ix *row, const Ix *block,
                           Buf *acc, const Ix *first, int64_t depth, const Ix *k) {
  const int rows = (int)acc->dim[0];
  Val w[MOST_VECTORS];
  if (panel->packed && rows == p->tile) dense_rows_fetch_next(b, p, panel, block, first, k, depth);
  for (int v = 0; v < panel->vectors; v++)
    w[v] = nest_let(b, nest_text(b, "w%d", v), part_of_b(b, p, panel, first, k, v));
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < panel->vectors; v++)
      nest_accumulate(b, nest_at(b, acc, r, v),
                      nest_load(b, a_at(b, p, row, block, r, NEST_IX(*first + *k)), 1), w[v]);
}

/* Computes tile `block`: `rows` rows of the result, from `row` on. first: the first row of b in the current
 * part of the panel. If a tile has at most Target.chains sums, any stall costs time. So the loop over the
 * rows of b is then unrolled: 8 images by 1024 x 1024 weights need 0.19 ms rather than 0.22 ms on Zen 3. */
static void dense_rows_tile(Nest *b, const Product *p, const Panel *panel, const Ix *row, const Ix *block,
                            int rows, const Ix *first, int64_t depth) {
  const int L = p->lanes;
  const bool few = rows == p->tile && rows * panel->vectors <= p->l->target->chains && gives_rows(p);
  const int64_t step = few && depth % TOGETHER == 0 ? TOGETHER : 1;
  const Ix begin = {0}, end = gives_rows(p) ? NEST_Z + depth : *p->count;
  Buf *acc = NEST_REGISTERS(b, "a", L, rows, panel->vectors);
  NEST_UNROLL(b, r, rows)
    for (int v = 0; v < panel->vectors; v++)
      nest_store(b, nest_at(b, acc, r, v), load_sum(b, p, panel, NEST_IX(*row + r), v));
  if (step > 1)
    NEST_FOR(b, k, depth / step)
      NEST_UNROLL(b, i, step)
        accumulate_row(b, p, panel, row, block, acc, first, depth, NEST_IX(k * step + i));
  else
    NEST_FROM(b, k, begin, end) accumulate_row(b, p, panel, row, block, acc, first, depth, &k);
  NEST_UNROLL(b, r, rows)
    for (int v = 0; v < panel->vectors; v++)
      store_sum(b, p, panel, NEST_IX(*row + r), v, nest_get(b, nest_at(b, acc, r, v)));
}

/* Computes whole tiles. The remaining rows are computed with at most one tile of half the size, then with
 * tiles of one row. */
static void tiles_of_rows(Nest *b, const Product *p, const Panel *panel, const Ix *first, int64_t depth) {
  const int T = p->tile, half = T / 2;
  const Ix count = *p->count, none = {0};
  NEST_FOR(b, m, (p->rows + T - 1) / T) {
    NEST_IF(b, nest_at_least(b, count - m * T, T))
      dense_rows_tile(b, p, panel, NEST_IX(m * T), &m, T, first, depth);
    NEST_ELSE(b) {
      NEST_IF(b, nest_at_least(b, count - m * T, half)) {
        dense_rows_tile(b, p, panel, NEST_IX(m * T), &none, half, first, depth);
        NEST_FROM(b, n, m * T + half, count) dense_rows_tile(b, p, panel, &n, &none, 1, first, depth);
      }
      NEST_ELSE(b)
        NEST_FROM(b, n, m * T, count) dense_rows_tile(b, p, panel, &n, &none, 1, first, depth);
    }
  }
}

static void tiles_of_units(Nest *b, const Product *p, const Panel *panel) {
  const int64_t whole = p->rows / p->tile, rest = p->rows % p->tile;
  const Ix none = {0};
  if (whole)
    NEST_FOR(b, m, whole) dense_rows_tile(b, p, panel, NEST_IX(m * p->tile), &m, p->tile, &none, 0);
  if (rest) dense_rows_tile(b, p, panel, NEST_IX(whole * p->tile), NEST_IX(whole), (int)rest, &none, 0);
}

/* ---- panels ---- */
static void dense_rows_block(Nest *b, const Product *p, const Panel *given, const Ix *first,
                             int64_t depth) { /* for rows first .. first+depth-1 of b */
  Panel panel = *given;
  if (!panel.packed) {
    panel.b = NEST_BUF(b, STACK, "b", depth, panel.vectors * p->lanes);
    dense_rows_fill_panel(b, p, &panel, first, depth);
  }
  if (gives_rows(p)) tiles_of_rows(b, p, &panel, first, depth);
  else tiles_of_units(b, p, &panel);
}

static Val dense_rows_begin_sum(Nest *b, const Product *p, const Panel *panel, int v) {
  if (panel->packed) return nest_load(b, nest_at(b, p->bias, panel->first + v * p->lanes), p->lanes);
  return p->bias ? load_columns(b, p, panel, nest_at(b, p->bias, panel->first + v * p->lanes), v)
                 : splat(num(b, 0), p->lanes);
}

static void panel_of_rows(Nest *b, const Product *p, const Panel *panel) {
  const Blocking *blocking = &p->l->target->blocking;
  const int64_t most = panel->packed ? blocking->dense_packed : blocking->dense_depth,
                blocks = (p->depth + most - 1) / most, each = (p->depth + blocks - 1) / blocks,
                size = (each + p->lanes - 1) / p->lanes * p->lanes;
  const int64_t whole = p->depth / size, rest = p->depth % size;
  const Ix none = {0};
  NEST_FROM(b, n, 0, *p->count)
    for (int v = 0; v < panel->vectors; v++)
      store_sum(b, p, panel, &n, v, dense_rows_begin_sum(b, p, panel, v));
  if (whole)
    NEST_FOR(b, q, whole) dense_rows_block(b, p, panel, NEST_IX(q * size), size);
  if (rest) dense_rows_block(b, p, panel, NEST_IX(whole * size), rest);
  if (p->l->kernel->nchain)
    NEST_FROM(b, n, 0, *p->count) {
      p->l->row = &n;
      for (int v = 0; v < panel->vectors; v++)
        lower_store(p->l, load_sum(b, p, panel, &n, v), &none, &none, NEST_IX(panel->first + v * p->lanes),
                    dense_rows_part_of(p, panel, v), p->lanes);
    }
}

static void dense_rows_panel(Nest *b, const Product *p, const Panel *panel) {
  const Ix none = {0};
  if (gives_rows(p)) panel_of_rows(b, p, panel);
  else dense_rows_block(b, p, panel, &none, p->depth);
}

/* Copies dy. In the copy, the gradients of a tile's units are contiguous, image after image. */
static void gather_units(Nest *b, const Product *p) {
  const int64_t whole = p->units / p->tile, rest = p->units % p->tile;
  NEST_LOOP(b, n, p->loops, 1, NEST_IX(0), 1, NEST_IX(*p->count)) {
    if (whole)
      NEST_FOR(b, m, whole)
        NEST_UNROLL(b, r, p->tile)
          nest_store(b, nest_at(b, p->dy, m, n, r),
                     nest_load(b, nest_at(b, p->l->in[1], n, 0, 0, m * p->tile + r), 1));
    if (rest)
      NEST_UNROLL(b, r, rest)
        nest_store(b, nest_at(b, p->dy, whole, n, r),
                   nest_load(b, nest_at(b, p->l->in[1], n, 0, 0, whole * p->tile + r), 1));
  }
}

static const char *all_rows(const Lower *l) {
  return kernel_whole_batch(l->kernel) ? "all images" : "all regions";
}

/* ---- inference ---- */
static void packed_panel(Nest *b, const Product *p, Buf *w, const Ix *number, const Ix *first,
                         int64_t units) {
  const int64_t step = p->vectors * p->lanes, whole = units / step, rest = units % step,
                vectors = (rest + p->lanes - 1) / p->lanes;
  Panel panel = {.vectors = p->vectors, .part = p->lanes, .b = w, .packed = true, .number = *number};
  if (whole)
    NEST_FOR(b, m, whole) {
      panel.first = *first + m * step;
      panel.from = m * step;
      panel_of_rows(b, p, &panel);
    }
  if (!rest) return;
  panel.first = *first + whole * step;
  panel.from = NEST_Z + whole * step;
  panel.vectors = (int)vectors;
  panel.part = (int)(rest - (vectors - 1) * p->lanes);
  panel_of_rows(b, p, &panel);
}

/* Rows per tile: the largest of 6, 5 and 4 for which all tiles have the same size; 6 if there is none. */
static int dense_rows_tile_of(const Product *p) {
  const int most = 6;
  for (int rows = most; rows >= 4; rows--)
    if (p->rows % rows == 0) return rows;
  return most;
}

static bool packed_product(Lower *l) {
  const DensePacks packs = dense_packs(l);
  Product p = {.l = l,
               .family = FAMILY_DENSE,
               .inputs = packs.inputs,
               .units = packs.units,
               .rows = l->rows,
               .columns = packs.units,
               .depth = packs.inputs,
               .lanes = packs.lanes,
               .bias = packs.bias,
               .loops = l->threads ? PARALLEL : SERIAL};
  const int most = l->target->blocking.dense_vectors;
  const Ix none = {0};
  p.vectors = packs.width / p.lanes < most ? (int)(packs.width / p.lanes) : most;
  p.tile = dense_rows_tile_of(&p);
  Nest *b = l->b;
  nest_fn(b, b->name, false);
  const Ix count = lower_rows(l);
  p.count = &count;
  if (packs.panels)
    NEST_LOOP(b, m, p.loops, 1, NEST_IX(0), 1, NEST_IX(packs.panels))
      packed_panel(b, &p, packs.w[0], &m, NEST_IX(m * packs.width), packs.width);
  if (packs.rest) packed_panel(b, &p, packs.w[1], &none, NEST_IX(packs.panels * packs.width), packs.rest);
  lower_about(l, "batched over %s: %d rows x %d vectors of %d columns", all_rows(l), p.tile, p.vectors,
              p.lanes);
  return true;
}

bool dense_pays_together(const RowsCosts *costs, int64_t batch) {
  enum { MACS = 1 << 20 }; /* any number is suitable: the costs of both alternatives are proportional to it */
  const Target *target = costs->target;
  return batch > 1 && cost_together(target, MACS, 4 * MACS, batch, costs->weight_bytes).total <
                          WORTH * cost_stream(target, MACS, 0, 4 * MACS, costs->weight_bytes).total;
}

/* ---- training ---- */
static bool dense_rows_build(Lower *l) {
  if (l->call || !l->batch) return packed_product(l);
  const Node *forward = node_forward(l->node);
  Product p = {.l = l,
               .family = l->node->op->family,
               .inputs = shape_row_elements(forward->in[0]->shape),
               .units = shape_row_elements(forward->shape)};
  const bool weights = p.family == FAMILY_DENSE_WEIGHTS, out = p.family == FAMILY_DENSE;
  p.rows = weights ? p.units : l->rows;
  p.columns = out ? p.units : p.inputs;
  p.depth = weights ? l->rows : out ? p.inputs : p.units;
  p.loops = l->threads ? PARALLEL : SERIAL;
  p.lanes = l->target->lanes;
  p.vectors = VECTORS;
  p.tile = l->target->blocking.dense_rows;
  if (!weights) p.w = lower_weight(l, 0);
  if (out) p.bias = lower_weight(l, 1);
  if (weights)
    p.dy = lower_scratch(l, "dy", 3, (int64_t[]){(p.units + p.tile - 1) / p.tile, l->rows, p.tile});
  const int64_t width = VECTORS * p.lanes, whole = p.columns / width, rest = p.columns % width,
                vectors = (rest + p.lanes - 1) / p.lanes;
  Nest *b = l->b;
  nest_fn(b, b->name, false);
  const Ix count = lower_rows(l);
  p.count = &count;
  if (weights) gather_units(b, &p);
  if (whole)
    NEST_LOOP(b, m, p.loops, 1, NEST_IX(0), 1, NEST_IX(whole))
      dense_rows_panel(b, &p, &(Panel){.first = m * width, .vectors = VECTORS, .part = p.lanes});
  if (rest)
    dense_rows_panel(b, &p,
                     &(Panel){.first = NEST_Z + whole * width,
                              .vectors = (int)vectors,
                              .part = (int)(rest - (vectors - 1) * p.lanes)});
  lower_about(l, "batched over %s: %d rows x %d vectors of %d columns", all_rows(l), p.tile, VECTORS,
              p.lanes);
  return true;
}

/* ---- candidate ---- */
bool dense_rows_compared(const Lower *l) {
  return !node_is_bf16(l->node) && !kernel_whole_batch(l->kernel) && l->node->op->family == FAMILY_DENSE &&
         l->call > 1 && l->images <= 1;
}

static bool dense_rows_takes(const Lower *l) {
  return (kernel_whole_batch(l->kernel) && !bf16_dense_pairs(l->node)) || dense_rows_compared(l);
}

static Cycles dense_rows_cycles(const Lower *l, const Target *target, const Choice *choice) {
  (void)choice;
  const Node *forward = node_forward(l->node);
  const int64_t weights = shape_row_elements(forward->in[0]->shape) * shape_row_elements(forward->shape),
                macs = l->call ? node_macs(l->node) : weights;
  return cost_together(target, macs, 4 * macs, l->call ? l->call : l->batch, l->weight_bytes);
}

static const char *dense_rows_refused(const Lower *l, const Choice *choice) {
  const double alone = cost_kernel(l, l->target, choice).total;
  const bool worth = dense_rows_cycles(l, l->target, choice).total < l->target->rates->gain * alone;
  return dense_rows_compared(l) && worth ? "the weights stay in the L1 and L2 caches" : NULL;
}

const Schedule schedule_dense_rows = {.name = "batched",
                                      .families = FAMILY_BIT(FAMILY_DENSE) | FAMILY_BIT(FAMILY_DENSE_INPUT) |
                                                  FAMILY_BIT(FAMILY_DENSE_WEIGHTS),
                                      .takes = dense_rows_takes,
                                      .compared = dense_rows_compared,
                                      .refused = dense_rows_refused,
                                      .cycles = dense_rows_cycles,
                                      .build = dense_rows_build};
