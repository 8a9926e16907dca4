// dense_strassen_forward.c: Batched dense layers in training, with Strassen.
// SPDX-License-Identifier: Apache-2.0
//
// The result is computed transposed, units by images. So the weights are read along their rows, and need not
// be transposed. The factors of the images are computed once. The factors of the weights are computed for a
// tile of units and a part of the inner axis, right before all images are multiplied by them. The sums of a
// chunk of tiles stay on the stack until the whole inner axis has been added; then they are transposed, and
// the bias and the fused operators are applied.
#include "base/number.h"
#include "schedule/float/dense_strassen.h"
#include "schedule/float/images.h"
#include "schedule/schedule.h"
#include "schedule/float/strassen.h"

enum {
  CHUNK = 8, /* maximum number of tiles of a chunk, in each half of the units */
  ODD = 16 /* number of unused elements per row; with them, rows that have the same index in different factors
              map to different cache sets */
};

Val dense_of_image(Nest *b, const Ix *count, Buf *values, const Ix *n, const Ix *at, int part, int lanes) {
  const Ref ref = nest_at(b, values, *n, 0, 0, *at);
  return pick(b, nest_at_least(b, *count - *n, 1), nest_load_part(b, ref, part, lanes),
              splat(num(b, 0), lanes));
}

/* ---- the factors of images, which dense_strassen.c uses, too ---- */
static void turn_square(Nest *b, const ImageFactors *f, Buf *turned, const Ix *m, const Ix *i,
                        const Ix *first, const Ix *image, int part) {
  Val x[LANES];
  for (int t = 0; t < f->lanes; t++)
    x[t] = nest_let(b, nest_text(b, "x%d", t), nest_load(b, nest_at(b, turned, *i, *image + t, 0), f->lanes));
  walk_transpose(b, x, f->lanes);
  for (int t = 0; t < part; t++) nest_store(b, nest_at(b, f->to, *m, *i, *first + t, *image), x[t]);
}

/* The factors are computed as [image][number], and then transposed to [number][image]. */
void dense_image_factors(Nest *b, const ImageFactors *f, const Ix *m, const Ix *first, int part) {
  Buf *turned = NEST_BUF(b, STACK, "t", STRASSEN_PRODUCTS, f->tile, f->lanes);
  Val x[STRASSEN_BLOCKS], y[STRASSEN_PRODUCTS];
  NEST_FOR(b, r, f->tile) {
    for (int k = 0; k < STRASSEN_BLOCKS; k++) {
      const int row = strassen_row(k), column = strassen_column(k);
      const Ix n = f->tile * *m + r + (f->right ? column : row) * f->images,
               at = *first + (f->right ? row : column) * f->depth;
      x[k] = nest_let(b, nest_text(b, "x%d", k),
                      dense_of_image(b, f->count, f->l->in[0], &n, &at, part, f->lanes));
    }
    (f->right ? strassen_right : strassen_left)(b, &strassen_floats, x, y);
    for (int i = 0; i < STRASSEN_PRODUCTS; i++) nest_store(b, nest_at(b, turned, i, r, 0), y[i]);
  }
  NEST_FOR(b, i, STRASSEN_PRODUCTS) {
    if (f->tile % f->lanes == 0)
      NEST_FOR(b, v, f->tile / f->lanes) turn_square(b, f, turned, m, &i, first, NEST_IX(f->lanes * v), part);
    else
      NEST_FOR(b, k, part)
        NEST_UNROLL(b, r, f->tile)
          nest_store(b, nest_at(b, f->to, *m, i, *first + k, r),
                     nest_load(b, nest_at(b, turned, i, r, k), 1));
  }
}

/* units, images, inputs: size of a block along these axes. Each axis of a matrix is divided into two
 * blocks. */
typedef struct Forward {
  Lower *l;
  int64_t units, images, inputs;
  int lanes, tile, width; /* tile: number of units of a tile; width: number of images of a tile */
  Buf *w, *bias, *right;
  const Ix *count;
} Forward;

typedef struct Chunk {
  Ix first;  /* unit */
  Buf *sums; /* [half of the units][unit][image] */
  int64_t units;
} Chunk;

typedef struct At { /* a tile. unit: its first unit in the chunk; panel: its panel of images; first: its first
                       input */
  const Forward *f;
  const Chunk *chunk;
  Buf *left;
  Ix unit, panel, first;
} At;

/* ---- tiles ---- */
/* The factors of the weights. A factor is either a block of the weights, which is read in place, or a sum.
 * block: the number of the block, or -1 for a sum; sum: the index among the sums, or -1 for a block. */
static const struct {
  int block, sum;
} factor[STRASSEN_PRODUCTS] = {{0, -1}, {1, -1}, {-1, 0}, {3, -1}, {-1, 1}, {-1, 2}, {-1, 3}};
enum { SUMS = 4 };

static Ref strassen_forward_weight_at(Nest *b, const At *at, int block, const Ix *r, const Ix *k) {
  const Forward *f = at->f;
  return nest_at(b, f->w, at->chunk->first + at->unit + *r + strassen_row(block) * f->units,
                 at->first + *k + strassen_column(block) * f->inputs);
}

static Ref strassen_forward_left_at(Nest *b, const StrassenTile *t, int product, const Ix *k, const Ix *r) {
  const At *at = t->at;
  return factor[product].sum < 0 ? strassen_forward_weight_at(b, at, factor[product].block, r, k)
                                 : nest_at(b, at->left, factor[product].sum, *r, *k);
}

static Ref strassen_forward_right_at(Nest *b, const StrassenTile *t, int product, const Ix *k, int v) {
  const At *at = t->at;
  return nest_at(b, at->f->right, at->panel, product, at->first + *k, v * t->lanes);
}

static Ref strassen_forward_result_at(Nest *b, const StrassenTile *t, int block, const Ix *r, int v) {
  const At *at = t->at;
  const Forward *f = at->f;
  return nest_at(b, at->chunk->sums, strassen_row(block), at->unit + *r,
                 at->panel * f->width + strassen_column(block) * f->images + v * t->lanes);
}

/* Prefetches the weights of the next tile while the products of this tile are computed. Each step prefetches
 * the weights of one block. For each panel of images, another part of the rows is prefetched. */
static void fetch_weights(Nest *b, const StrassenTile *t, int step) {
  const At *at = t->at;
  const Forward *f = at->f;
  const int64_t panels = f->images / f->width, rows = ceil_divide(t->rows, panels),
                line = f->l->target->line / 4;
  if (step >= STRASSEN_BLOCKS) return;
  NEST_FOR(b, r, rows) {
    const Ix unit =
        at->chunk->first + at->unit + f->tile + rows * at->panel + r + strassen_row(step) * f->units;
    NEST_FOR(b, k, ceil_divide(t->depth, line))
      nest_prefetch(b, f->w, 2 * f->inputs * unit + at->first + strassen_column(step) * f->inputs + line * k);
  }
}

/* Computes the factors that are sums, for the weights of `rows` units. */
static void fill_left(Nest *b, const At *at, int rows, const Ix *from, int part) {
  NEST_FOR(b, r, rows) {
    Val x[STRASSEN_BLOCKS], y[STRASSEN_PRODUCTS];
    for (int k = 0; k < STRASSEN_BLOCKS; k++)
      x[k] = nest_let(b, nest_text(b, "x%d", k),
                      nest_load_part(b, strassen_forward_weight_at(b, at, k, &r, from), part, at->f->lanes));
    strassen_left(b, &strassen_floats, x, y);
    for (int i = 0; i < STRASSEN_PRODUCTS; i++)
      if (factor[i].sum >= 0) nest_store(b, nest_at(b, at->left, factor[i].sum, r, *from), y[i]);
  }
}

static void strassen_forward_tiles(Nest *b, const Forward *f, const Chunk *chunk, const Ix *unit, int rows,
                                   const Ix *first, int64_t depth) {
  const int64_t whole = depth / f->lanes, rest = depth % f->lanes;
  At at = {.f = f, .chunk = chunk, .unit = *unit, .first = *first};
  at.left = NEST_BUF(b, STACK, "left", SUMS, rows, depth + ODD);
  if (whole)
    NEST_FOR(b, q, whole) fill_left(b, &at, rows, NEST_IX(f->lanes * q), f->lanes);
  if (rest) fill_left(b, &at, rows, NEST_IX(f->lanes * whole), (int)rest);
  NEST_FOR(b, panel, f->images / f->width) {
    at.panel = panel;
    strassen_tile(b, &(StrassenTile){.rows = rows,
                                     .vectors = f->width / f->lanes,
                                     .lanes = f->lanes,
                                     .part = f->lanes,
                                     .depth = depth,
                                     .adds = true,
                                     .left = strassen_forward_left_at,
                                     .right = strassen_forward_right_at,
                                     .result = strassen_forward_result_at,
                                     .fetch = fetch_weights,
                                     .at = &at});
  }
}

/* ---- chunks ---- */
static void strassen_forward_add_inputs(Nest *b, const Forward *f, const Chunk *chunk, const Ix *first,
                                        int64_t depth) {
  const int64_t whole = chunk->units / f->tile, rest = chunk->units % f->tile;
  if (whole)
    NEST_FOR(b, m, whole) strassen_forward_tiles(b, f, chunk, NEST_IX(f->tile * m), f->tile, first, depth);
  if (rest) strassen_forward_tiles(b, f, chunk, NEST_IX(f->tile * whole), (int)rest, first, depth);
}

/* Stores a square of sums: the images of square n, and `part` units of one half, starting at unit `at`. */
static void finish_square(Nest *b, const Forward *f, const Chunk *chunk, const Ix *n, int half, const Ix *at,
                          int part) {
  const int L = f->lanes;
  const Ix unit = chunk->first + half * f->units + *at;
  Buf *turned = NEST_BUF(b, STACK, "t", L, L);
  Val x[LANES];
  for (int t = 0; t < L; t++)
    x[t] = t < part ? nest_let(b, nest_text(b, "x%d", t),
                               nest_load(b, nest_at(b, chunk->sums, half, *at + t, L * *n), L))
                    : splat(num(b, 0), L);
  walk_transpose(b, x, L);
  for (int t = 0; t < L; t++) nest_store(b, nest_at(b, turned, t, 0), x[t]);
  NEST_FOR(b, t, L) {
    const Ix image = L * *n + t;
    NEST_IF(b, nest_at_least(b, *f->count - image, 1)) {
      Val sum = nest_load(b, nest_at(b, turned, t, 0), L);
      if (f->bias) sum = add(sum, nest_load_part(b, nest_at(b, f->bias, unit), part, L));
      f->l->row = &image;
      lower_store(f->l, sum, &NEST_Z, &NEST_Z, &unit, part, L);
    }
  }
}

static void finish(Nest *b, const Forward *f, const Chunk *chunk) {
  const int64_t whole = chunk->units / f->lanes, rest = chunk->units % f->lanes;
  NEST_FOR(b, n, 2 * f->images / f->lanes)
    for (int half = 0; half < 2; half++) {
      if (whole)
        NEST_FOR(b, q, whole) finish_square(b, f, chunk, &n, half, NEST_IX(f->lanes * q), f->lanes);
      if (rest) finish_square(b, f, chunk, &n, half, NEST_IX(f->lanes * whole), (int)rest);
    }
}

static void chunk_of(Nest *b, const Forward *f, const Ix *first, int64_t units) {
  const int64_t blocks = ceil_divide(f->inputs, STRASSEN_DEPTH),
                size = ceil_divide(ceil_divide(f->inputs, blocks), f->lanes) * f->lanes,
                whole = f->inputs / size, rest = f->inputs % size;
  Chunk chunk = {.first = *first, .units = units};
  chunk.sums = NEST_BUF(b, STACK, "sums", 2, units, 2 * f->images);
  NEST_FOR(b, half, 2)
    NEST_FOR(b, u, units)
      NEST_FOR(b, n, 2 * f->images / f->lanes)
        nest_store(b, nest_at(b, chunk.sums, half, u, f->lanes * n), splat(num(b, 0), f->lanes));
  if (whole)
    NEST_FOR(b, q, whole) strassen_forward_add_inputs(b, f, &chunk, NEST_IX(size * q), size);
  if (rest) strassen_forward_add_inputs(b, f, &chunk, NEST_IX(size * whole), rest);
  finish(b, f, &chunk);
}

bool dense_strassen_forward_fits(const Lower *l) {
  const int64_t width = STRASSEN_VECTORS * l->target->lanes,
                images = ceil_divide(ceil_divide(l->rows, 2), width) * width;
  return 4 * images * CHUNK * l->target->blocking.dense_rows <= STACK_ELEMENTS;
}

bool dense_strassen_forward(Lower *l) {
  Forward f = {.l = l,
               .units = shape_row_elements(l->node->shape) / 2,
               .inputs = shape_row_elements(l->node->in[0]->shape) / 2,
               .lanes = l->target->lanes,
               .tile = l->target->blocking.dense_rows,
               .width = STRASSEN_VECTORS * l->target->lanes};
  const int64_t panels = ceil_divide(ceil_divide(l->rows, 2), f.width), chunk = CHUNK * f.tile,
                whole = f.units / chunk, rest = f.units % chunk, squares = f.inputs / f.lanes,
                left = f.inputs % f.lanes;
  const LoopKind loops = l->threads ? PARALLEL : SERIAL;
  Nest *b = l->b;
  f.images = panels * f.width;
  f.w = lower_weight(l, 0);
  f.bias = lower_weight(l, 1);
  f.right = lower_scratch(l, "right", 4, (int64_t[]){panels, STRASSEN_PRODUCTS, f.inputs, f.width});
  nest_fn(b, b->name, false);
  const Ix count = lower_rows(l);
  f.count = &count;
  const ImageFactors factors = {.l = l,
                                .count = &count,
                                .images = f.images,
                                .depth = f.inputs,
                                .lanes = f.lanes,
                                .tile = f.width,
                                .right = true,
                                .to = f.right};
  if (squares)
    NEST_LOOP(b, q, loops, 1, NEST_IX(0), 1, NEST_IX(squares))
      NEST_FOR(b, panel, panels) dense_image_factors(b, &factors, &panel, NEST_IX(f.lanes * q), f.lanes);
  if (left)
    NEST_FOR(b, panel, panels)
      dense_image_factors(b, &factors, &panel, NEST_IX(f.lanes * squares), (int)left);
  if (whole)
    NEST_LOOP(b, m, loops, 1, NEST_IX(0), 1, NEST_IX(whole)) chunk_of(b, &f, NEST_IX(chunk * m), chunk);
  if (rest) chunk_of(b, &f, NEST_IX(chunk * whole), rest);
  lower_about(l, "batched %s: %d units x %d vectors of %d images", strassen_name(2), f.tile, STRASSEN_VECTORS,
              f.lanes);
  return true;
}
