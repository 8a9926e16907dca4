// dense.c: Dense layers and their gradients, for one image or for interleaved images. Each weight is loaded
// once, so the speed depends on the order in which weights are read from memory.
// SPDX-License-Identifier: Apache-2.0
//
// Forward: panels of four vectors of units, [panel][inputs][units of the panel], are read once from start to
// end. There are enough independent sums to hide the latency of additions. Backward: natural weights
// [units][inputs] already have the order that both gradients need.
//
// Example: `x: 256 -> dense(64)` --target=x86-64-v3, lines 12-21 of dense1:
//
//     a[1][3] = (v8){0};
//     for (int n = 0; n < 128; n++) {
//       a[0][0] += in[0][0][2*n] * LOAD(v8, weight[p][2*n][0]);
//       a[0][1] += in[0][0][2*n] * LOAD(v8, weight[p][2*n][8]);
//       a[0][2] += in[0][0][2*n] * LOAD(v8, weight[p][2*n][16]);
//       a[0][3] += in[0][0][2*n] * LOAD(v8, weight[p][2*n][24]);
//       a[1][0] += in[0][0][2*n + 1] * LOAD(v8, weight[p][2*n + 1][0]);
//       a[1][1] += in[0][0][2*n + 1] * LOAD(v8, weight[p][2*n + 1][8]);
//       a[1][2] += in[0][0][2*n + 1] * LOAD(v8, weight[p][2*n + 1][16]);
//       a[1][3] += in[0][0][2*n + 1] * LOAD(v8, weight[p][2*n + 1][24]);
#include "schedule/float/dense.h"
#include "base/number.h"
#include "graph/bf16.h"
#include "schedule/float/direct.h"
#include "schedule/float/images.h"

enum { ROWS = 4 };

/* ---- forward ---- */
typedef struct Dense {
  Lower *l;
  int64_t inputs, units;
  int lanes, vectors; /* width of a tile: a panel, or the part of it that fits in the registers */
  Buf *bias;
  Buf *natural; /* natural weights [units][inputs] (reads_natural); NULL: packed weights are read */
} Dense;

static Ref dense_weight_at(Nest *b, const Dense *d, Buf *w, const Ix *panel, const Ix *input, const Ix *first,
                           const Ix *h, int v) {
  return d->natural ? nest_at(b, d->natural, *first + v, *input)
                    : nest_at(b, w, *panel, *input, *h + d->lanes * v);
}

/* Computes `vectors` vectors of units, starting at h in a panel's rows; `part` lanes of the last vector are
 * in use. */
static void units(Nest *b, const Dense *d, Buf *w, const Ix *panel, const Ix *first, const Ix *h, int vectors,
                  int part) {
  const Ix none = {0};
  const int L = d->lanes;
  int together = 1;
  const int chains = d->l->target->chains;
  while (together < chains && together * vectors < chains && together * 2 <= d->inputs) together *= 2;
  Buf *acc = NEST_REGISTERS(b, "a", L, together, vectors);
  for (int u = 0; u < together; u++)
    for (int v = 0; v < vectors; v++)
      nest_store(b, nest_at(b, acc, u, v),
                 u || !d->bias ? num(b, 0) : nest_load(b, nest_at(b, d->bias, *first + L * v), L));
  const int64_t rounds = d->inputs / together;
  NEST_FOR(b, n, rounds)
    for (int u = 0; u < together; u++)
      for (int v = 0; v < vectors; v++)
        nest_accumulate(
            b, nest_at(b, acc, u, v), nest_load(b, nest_at(b, d->l->in[0], 0, 0, n * together + u), 1),
            nest_load(b, dense_weight_at(b, d, w, panel, NEST_IX(n * together + u), first, h, v), L));
  for (int64_t i = rounds * together; i < d->inputs; i++)
    for (int v = 0; v < vectors; v++)
      nest_accumulate(b, nest_at(b, acc, i - rounds * together, v),
                      nest_load(b, nest_at(b, d->l->in[0], 0, 0, i), 1),
                      nest_load(b, dense_weight_at(b, d, w, panel, NEST_IX(i), first, h, v), L));
  for (int v = 0; v < vectors; v++) {
    Val sum = nest_get(b, nest_at(b, acc, 0, v));
    for (int u = 1; u < together; u++) sum = add(sum, nest_get(b, nest_at(b, acc, u, v)));
    const Ix unit = *first + L * v;
    lower_store(d->l, sum, &none, &none, &unit, v == vectors - 1 ? part : L, L);
  }
}

static void panels(Nest *b, const Dense *d, Buf *w, int64_t first, int64_t count, int64_t width,
                   int64_t valid, LoopKind kind) {
  const int64_t step = d->vectors * d->lanes, whole = valid / step, rest = valid % step;
  const int vectors = (int)((rest + d->lanes - 1) / d->lanes);
  NEST_LOOP(b, p, kind, 1, NEST_IX(0), 1, NEST_IX(count)) {
    if (whole)
      NEST_FOR(b, n, whole)
        units(b, d, w, &p, NEST_IX(first + p * width + n * step), NEST_IX(n * step), d->vectors, d->lanes);
    if (rest)
      units(b, d, w, &p, NEST_IX(first + p * width + whole * step), NEST_IX(whole * step), vectors,
            (int)rest - (vectors - 1) * d->lanes);
  }
}

/* Number of units whose sums are in registers at the same time. */
static int natural_units(const Lower *l) { return l->target->registers * 5 / 8; }

/* Whether half of the L1 cache can hold one cache line of each row. It is assumed that a way of the L1 cache
 * has the size of a page. Then lines whose addresses differ by multiples of a page compete for the ways of
 * one set. */
static bool rows_fit_ways(const Target *target, int64_t rows, int64_t floats) {
  enum { PAGE = 4096 };
  const int64_t ways = target->l1 / PAGE;
  const int64_t bytes = 4 * floats,
                step = bytes & -bytes; /* step: the largest power of two that divides `bytes` */
  const int64_t places = PAGE / larger(smaller(step, PAGE), target->line);
  return ceil_divide(rows, places) <= ways / 2;
}

/* Whether natural weights are read: with interleaved images, each weight is broadcast, so it need not be
 * adjacent to the weights of other units. */
static bool reads_natural(const Lower *l, int64_t inputs) {
  return l->images > 1 && l->batch && !l->kernel->normalize && !l->kernel->nscales &&
         rows_fit_ways(l->target, natural_units(l), inputs);
}

static void natural_rows(Dense *d) {
  Lower *l = d->l;
  Nest *b = l->b;
  const Ix none = {0};
  d->natural = lower_weight(l, 0);
  d->bias = lower_weight(l, 1);
  d->lanes = 1;
  d->vectors = natural_units(l);
  const int64_t whole = d->units / d->vectors, rest = d->units % d->vectors;
  nest_fn(b, b->name, false);
  if (whole)
    NEST_FOR(b, n, whole) units(b, d, NULL, &none, NEST_IX(n * d->vectors), &none, d->vectors, 1);
  if (rest) units(b, d, NULL, &none, NEST_IX(whole * d->vectors), &none, (int)rest, 1);
  lower_about(l, "%d units at a time", d->vectors);
}

static bool dense_build(Lower *l) {
  if (l->rows) return schedule_dense_rows.build(l);
  Dense d = {.l = l,
             .inputs = shape_row_elements(l->node->in[0]->shape),
             .units = shape_row_elements(l->node->shape)};
  if (reads_natural(l, d.inputs)) {
    natural_rows(&d);
    return true;
  }
  const DensePacks packs = dense_packs(l);
  const int64_t width = packs.width, whole = packs.panels, rest = packs.rest;
  d.lanes = packs.lanes;
  d.bias = packs.bias;
  d.vectors = (int)(width / d.lanes < l->target->registers / 2 ? width / d.lanes : l->target->registers / 2);
  Nest *b = l->b;
  nest_fn(b, b->name, false);
  if (whole)
    panels(b, &d, packs.w[0], 0, whole, width, width,
           whole > 1 ? schedule_outer(l, d.inputs * d.units) : SERIAL);
  if (rest) panels(b, &d, packs.w[1], whole * width, 1, packs.w[1]->dim[2], rest, SERIAL);
  lower_about(l, "%d vectors of %d units at a time", d.vectors, d.lanes);
  return true;
}

/* ---- dx[i] = sum over u of dy[u] * weight[u][i] ---- */
static void input_vectors(Nest *b, Lower *l, Buf *w, int64_t units_, const Ix *first, int lanes, int vectors,
                          int part) {
  const Ix none = {0};
  Buf *acc = NEST_REGISTERS(b, "a", lanes, vectors);
  for (int v = 0; v < vectors; v++) nest_store(b, nest_at(b, acc, v), num(b, 0));
  NEST_FOR(b, u, units_)
    for (int v = 0; v < vectors; v++) {
      const Ref row = nest_at(b, w, u, *first + lanes * v);
      nest_accumulate(b, nest_at(b, acc, v), nest_load(b, nest_at(b, l->in[0], 0, 0, u), 1),
                      v == vectors - 1 && part < lanes ? nest_load_part(b, row, part, lanes)
                                                       : nest_load(b, row, lanes));
    }
  for (int v = 0; v < vectors; v++) {
    const Ix i = *first + lanes * v;
    lower_store(l, nest_get(b, nest_at(b, acc, v)), &none, &none, &i, v == vectors - 1 ? part : lanes, lanes);
  }
}

static int dense_lanes_for(const Lower *l, int64_t n) {
  int lanes = l->target->lanes;
  while (lanes > 4 && lanes / 2 >= n) lanes /= 2;
  return lanes;
}

static bool dense_input_build(Lower *l) {
  if (l->rows) return schedule_dense_rows.build(l);
  const int64_t inputs = shape_row_elements(l->node->shape),
                units_ = shape_row_elements(l->node->in[0]->shape);
  const int lanes = dense_lanes_for(l, inputs),
            most = l->images > 1 ? l->target->registers * 5 / 8
                                 : l->target->chains; /* interleaved: more sums share each load of dy */
  const int64_t step = most * lanes, whole = inputs / step, rest = inputs % step;
  const int vectors = (int)((rest + lanes - 1) / lanes);
  Nest *b = l->b;
  Buf *w = lower_weight(l, 0);
  nest_fn(b, b->name, false);
  if (whole)
    NEST_FOR(b, n, whole) input_vectors(b, l, w, units_, NEST_IX(n * step), lanes, most, lanes);
  if (rest)
    input_vectors(b, l, w, units_, NEST_IX(whole * step), lanes, vectors, (int)rest - (vectors - 1) * lanes);
  lower_about(l, "%d vectors of %d inputs at a time", most, lanes);
  return true;
}

/* ---- dweight[u][i] += dy[u] * in[i] ---- */
static void weight_rows(Nest *b, Lower *l, const Ix *first, int rows, int64_t inputs, int lanes) {
  const int64_t vectors = inputs / lanes, rest = inputs % lanes;
  Val dy[ROWS];
  for (int r = 0; r < rows; r++)
    dy[r] = nest_let(b, nest_text(b, "d%d", r), nest_load(b, nest_at(b, l->in[1], 0, 0, *first + r), 1));
  if (vectors)
    NEST_FOR(b, v, vectors) {
      Val x = nest_let(b, "x", nest_load(b, nest_at(b, l->in[0], 0, 0, lanes * v), lanes));
      for (int r = 0; r < rows; r++)
        nest_store(b, nest_at(b, l->out, *first + r, lanes * v),
                   fma_(dy[r], x, nest_load(b, nest_at(b, l->out, *first + r, lanes * v), lanes)));
    }
  if (rest) {
    const Ix i = NEST_Z + vectors * lanes;
    Val x = nest_let(b, "x", nest_load_part(b, nest_at(b, l->in[0], 0, 0, i), (int)rest, lanes));
    for (int r = 0; r < rows; r++)
      nest_store_part(b, nest_at(b, l->out, *first + r, i),
                      fma_(dy[r], x, nest_load_part(b, nest_at(b, l->out, *first + r, i), (int)rest, lanes)),
                      (int)rest);
  }
}

static bool dense_weights_build(Lower *l) {
  if (l->rows) return schedule_dense_rows.build(l);
  const int64_t inputs = shape_row_elements(l->node->in[0]->shape),
                units_ = shape_row_elements(l->node->in[1]->shape);
  const int lanes = dense_lanes_for(l, inputs);
  Nest *b = l->b;
  nest_fn(b, b->name, false);
  if (units_ >= ROWS)
    NEST_FOR(b, u, units_ / ROWS) weight_rows(b, l, NEST_IX(u * ROWS), ROWS, inputs, lanes);
  if (units_ % ROWS) weight_rows(b, l, NEST_IX(units_ / ROWS * ROWS), (int)(units_ % ROWS), inputs, lanes);
  lower_about(l, "%d units x vectors of %d inputs", ROWS, lanes);
  return true;
}

/* ---- the weight gradient for interleaved images ----
 * The product of the matrices [units][images] and [images][inputs], with vectors over the inputs. */
typedef struct Outer {
  Lower *l;
  Buf *x;
  int rows, vectors, part;
  Ix first;
  /* x: some inputs of all images, starting at input `first`, [images][inputs]; part: lanes in use in the last
   * vector */
} Outer;

static Val sums_at(Nest *b, const Outer *o, const Ix *unit, int v) {
  const Ref ref = nest_at(b, o->l->out, *unit, o->first + v * o->l->images);
  return v == o->vectors - 1 ? nest_load_part(b, ref, o->part, o->l->images)
                             : nest_load(b, ref, o->l->images);
}

static void outer_rows(Nest *b, const Outer *o, const Ix *unit, int64_t rows) {
  const int lanes = o->l->images;
  Buf *acc = NEST_REGISTERS(b, "a", lanes, rows, o->vectors);
  NEST_UNROLL(b, r, rows)
    for (int v = 0; v < o->vectors; v++)
      nest_store(b, nest_at(b, acc, r, v), sums_at(b, o, NEST_IX(*unit + r), v));
  NEST_FOR(b, n, lanes) {
    Val x[2];
    for (int v = 0; v < o->vectors; v++)
      x[v] = nest_let(b, nest_text(b, "x%d", v), nest_load(b, nest_at(b, o->x, n, v * lanes), lanes));
    NEST_UNROLL(b, r, rows)
      for (int v = 0; v < o->vectors; v++)
        nest_accumulate(b, nest_at(b, acc, r, v),
                        nest_load(b, nest_at(b, o->l->in[1], 0, 0, *unit + r, n), 1), x[v]);
  }
  NEST_UNROLL(b, r, rows)
    for (int v = 0; v < o->vectors; v++)
      nest_store_part(b, nest_at(b, o->l->out, *unit + r, o->first + v * lanes),
                      nest_get(b, nest_at(b, acc, r, v)), v == o->vectors - 1 ? o->part : lanes);
}

/* Computes the gradients of all units for a few vectors of inputs, which are first transposed from
 * [inputs][images]. */
static void outer_columns(Nest *b, const Outer *o, int64_t units_) {
  const int lanes = o->l->images;
  Outer own = *o;
  own.x = NEST_BUF(b, STACK, "x", lanes, o->vectors * lanes);
  for (int v = 0; v < o->vectors; v++) {
    Val x[LANES];
    for (int k = 0; k < lanes; k++) {
      const bool real = v < o->vectors - 1 || k < o->part;
      x[k] = real ? nest_let(b, nest_text(b, "x%d", k),
                             nest_load(b, nest_at(b, o->l->in[0], 0, 0, o->first + v * lanes + k, 0), lanes))
                  : splat(num(b, 0), lanes);
    }
    walk_transpose(b, x, lanes);
    for (int n = 0; n < lanes; n++) nest_store(b, nest_at(b, own.x, n, v * lanes), x[n]);
  }
  if (units_ >= o->rows)
    NEST_FOR(b, u, units_ / o->rows) outer_rows(b, &own, NEST_IX(u * o->rows), o->rows);
  if (units_ % o->rows) outer_rows(b, &own, NEST_IX(units_ / o->rows * o->rows), units_ % o->rows);
}

static bool dense_weights_interleaved(Lower *l) {
  const int64_t inputs = shape_row_elements(l->node->in[0]->shape),
                units_ = shape_row_elements(l->node->in[1]->shape);
  const int64_t step = 2 * l->images, whole = inputs / step, rest = inputs % step,
                vectors = (rest + l->images - 1) / l->images;
  Outer o = {.l = l, .rows = l->target->blocking.gradient_rows, .vectors = 2, .part = l->images};
  Nest *b = l->b;
  images_values(l);
  nest_fn(b, b->name, false);
  if (whole)
    NEST_FOR(b, m, whole) {
      o.first = m * step;
      outer_columns(b, &o, units_);
    }
  if (rest) {
    o.first = NEST_Z + whole * step;
    o.vectors = (int)vectors;
    o.part = (int)(rest - (vectors - 1) * l->images);
    outer_columns(b, &o, units_);
  }
  lower_about(l, "%d rows by 2 vectors of %d inputs; %d interleaved images", o.rows, l->images, l->images);
  return true;
}

/* ---- candidates; dense_rows.c has the batched candidates, which the plan accepts or rejects ---- */
static bool dense_takes(const Lower *l) { return !bf16_dense_pairs(l->node); }

static bool beside_rows(const Lower *l) { return takes_whole_batch(l) || dense_rows_compared(l); }

static const char *dense_title(const Lower *l, const Choice *choice) {
  (void)choice;
  if (beside_rows(l)) return "image by image";
  switch (l->node->op->family) {
  case FAMILY_DENSE: return "panels of units";
  case FAMILY_DENSE_INPUT: return "vectors of inputs";
  default: return "rows of weights";
  }
}

const Schedule schedule_dense = {.name = "panels of units",
                                 .families = FAMILY_BIT(FAMILY_DENSE),
                                 .takes = dense_takes,
                                 .compared = takes_whole_batch,
                                 .title = dense_title,
                                 .cycles = cost_kernel,
                                 .build = dense_build};

const Schedule schedule_dense_input = {.name = "vectors of inputs",
                                       .families = FAMILY_BIT(FAMILY_DENSE_INPUT),
                                       .takes = dense_takes,
                                       .compared = takes_whole_batch,
                                       .title = dense_title,
                                       .cycles = cost_kernel,
                                       .build = dense_input_build};

const Schedule schedule_dense_weights = {.name = "rows of weights",
                                         .families = FAMILY_BIT(FAMILY_DENSE_WEIGHTS),
                                         .takes = dense_takes,
                                         .compared = takes_whole_batch,
                                         .title = dense_title,
                                         .cycles = cost_kernel,
                                         .build = dense_weights_build,
                                         .build_interleaved = dense_weights_interleaved};
