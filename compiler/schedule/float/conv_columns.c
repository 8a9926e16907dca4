// conv_columns.c: Convolution of a single input channel with few filters: vectors hold output columns, and
// weights are broadcast.
// SPDX-License-Identifier: Apache-2.0
//
// The input is copied to scratch memory, with a border of zeros and with rows padded to whole vectors. So no
// tap needs a bounds check. A tile consists of up to six filters, the rows of a pooling window (without
// pooling: one row), and one or two vectors of columns. Results are stored lane by lane, because the outputs
// of all filters at a pixel are contiguous in memory.
//
// Example: `x: 28x28x1 -> conv(3, 5x5)` --target=x86-64-v3, lines 10-24 of conv1:
//
//     for (int y = 0; y < 24; y++) {
//       v8 a[3][1][2];
//       UNROLL for (int f = 0; f < 3; f++) {
//         a[f][0][0] = n_splat_x8(bias[f]);
//         a[f][0][1] = n_splat_x8(bias[f]);
//       }
//       for (int ky = 0; ky < 5; ky++)
//         UNROLL for (int kx = 0; kx < 5; kx++) {
//           const v8 in0_0 = LOAD(v8, padded[y + ky][kx]);
//           const v8 in0_1 = LOAD(v8, padded[y + ky][kx + 8]);
//           UNROLL for (int f = 0; f < 3; f++) {
//             a[f][0][0] += in0_0 * weight[ky][kx][f];
//             a[f][0][1] += in0_1 * weight[ky][kx][f];
//           }
//         }
#include "schedule/float/direct.h"

enum { MOST_FILTERS = 6, MOST_VECTORS = 2, MOST_POOLED = 4 };

typedef struct Columns {
  Lower *l;
  Correlation k;
  Axis y, x;
  int lanes, vectors;     /* width of a tile: `vectors` vectors of `lanes` columns */
  int64_t filters;        /* number of filters of a tile */
  int64_t tiles;          /* number of tiles in a row */
  Buf *w, *bias, *padded; /* w: [ky][kx][filter]; bias: [filter]; padded: [row][column] */
} Columns;

/* ---- choices: all targets of a generated file share the packed weights, so the schedule must be possible
 * for all targets or for none. So only the kernel and the vectors of the widest target are tested ---- */
static const char *conv_columns_refused(const Lower *l, const Choice *choice) {
  (void)choice;
  const Correlation own = correlation_of(l->node), *k = &own;
  if (l->node->hidden) return "a gradient";
  if (l->layout_lanes == 1) return "no vectors";
  if (k->groups != 1 || k->l != 1) return "more than one input channel";
  if (k->stride[1] != 1) return "a stride";
  for (int i = 0; i < l->kernel->nchain; i++)
    if (l->kernel->chain[i]->nin > 1) return "a fused node with a second operand";
  return NULL;
}

static Columns begin(Lower *l, const Correlation *k) {
  Columns c = {.l = l,
               .k = *k,
               .y = axis_pooled(k, 0, l->kernel->pool),
               .x = axis_pooled(k, 1, l->kernel->pool),
               .lanes = l->target->lanes};
  const int64_t columns = c.x.count * c.x.parts;
  while (c.lanes > 4 && c.lanes / 2 >= columns) c.lanes /= 2;
  c.vectors = columns > c.lanes || c.lanes == 1 ? MOST_VECTORS : 1;
  c.tiles = (columns + c.lanes * c.vectors - 1) / (c.lanes * c.vectors);
  const int64_t room =
      (l->target->registers - c.vectors * c.y.parts - 1 - !l->target->fma) / (c.vectors * c.y.parts);
  const int64_t most = room < 1              ? 1
                       : room > MOST_FILTERS ? MOST_FILTERS
                                             : room,
                groups = (k->s + most - 1) / most;
  c.filters = (k->s + groups - 1) / groups;
  return c;
}

static Val wide(Val v, const Columns *c) { return c->lanes > 1 ? splat(v, c->lanes) : v; }
static Val nothing(Nest *b, const Columns *c) { return wide(num(b, 0), c); }

/* ---- weights and input ---- */
static void pack_weights(Columns *c) {
  Lower *l = c->l;
  const Correlation *k = &c->k;
  Pack *pack = lower_pack_weights(l, "weight", 3, (int64_t[]){k->kernel[0], k->kernel[1], k->s});
  Nest *b = pack->nest;
  NEST_FOR(b, ky, k->kernel[0])
    NEST_FOR(b, kx, k->kernel[1])
      NEST_FOR(b, f, k->s) {
        Ix index[4];
        const Ix channel = {0};
        const int rank = correlation_weight_index(k, index, &f, &channel, &ky, &kx);
        nest_store(b, nest_at(b, pack->out, ky, kx, f),
                   lower_packed_weight(l, pack, rank, index, &f, &channel));
      }
  c->w = lower_pack_done(l, pack);
  c->bias = correlation_bias(l, k, false, 0);
}

static int64_t rows_read(const Columns *c) {
  return (c->y.count - 1) * c->y.in_step + (c->y.parts - 1) * c->y.part_step +
         (c->y.taps - 1) * c->y.tap_step + 1;
}
static int64_t columns_read(const Columns *c) {
  return c->tiles * c->vectors * c->lanes + (c->x.taps - 1) * c->x.tap_step;
}

/* Copies `count` columns of an input row, shifted right by `shift` columns (negative: left). */
static void copy_row(Nest *b, const Columns *c, const Ix *row, int64_t shift, int64_t count) {
  const int L = c->lanes;
  const int64_t from = shift < 0 ? -shift : 0, to = shift < 0 ? 0 : shift, whole = count / L,
                rest = count % L;
  const Ix iy = *row + c->y.in_first;
  if (whole)
    NEST_FOR(b, v, whole)
      nest_store(b, nest_at(b, c->padded, *row, to + v * L),
                 nest_load(b, nest_at(b, c->l->in[0], 0, iy, from + v * L), L));
  if (rest)
    nest_store_part(b, nest_at(b, c->padded, *row, to + whole * L),
                    nest_load_part(b, nest_at(b, c->l->in[0], 0, iy, from + whole * L), (int)rest, L),
                    (int)rest);
}

static void columns_clear(Nest *b, const Columns *c, LoopKind kind, int64_t from, int64_t to) {
  if (from < to)
    NEST_LOOP(b, r, kind, 1, NEST_IX(from), 1, NEST_IX(to))
      NEST_FOR(b, v, c->padded->dim[1] / c->lanes)
        nest_store(b, nest_at(b, c->padded, r, v * c->lanes), nothing(b, c));
}

static void copy_input(Nest *b, const Columns *c, LoopKind kind) {
  const int64_t rows = c->padded->dim[0], before = -c->y.in_first, shift = -c->x.in_first,
                width = c->x.in_size, all = c->padded->dim[1];
  const int64_t from = before < 0      ? 0
                       : before < rows ? before
                                       : rows,
                last = before + c->y.in_size,
                to = last < from   ? from
                     : last < rows ? last
                                   : rows;
  const int64_t left = shift < 0 ? -shift : 0, right = shift + width > all ? shift + width - all : 0,
                count = width - left - right;
  columns_clear(b, c, kind, 0, from);
  if (from < to)
    NEST_LOOP(b, r, kind, 1, NEST_IX(from), 1, NEST_IX(to)) {
      NEST_FOR(b, v, all / c->lanes) nest_store(b, nest_at(b, c->padded, r, v * c->lanes), nothing(b, c));
      if (count > 0) copy_row(b, c, &r, shift, count);
    }
  columns_clear(b, c, kind, to, rows);
}

/* ---- a tile ---- */
static Val plain_sum(Nest *b, const Columns *c, Buf *acc, const Ix *f, int r, int v, const Ix *y,
                     const Ix *filter) {
  const Ix zero = {0};
  return lower_finish(c->l, nest_get(b, nest_at(b, acc, *f, r, v)), y, &zero, filter, 1, 1);
}

/* Every second lane of x, beginning with lane `first`; x is one vector or two adjacent vectors. */
static Val alternate(Nest *b, const Columns *c, const Val x[MOST_VECTORS], int first) {
  int *lane = NEW_ARRAY(b->arena, int, c->lanes);
  for (int i = 0; i < c->lanes; i++) lane[i] = 2 * i + first < c->lanes * c->vectors ? 2 * i + first : 0;
  return shuffle(x[0], x[c->vectors - 1], c->lanes, lane);
}

/* Pools the sums of a tile: each result combines adjacent columns of all rows of the tile. */
static Val pooled(Nest *b, const Columns *c, Buf *acc, const Ix *f, const Ix *y, const Ix *filter) {
  Val x[MOST_POOLED];
  int n = 0;
  for (int r = 0; r < c->y.parts; r++) {
    Val row[MOST_VECTORS];
    for (int v = 0; v < c->vectors; v++)
      row[v] = nest_let(b, nest_text(b, "r%d", v), wide(plain_sum(b, c, acc, f, r, v, y, filter), c));
    for (int i = 0; i < c->x.parts; i++) x[n++] = c->lanes == 1 ? row[i] : alternate(b, c, row, i);
  }
  return c->l->kernel->pool->op->traits.pool(x, n);
}

static void store_lanes(Nest *b, const Columns *c, Val v, const Ix *y, const Ix *x, const Ix *filter,
                        int64_t count) {
  if (c->lanes == 1) {
    lower_put(c->l, v, y, x, filter, 1, 1);
    return;
  }
  Val all = nest_let(b, "all", wide(v, c));
  NEST_UNROLL(b, i, count) lower_put(c->l, lane_at(b, all, &i), y, NEST_IX(*x + i), filter, 1, 1);
}

/* Computes `count` outputs of row y, starting at column `first`, for `filters` filters, starting at *f0. */
static void tile(Nest *b, const Columns *c, const Ix *y, const Ix *first, const Ix *f0, int64_t filters,
                 int64_t count) {
  const int rows = (int)c->y.parts;
  Buf *acc = NEST_REGISTERS(b, "a", c->lanes, filters, rows, c->vectors);
  NEST_UNROLL(b, f, filters)
    for (int r = 0; r < rows; r++)
      for (int v = 0; v < c->vectors; v++)
        nest_store(b, nest_at(b, acc, f, r, v),
                   c->bias ? nest_load(b, nest_at(b, c->bias, *f0 + f), 1) : num(b, 0));
  NEST_FOR(b, ky, c->y.taps)
    NEST_LOOP(b, kx, c->x.taps <= c->l->target->blocking.unrolled_taps ? UNROLLED : SERIAL, 1, NEST_IX(0), 1,
              NEST_IX(c->x.taps)) {
      Val in[MOST_POOLED];
      for (int r = 0; r < rows; r++)
        for (int v = 0; v < c->vectors; v++)
          in[r * c->vectors + v] = nest_let(
              b, nest_text(b, "in%d_%d", r, v),
              nest_load(b,
                        nest_at(b, c->padded, *y * c->y.in_step + r * c->y.part_step + ky * c->y.tap_step,
                                *first * c->x.parts + c->lanes * v + kx * c->x.tap_step),
                        c->lanes));
      NEST_UNROLL(b, f, filters)
        for (int r = 0; r < rows; r++)
          for (int v = 0; v < c->vectors; v++)
            nest_accumulate(b, nest_at(b, acc, f, r, v), in[r * c->vectors + v],
                            nest_load(b, nest_at(b, c->w, ky, kx, *f0 + f), 1));
    }
  NEST_UNROLL(b, f, filters) {
    const Ix filter = *f0 + f;
    const int64_t a_vector = c->lanes;
    if (c->l->kernel->pool) store_lanes(b, c, pooled(b, c, acc, &f, y, &filter), y, first, &filter, count);
    else
      for (int v = 0; v < c->vectors; v++) {
        const int64_t left = count - v * a_vector;
        if (left > 0)
          store_lanes(b, c, plain_sum(b, c, acc, &f, 0, v, y, &filter), y, NEST_IX(*first + v * a_vector),
                      &filter, left < a_vector ? left : a_vector);
      }
  }
}

static void filters_of_tile(Nest *b, const Columns *c, const Ix *y, const Ix *first, int64_t count) {
  const int64_t whole = c->k.s / c->filters, rest = c->k.s % c->filters;
  NEST_FOR(b, g, whole) tile(b, c, y, first, NEST_IX(g * c->filters), c->filters, count);
  if (rest) tile(b, c, y, first, NEST_IX(whole * c->filters), rest, count);
}

static bool conv_columns_build(Lower *l) {
  const Correlation k = correlation_of(l->node);
  Columns c = begin(l, &k);
  pack_weights(&c);
  const int64_t width = (columns_read(&c) + c.lanes - 1) / c.lanes * c.lanes,
                outputs = c.lanes * c.vectors / c.x.parts;
  c.padded = lower_scratch(l, "padded", 2, (int64_t[]){rows_read(&c), width});
  Nest *b = l->b;
  lower_columns(l);
  nest_fn(b, b->name, false);
  const LoopKind kind = schedule_outer(l, correlation_macs(&k));
  copy_input(b, &c, kind);
  NEST_LOOP(b, y, kind, 1, NEST_IX(0), 1, NEST_IX(c.y.count)) {
    const int64_t last = c.x.count - (c.tiles - 1) * outputs;
    if (c.tiles > 1)
      NEST_FOR(b, t, c.tiles - 1) filters_of_tile(b, &c, &y, NEST_IX(t * outputs), outputs);
    filters_of_tile(b, &c, &y, NEST_IX((c.tiles - 1) * outputs), last);
  }
  lower_about(l, "%d filters x %d vectors of %d columns", (int)c.filters, c.vectors, c.lanes);
  return true;
}

static bool conv_columns_takes(const Lower *l) {
  const Correlation k = correlation_of(l->node);
  return takes_channels(l) && k.l == 1 && k.groups == 1;
}

static Cycles conv_columns_cycles(const Lower *l, const Target *target, const Choice *choice) {
  (void)choice;
  const Correlation k = correlation_of(l->node);
  return cost_columns(target, &k, shape_row_elements(l->kernel->result->shape), l->weight_bytes);
}

const Schedule schedule_conv_columns = {.name = "columns",
                                        .tuning_name = "columns",
                                        .families = FAMILY_BIT(FAMILY_CONV),
                                        .transforms = "single stores",
                                        .takes = conv_columns_takes,
                                        .refused = conv_columns_refused,
                                        .cycles = conv_columns_cycles,
                                        .build = conv_columns_build,
                                        .variants = choices_itself};
