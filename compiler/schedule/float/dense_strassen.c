// dense_strassen.c: Batched gradients of dense layers with Strassen: input gradients, [images][units] x
// [units][inputs], and weight gradients, [units][images] x [images][inputs].
// SPDX-License-Identifier: Apache-2.0
//
// All three matrices are divided in halves along both of their axes; missing images are zeros. A tile has
// several rows and several vectors of columns in each of the four blocks of the result (strassen_tile.c). It
// is computed from these factors:
//
//     left[i]   factor i of the rows, computed once for all columns
//     b[i]      factor i of a panel of columns and a part of the inner axis, computed for each part
//
// In an input gradient, the sums of a panel stay on the stack until the products of the whole inner axis have
// been added.
//
// Example: `x: 2048 -> dense(2048) -> relu -> train(256)` --target=x86-64-v3 --train,
// lines 67-76 of dense1_training:
//
//     for (int half = 0; half < 2; half++)
//       for (int u = 0; u < 48; u++)
//         for (int n = 0; n < 32; n++)
//           AT(v8, sums[half][u][8*n]) = (v8){0};
//     for (int q = 0; q < 8; q++)
//       for (int m_2 = 0; m_2 < 8; m_2++) {
//         _Alignas(32) float left[4][6][144];
//         for (int q_2 = 0; q_2 < 16; q_2++)
//           for (int r = 0; r < 6; r++) {
//             const v8 x0 = LOAD(v8, weight[48*m + 6*m_2 + r][128*q + 8*q_2]);
#include "base/number.h"
#include "schedule/float/phases.h"
#include "schedule/float/dense_strassen.h"
#include "schedule/float/images.h"
#include "schedule/schedule.h"
#include "schedule/float/strassen.h"

enum {
  ODD = 1, /* number of unused rows per factor; with them, rows that have the same index in different factors
              map to different cache sets */
  MOST_STACK = 1 << 18 /* maximum bytes of the factors of a panel; the sums of the panel need less */
};

/* rows, columns, depth: sizes of the blocks, which are halves of the matrices along each axis. */
typedef struct Product {
  Lower *l;
  Family family;
  int64_t rows, columns, depth;
  int lanes, tile; /* tile: number of rows of a tile */
  Buf *w, *left;
  const Ix *count;
  LoopKind loops;
} Product;

/* A panel: columns of each half, from `first` on. part: lanes in use in the last vector; b: factors of these
 * columns; sums: in an input gradient, [half of the columns][row][column]. */
typedef struct Panel {
  Ix first;
  int vectors, part;
  Buf *b, *sums;
} Panel;

/* Whether the rows of the result are images (input gradient); otherwise they are units (weight gradient). */
static bool dense_strassen_of_rows(const Product *p) { return p->family != FAMILY_DENSE_WEIGHTS; }

static int dense_strassen_part_of(const Product *p, const Panel *panel, int v) {
  return v == panel->vectors - 1 ? panel->part : p->lanes;
}

/* ---- the left factors ---- */
static void split_images(Nest *b, const Product *p, const Ix *m, const Ix *first, int part) {
  dense_image_factors(b,
                      &(ImageFactors){.l = p->l,
                                      .count = p->count,
                                      .images = p->rows,
                                      .depth = p->depth,
                                      .lanes = p->lanes,
                                      .tile = p->tile,
                                      .to = p->left},
                      m, first, part);
}

static void split_units(Nest *b, const Product *p, const Ix *n, const Ix *first, int part) {
  Val x[STRASSEN_BLOCKS], y[STRASSEN_PRODUCTS];
  for (int k = 0; k < STRASSEN_BLOCKS; k++) {
    const Ix image = *n + strassen_column(k) * p->depth, at = *first + strassen_row(k) * p->rows;
    x[k] = nest_let(b, nest_text(b, "x%d", k),
                    dense_of_image(b, p->count, p->l->in[1], &image, &at, part, p->lanes));
  }
  strassen_left(b, &strassen_floats, x, y);
  for (int i = 0; i < STRASSEN_PRODUCTS; i++)
    nest_store_part(b, nest_at(b, p->left, 0, i, *n, *first), y[i], part);
}

static void dense_strassen_split(Nest *b, const Product *p) {
  const bool rows = dense_strassen_of_rows(p);
  const int64_t length = rows ? p->depth : p->rows, whole = length / p->lanes, rest = length % p->lanes;
  NEST_LOOP(b, m, p->loops, 1, NEST_IX(0), 1, NEST_IX(rows ? p->rows / p->tile : p->depth)) {
    if (whole)
      NEST_FOR(b, q, whole) (rows ? split_images : split_units)(b, p, &m, NEST_IX(q * p->lanes), p->lanes);
    if (rest) (rows ? split_images : split_units)(b, p, &m, NEST_IX(whole * p->lanes), (int)rest);
  }
}

/* ---- the right factors ---- */
static void store_right(Nest *b, const Product *p, const Panel *panel, const Val *x, const Ix *k,
                        const Ix *v) {
  Val y[STRASSEN_PRODUCTS];
  strassen_right(b, &strassen_floats, x, y);
  for (int i = 0; i < STRASSEN_PRODUCTS; i++) nest_store(b, nest_at(b, panel->b, i, *k, p->lanes * *v), y[i]);
}

/* Computes the right factors from rows of weights, or of images. */
static void dense_strassen_fill_panel(Nest *b, const Product *p, const Panel *panel, const Ix *first,
                                      int64_t depth) {
  NEST_FOR(b, k, depth)
    for (int v = 0; v < panel->vectors; v++) {
      Val x[STRASSEN_BLOCKS];
      for (int i = 0; i < STRASSEN_BLOCKS; i++) {
        const Ix at = panel->first + strassen_column(i) * p->columns + v * p->lanes,
                 from = *first + k + strassen_row(i) * p->depth;
        const int part = dense_strassen_part_of(p, panel, v);
        x[i] = nest_let(b, nest_text(b, "x%d", i),
                        dense_strassen_of_rows(p)
                            ? nest_load_part(b, nest_at(b, p->w, from, at), part, p->lanes)
                            : dense_of_image(b, p->count, p->l->in[0], &from, &at, part, p->lanes));
      }
      store_right(b, p, panel, x, &k, NEST_IX(v));
    }
}

/* ---- tiles ---- */
typedef struct At { /* a tile. m: its index; first: start of the current part of the inner axis */
  const Product *p;
  const Panel *panel;
  Ix m, first;
} At;

static Ref left_at(Nest *b, const StrassenTile *t, int product, const Ix *k, const Ix *r) {
  const At *at = t->at;
  const Product *p = at->p;
  return dense_strassen_of_rows(p) ? nest_at(b, p->left, at->m, product, at->first + *k, *r)
                                   : nest_at(b, p->left, 0, product, *k, p->tile * at->m + *r);
}

static Ref right_at(Nest *b, const StrassenTile *t, int product, const Ix *k, int v) {
  const At *at = t->at;
  return nest_at(b, at->panel->b, product, *k, v * t->lanes);
}

static Ref result_at(Nest *b, const StrassenTile *t, int block, const Ix *r, int v) {
  const At *at = t->at;
  const Product *p = at->p;
  const Ix row = p->tile * at->m + *r + strassen_row(block) * p->rows;
  return dense_strassen_of_rows(p)
             ? nest_at(b, at->panel->sums, strassen_column(block), row, v * p->lanes)
             : nest_at(b, p->l->out, row,
                       at->panel->first + strassen_column(block) * p->columns + v * p->lanes);
}

/* The gradients of a tile are not in a cache. They are prefetched while the products of the tile are
 * computed. */
static void fetch_gradients(Nest *b, const StrassenTile *t, int step) {
  static const int stored[STRASSEN_BLOCKS] = {0, 2, 3, 1}; /* strassen_tile stores the blocks in this order */
  const At *at = t->at;
  const Product *p = at->p;
  if (step >= STRASSEN_BLOCKS) return;
  const int row = strassen_row(stored[step]), column = strassen_column(stored[step]);
  NEST_UNROLL(b, r, t->rows)
    for (int v = 0; v < t->vectors; v++)
      nest_prefetch(b, p->l->out,
                    2 * p->columns * (p->tile * at->m + r + row * p->rows) + at->panel->first +
                        column * p->columns + v * p->lanes);
}

static void dense_strassen_tile(Nest *b, const Product *p, const Panel *panel, const Ix *m, int rows,
                                const Ix *first, int64_t depth) {
  const At at = {.p = p, .panel = panel, .m = *m, .first = *first};
  strassen_tile(b, &(StrassenTile){.rows = rows,
                                   .vectors = panel->vectors,
                                   .lanes = p->lanes,
                                   .part = dense_strassen_of_rows(p) ? p->lanes : panel->part,
                                   .depth = depth,
                                   .adds = dense_strassen_of_rows(p) || lower_adds(p->l),
                                   .left = left_at,
                                   .right = right_at,
                                   .result = result_at,
                                   .fetch = dense_strassen_of_rows(p) ? NULL : fetch_gradients,
                                   .at = &at});
}

/* ---- panels ---- */
static void dense_strassen_block(Nest *b, const Product *p, const Panel *given, const Ix *first,
                                 int64_t depth) {
  const int64_t whole = p->rows / p->tile, rest = p->rows % p->tile;
  Panel panel = *given;
  panel.b = NEST_BUF(b, STACK, "b", STRASSEN_PRODUCTS, depth + ODD, panel.vectors * p->lanes);
  dense_strassen_fill_panel(b, p, &panel, first, depth);
  if (whole)
    NEST_FOR(b, m, whole) dense_strassen_tile(b, p, &panel, &m, p->tile, first, depth);
  if (rest) dense_strassen_tile(b, p, &panel, NEST_IX(whole), (int)rest, first, depth);
}

static void dense_strassen_panel_of_rows(Nest *b, const Product *p, const Panel *given) {
  const int64_t blocks = ceil_divide(p->depth, STRASSEN_DEPTH),
                size = ceil_divide(ceil_divide(p->depth, blocks), p->lanes) * p->lanes,
                whole = p->depth / size, rest = p->depth % size;
  Panel panel = *given;
  panel.sums = NEST_BUF(b, STACK, "sums", 2, 2 * p->rows, panel.vectors * p->lanes);
  NEST_FOR(b, n, 2 * p->rows)
    for (int i = 0; i < 2 * panel.vectors; i++)
      nest_store(b, nest_at(b, panel.sums, i / panel.vectors, n, i % panel.vectors * p->lanes),
                 splat(num(b, 0), p->lanes));
  if (whole)
    NEST_FOR(b, q, whole) dense_strassen_block(b, p, &panel, NEST_IX(q * size), size);
  if (rest) dense_strassen_block(b, p, &panel, NEST_IX(whole * size), rest);
  NEST_FROM(b, n, 0, *p->count) {
    p->l->row = &n;
    for (int i = 0; i < 2 * panel.vectors; i++) {
      const int half = i / panel.vectors, v = i % panel.vectors;
      lower_store(p->l, nest_load(b, nest_at(b, panel.sums, half, n, v * p->lanes), p->lanes), &NEST_Z,
                  &NEST_Z, NEST_IX(panel.first + half * p->columns + v * p->lanes),
                  dense_strassen_part_of(p, &panel, v), p->lanes);
    }
  }
}

static void dense_strassen_panel(Nest *b, const Product *p, const Panel *panel) {
  if (dense_strassen_of_rows(p)) dense_strassen_panel_of_rows(b, p, panel);
  else dense_strassen_block(b, p, panel, &NEST_Z, p->depth);
}

static void dense_strassen_panels(Nest *b, const Product *p) {
  const int64_t width = STRASSEN_VECTORS * p->lanes, whole = p->columns / width, rest = p->columns % width,
                vectors = ceil_divide(rest, p->lanes);
  if (whole)
    NEST_LOOP(b, m, p->loops, 1, NEST_IX(0), 1, NEST_IX(whole))
      dense_strassen_panel(b, p, &(Panel){.first = m * width, .vectors = STRASSEN_VECTORS, .part = p->lanes});
  if (rest)
    dense_strassen_panel(b, p,
                         &(Panel){.first = NEST_Z + whole * width,
                                  .vectors = (int)vectors,
                                  .part = (int)(rest - (vectors - 1) * p->lanes)});
}

/* ---- the kernel ---- */
static Product product_of(const Lower *l) {
  const Node *forward = node_forward(l->node);
  const int64_t inputs = shape_row_elements(forward->in[0]->shape),
                units = shape_row_elements(forward->shape), images = ceil_divide(l->rows, 2);
  Product p = {.family = l->node->op->family,
               .columns = inputs / 2,
               .lanes = l->target->lanes,
               .tile = l->target->blocking.dense_rows,
               .loops = l->threads ? PARALLEL : SERIAL};
  p.rows = dense_strassen_of_rows(&p) ? ceil_divide(images, p.tile) * p.tile : units / 2;
  p.depth = dense_strassen_of_rows(&p) ? units / 2 : images;
  return p;
}

static const char *dense_strassen_refused(const Lower *l, const Choice *choice) {
  (void)choice;
  const Node *forward = node_forward(l->node);
  const int64_t width = 4 * STRASSEN_VECTORS * l->target->lanes, images = ceil_divide(l->rows, 2);
  if (l->target->lanes == 1) return "no vectors";
  if (shape_row_elements(forward->in[0]->shape) % 2 || shape_row_elements(forward->shape) % 2)
    return "an odd number of inputs or units";
  if (STRASSEN_PRODUCTS * width * larger(images, STRASSEN_DEPTH) > MOST_STACK) return "too many images";
  if (l->node->op->family == FAMILY_DENSE && !dense_strassen_forward_fits(l)) return "too many images";
  return l->exact ? "--exact" : NULL;
}

static bool dense_strassen_build(Lower *l) {
  if (l->node->op->family == FAMILY_DENSE) return dense_strassen_forward(l);
  Product p = product_of(l);
  p.l = l;
  Nest *b = l->b;
  if (dense_strassen_of_rows(&p)) p.w = lower_weight(l, 0);
  p.left =
      dense_strassen_of_rows(&p)
          ? lower_scratch(l, "left", 4, (int64_t[]){p.rows / p.tile, STRASSEN_PRODUCTS, p.depth, p.tile})
          : lower_scratch(l, "left", 4,
                          (int64_t[]){1, STRASSEN_PRODUCTS, p.depth, target_odd_lines(l->target, p.rows)});
  nest_fn(b, b->name, false);
  const Ix count = lower_rows(l);
  p.count = &count;
  dense_strassen_split(b, &p);
  dense_strassen_panels(b, &p);
  lower_about(l, "batched %s: %d rows x %d vectors of %d columns", strassen_name(2), p.tile, STRASSEN_VECTORS,
              p.lanes);
  return true;
}

/* ---- candidate ---- */
static bool dense_strassen_takes(const Lower *l) { return takes_whole_batch(l) && !l->call; }

static void dense_strassen_sizes(const Lower *l, Choices *choices) {
  (void)l;
  choices_add(choices, (Choice){.m = 2});
}

static Cycles dense_strassen_cycles(const Lower *l, const Target *target, const Choice *choice) {
  (void)choice;
  return cost_dense_strassen(target, l->node, l->batch, l->weight_bytes);
}

static WinogradError dense_strassen_error(const Lower *l, const Choice *choice) {
  (void)choice;
  const Node *forward = node_forward(l->node);
  switch (l->node->op->family) {
  case FAMILY_DENSE: return strassen_error(1, shape_row_elements(forward->in[0]->shape));
  case FAMILY_DENSE_INPUT: return strassen_error(1, shape_row_elements(forward->shape));
  default: return strassen_error(1, l->batch);
  }
}

const Schedule schedule_dense_strassen = {
    .name = "batched Strassen",
    .tuning_name = "strassen",
    .families = FAMILY_BIT(FAMILY_DENSE) | FAMILY_BIT(FAMILY_DENSE_INPUT) | FAMILY_BIT(FAMILY_DENSE_WEIGHTS),
    .takes = dense_strassen_takes,
    .sizes = dense_strassen_sizes,
    .refused = dense_strassen_refused,
    .cycles = dense_strassen_cycles,
    .error = dense_strassen_error,
    .build = dense_strassen_build};
