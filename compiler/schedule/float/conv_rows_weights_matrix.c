// conv_rows_weights_matrix.c: Batched weight gradient of convolutions and dense layers in bf16, in tile
// registers (AMX), each of which holds 16 rows of 32 numbers.
// SPDX-License-Identifier: Apache-2.0
//
//     dw[s][l][ky][kx] += sum over y, x, n of small[n][y][x][s] * large[n][y*S + ky*D - P][x*S + kx*D - P][l]
//
// A word holds the numbers of two images, for one pixel and channel. In copies of both sides, the words of a
// pixel for all images of a block are adjacent; the words of the row's next pixel follow. So a product sums
// over images and pixels. With several images, these words fill the registers even if the image is small. The
// copy of the large side includes the padding, so the sums need no conditions. With a stride, the columns of
// this copy are sorted by their position modulo the stride, so that the columns that one tap reads are
// adjacent. The left operand of a product is the small side, transposed. The sums of all taps of a tile are
// collected, transposed into the order of the weights, and added to the gradient (gradient_tile.h).
//
// Example: `x: 4x4x64 -> conv(64, 3x3) -> train(32)` --target=x86-64-v4-amx --precision=bf16 --train,
// lines 9-13 of conv1_weight_gradient_tile_32x32_amx:
//
//     n_tile_clear_x16_amx(4);
//     for (int y = 0; y < 2; y++)
//       for (int c = 0; c < 2; c++)
//         n_tile_add_x16_amx(&turned[s16][0][y][c][0][0], 64, 4096, 2, &pairs[panel][ky + y][16*c][0 ...
//     n_tile_store_x16_amx(&sums[3*ky][0][0], 128, 2048, 2, 1);
#include "base/number.h"
#include "graph/bf16.h"
#include "schedule/float/gradient_tile.h"
#include "schedule/float/rows.h"
#include "schedule/matrix.h"
#include "schedule/schedule.h"

/* a whole tile has WHOLE x WHOLE registers of sums */
enum { WHOLE = 2, WIDTH = WHOLE * MATRIX_LANES, MOST_TAPS = 49 };

typedef struct WeightsRows {
  Lower *l;
  Correlation k;
  int64_t images, blocks; /* number of images per block, which is even; number of blocks */
  int64_t words, steps; /* words: number of words over which a product sums; steps: number of products per row
                           of the map */
  int64_t rows, columns; /* size of the copy of the large side */
  Ix count;
  Buf *turned; /* the small side: [s / 16][block][y][step][s % 16][number] */
  Buf *pairs; /* the large side, for a block of images: [panel][row][word][2 * WIDTH]; a column has images / 2
                 words */
} WeightsRows;

/* A dense layer is a convolution of one pixel. */
static Correlation weights_rows_correlation(const Node *node) {
  if (node->op->family != FAMILY_DENSE_WEIGHTS) return correlation_of(node);
  const int64_t inputs = shape_row_elements(node->in[0]->shape),
                units = shape_row_elements(node->in[1]->shape);
  return (Correlation){.large = {.h = 1, .w = 1, .c = inputs},
                       .small = {.h = 1, .w = 1, .c = units},
                       .kernel = {1, 1},
                       .stride = {1, 1},
                       .dilation = {1, 1},
                       .groups = 1,
                       .l = inputs,
                       .s = units,
                       .rank = 2};
}

/* ---- blocks of images ---- */
/* Number of words of a product, as large as possible. A product has a part of the words of a pixel or, if a
 * pixel has few words, the words of several pixels. All products of a row have the same number of words. */
static int64_t product_words(int64_t images, int64_t width) {
  const int64_t each = images / 2;
  if (each > MATRIX_ROWS) return matrix_step(each);
  for (int64_t pixels = MATRIX_ROWS / each; pixels > 1; pixels--)
    if (width % pixels == 0) return each * pixels;
  return each;
}

/* Number of columns in the large side's copy whose position is p modulo the stride; 0 if no tap reads such a
 * column. */
static int64_t phase_columns(const Correlation *k, int64_t p) {
  int64_t count = 0;
  for (int64_t kx = 0; kx < k->kernel[1]; kx++) {
    const int64_t at = kx * k->dilation[1];
    if (at % k->stride[1] == p) count = larger(count, at / k->stride[1] + k->small.w);
  }
  return count;
}

static int64_t first_column(const Correlation *k, int64_t p) {
  int64_t first = 0;
  for (int64_t i = 0; i < p; i++) first += phase_columns(k, i);
  return first;
}

/* Divides the batch into blocks of images. The panel of a block fills at most a quarter of the second-level
 * cache; only a block of two images may be larger. The division is chosen so that products have many words,
 * few of which belong to missing images. */
static WeightsRows weights_rows_of(const Correlation *k, int64_t batch, int64_t l2) {
  enum { MORE_BLOCKS = 4 };
  WeightsRows m = {.k = *k,
                   .rows = (k->small.h - 1) * k->stride[0] + (k->kernel[0] - 1) * k->dilation[0] + 1};
  m.columns = first_column(k, k->stride[1]);
  const int64_t image = 2 * WIDTH * m.rows * m.columns, most = larger(l2 / 4 / image, 2) / 2 * 2,
                least = ceil_divide(batch, most);
  double best = 0;
  for (int64_t blocks = least; blocks < least + MORE_BLOCKS; blocks++) {
    const int64_t images = ceil_divide(batch, 2 * blocks) * 2, words = product_words(images, k->small.w);
    const double full = (double)(batch * words) / (double)(blocks * images);
    if (full <= 1.1 * best) continue;
    best = full;
    m.images = images;
    m.blocks = ceil_divide(batch, images);
    m.words = words;
  }
  m.steps = k->small.w * m.images / 2 / m.words;
  return m;
}

/* ---- the small side ---- */
/* The left operand of a product: for each channel, the numbers of `images` images at `pixels` pixels. */
typedef struct Chunk {
  Ix block, y, step, x,
      n; /* step: index of the product in row y; x: first pixel; n: first image in the block */
  int64_t pixels, images;
} Chunk;

static Ref turned_at(const WeightsRows *m, const Ix *s16, const Chunk *c, const Ix *row, const Ix *number) {
  return nest_at(m->l->b, m->turned, *s16, c->block, c->y, c->step, *row, *number);
}

/* Copies and transposes the operand's numbers of 16 channels: for each channel, up to 16 numbers, from index
 * `first` on. */
static void turn_numbers(const WeightsRows *m, const Ix *s16, const Chunk *c, int64_t first, int part) {
  Nest *b = m->l->b;
  const int numbers = (int)smaller(2 * m->words - first, MATRIX_LANES);
  const Ix image = c->block * m->images + c->n, channel = *s16 * MATRIX_LANES;
  Val v[LANES];
  for (int i = 0; i < MATRIX_LANES; i++) {
    const int64_t number = first + i;
    v[i] = i < numbers ? nest_let(b, nest_text(b, "x%d", i),
                                  nest_load_part(b,
                                                 nest_at(b, m->l->in[1], image + number % c->images, c->y,
                                                         c->x + number / c->images, channel),
                                                 part, MATRIX_LANES))
                       : splat(num(b, 0), MATRIX_LANES);
  }
  walk_transpose(b, v, MATRIX_LANES);
  for (int i = 0; i < MATRIX_LANES; i++)
    nest_store_part(b, turned_at(m, s16, c, NEST_IX(i), NEST_IX(first)), v[i], numbers);
}

/* Like turn_numbers, but copies the whole operand, one number at a time, because some images are missing. */
static void turn_some(const WeightsRows *m, const Ix *s16, const Chunk *c, int part) {
  Nest *b = m->l->b;
  NEST_FOR(b, i, c->pixels)
    NEST_FOR(b, j, c->images) {
      const Ix image = c->block * m->images + c->n + j, number = i * c->images + j;
      NEST_IF(b, nest_at_least(b, m->count - image, 1)) {
        NEST_FOR(b, r, part)
          nest_store(
              b, turned_at(m, s16, c, &r, &number),
              nest_load(b, nest_at(b, m->l->in[1], image, c->y, c->x + i, *s16 * MATRIX_LANES + r), 1));
        if (part < MATRIX_LANES)
          NEST_FROM(b, r, part, MATRIX_LANES) nest_store(b, turned_at(m, s16, c, &r, &number), num(b, 0));
      }
      NEST_ELSE(b)
        NEST_FOR(b, r, MATRIX_LANES) nest_store(b, turned_at(m, s16, c, &r, &number), num(b, 0));
    }
}

static void turn_chunk(const WeightsRows *m, const Ix *s16, const Chunk *c, int part) {
  Nest *b = m->l->b;
  NEST_IF(b, nest_at_least(b, m->count - c->block * m->images - c->n, c->images))
    for (int64_t first = 0; first < 2 * m->words; first += MATRIX_LANES) turn_numbers(m, s16, c, first, part);
  NEST_ELSE(b) turn_some(m, s16, c, part);
}

/* Copies all words of 16 channels. Only the first `part` of these channels exist. */
static void turn_channels(const WeightsRows *m, const Ix *s16, int part) {
  Nest *b = m->l->b;
  const int64_t numbers = 2 * m->words, each = m->images > numbers ? m->images / numbers : 1,
                pixels = m->images > numbers ? 1 : numbers / m->images;
  NEST_FOR(b, q, m->blocks)
    NEST_FOR(b, y, m->k.small.h)
      NEST_FOR(b, x, m->k.small.w / pixels)
        NEST_FOR(b, i, each)
          turn_chunk(m, s16,
                     &(Chunk){.block = q,
                              .y = y,
                              .step = x * each + i,
                              .x = x * pixels,
                              .n = i * numbers,
                              .pixels = pixels,
                              .images = smaller(m->images, numbers)},
                     part);
}

static void turn_all_images(const WeightsRows *m, LoopKind loops) {
  Nest *b = m->l->b;
  const int64_t whole = m->k.s / MATRIX_LANES, rest = m->k.s % MATRIX_LANES;
  if (whole)
    NEST_LOOP(b, s16, whole > 1 ? loops : SERIAL, 1, NEST_IX(0), 1, NEST_IX(whole))
      turn_channels(m, &s16, MATRIX_LANES);
  if (rest) turn_channels(m, NEST_IX(whole), (int)rest);
}

/* ---- a panel of the large side ---- */
typedef struct LargePanel {
  Ix number;
  int64_t valid; /* channels */
} LargePanel;

static int panel_vectors(const LargePanel *p) { return (int)ceil_divide(p->valid, MATRIX_LANES); }

/* Stores the words of one pixel for two images, from index `image` on. Only the first `images` (0 .. 2) of
 * the two images exist; zeros replace the missing images. */
static void store_image_words(const WeightsRows *m, const LargePanel *p, const Ix *row, const Ix *word,
                              const Ix *y, const Ix *x, const Ix *image, int images) {
  Nest *b = m->l->b;
  int low[LANES], high[LANES];
  walk_interleave(MATRIX_LANES, low, high);
  for (int v = 0; v < panel_vectors(p); v++) {
    const int part = (int)smaller(p->valid - v * MATRIX_LANES, MATRIX_LANES);
    Val of[2];
    for (int i = 0; i < 2; i++)
      of[i] = i < images ? nest_let(b, nest_text(b, "x%d", i),
                                    nest_load_part(b,
                                                   nest_at(b, m->l->in[0], *image + i, *y, *x,
                                                           p->number * WIDTH + v * MATRIX_LANES),
                                                   part, MATRIX_LANES))
                         : splat(num(b, 0), MATRIX_LANES);
    for (int i = 0; i < 2; i++)
      nest_store(b, nest_at(b, m->pairs, p->number, *row, *word, (2 * v + i) * MATRIX_LANES),
                 images ? shuffle(of[0], of[1], MATRIX_LANES, i ? high : low) : of[0]);
  }
}

static void fill_zeros(const WeightsRows *m, const LargePanel *p, const Ix *row, int64_t from, int64_t to) {
  Nest *b = m->l->b;
  if (from < to)
    NEST_FROM(b, word, from * m->images / 2, to * m->images / 2)
      store_image_words(m, p, row, &word, NULL, NULL, NULL, 0);
}

/* Fills a row of the copy with row y of all images of a block: for each position modulo the stride, the
 * columns of the images at this position, with zeros before and after these columns. */
static void fill_row(const WeightsRows *m, const LargePanel *p, const Ix *block, const Ix *row, const Ix *y) {
  const Correlation *k = &m->k;
  const int64_t S = k->stride[1], P = k->before[1];
  Nest *b = m->l->b;
  for (int64_t phase = 0; phase < S; phase++) {
    const int64_t first = first_column(k, phase), count = phase_columns(k, phase),
                  left = smaller(ceil_divide(larger(P - phase, 0), S), count),
                  right = larger(smaller(ceil_divide(larger(k->large.w + P - phase, 0), S), count), left);
    fill_zeros(m, p, row, first, first + left);
    if (left < right)
      NEST_FROM(b, i, left, right)
        NEST_FOR(b, j, m->images / 2) {
          const Ix image = *block * m->images + 2 * j, x = i * S + (phase - P),
                   word = (i + first) * (m->images / 2) + j;
          NEST_IF(b, nest_at_least(b, m->count - image, 2))
            store_image_words(m, p, row, &word, y, &x, &image, 2);
          NEST_ELSE(b) {
            NEST_IF(b, nest_at_least(b, m->count - image, 1))
              store_image_words(m, p, row, &word, y, &x, &image, 1);
            NEST_ELSE(b) store_image_words(m, p, row, &word, NULL, NULL, NULL, 0);
          }
        }
    fill_zeros(m, p, row, first + right, first + count);
  }
}

static void fill_large_panel(const WeightsRows *m, const LargePanel *p, const Ix *block) {
  const int64_t top = smaller(larger(m->k.before[0], 0), m->rows),
                bottom = larger(smaller(m->k.before[0] + m->k.large.h, m->rows), top);
  Nest *b = m->l->b;
  if (top)
    NEST_FOR(b, row, top) fill_zeros(m, p, &row, 0, m->columns);
  if (top < bottom)
    NEST_FROM(b, row, top, bottom) fill_row(m, p, block, &row, NEST_IX(row - m->k.before[0]));
  if (bottom < m->rows)
    NEST_FROM(b, row, bottom, m->rows) fill_zeros(m, p, &row, 0, m->columns);
}

/* ---- a tile ---- */
typedef struct WeightsTap {
  const WeightsRows *m;
  Ix block, s16, panel, ky;
  int64_t kx;
  Buf *sums;
} WeightsTap;

static void weights_sum(const void *context, const Ix *u, const Ix *q, const Ix *v) {
  const WeightsTap *t = context;
  const WeightsRows *m = t->m;
  const Correlation *k = &m->k;
  const int64_t at = t->kx * k->dilation[1], column = first_column(k, at % k->stride[1]) + at / k->stride[1];
  Nest *b = m->l->b;
  Buf *sum = NEST_REGISTERS(b, "sum", MATRIX_LANES, 1);
  nest_store(b, nest_at(b, sum, 0), num(b, 0));
  NEST_FOR(b, y, k->small.h)
    NEST_FOR(b, c, m->steps)
      NEST_FOR(b, w, m->words) {
        const Chunk chunk = {.block = t->block, .y = y, .step = c};
        const Ix s16 = t->s16 + *u, number = 2 * w, row = y * k->stride[0] + t->ky * k->dilation[0];
        const Val small = nest_load_pairs(b, turned_at(m, &s16, &chunk, q, &number), 1),
                  large = nest_load_pairs(b,
                                          nest_at(b, m->pairs, t->panel, row,
                                                  column * (m->images / 2) + c * m->words + w,
                                                  2 * MATRIX_LANES * *v),
                                          MATRIX_LANES);
        nest_store(b, nest_at(b, sum, 0),
                   dot_bf16(splat(small, MATRIX_LANES), large, nest_get(b, nest_at(b, sum, 0))));
      }
  nest_store(b, nest_at(b, t->sums, t->ky * k->kernel[1] + t->kx, MATRIX_LANES * *u + *q, MATRIX_LANES * *v),
             nest_get(b, nest_at(b, sum, 0)));
}

/* Creates the function for tiles of `rows` channels of the small side and `columns` channels of the large
 * side. */
static NestFn *weights_tile_function(const WeightsRows *m, int rows, int columns) {
  Nest *b = m->l->b;
  const int blocks = (int)ceil_divide(rows, MATRIX_LANES), vectors = (int)ceil_divide(columns, MATRIX_LANES);
  const int64_t taps = m->k.kernel[0] * m->k.kernel[1];
  NestFn *fn = nest_fn(b, nest_text(b, "tile_%dx%d", rows, columns), false);
  WeightsTap t = {.m = m, .block = nest_arg(b, "block")};
  t.s16 = nest_arg(b, "s16");
  t.panel = nest_arg(b, "panel");
  t.sums = NEST_BUF(b, STACK, "sums", taps, blocks * MATRIX_LANES, vectors * MATRIX_LANES);
  const GradientTile sums = {m->l, MATRIX_LANES, taps, t.sums};
  const GradientColumns large = {t.panel * WIDTH, vectors, columns - (vectors - 1) * MATRIX_LANES};
  const MatrixMap map = {.columns = MATRIX_LANES, .apart = MATRIX_LANES};
  const Ix row = t.s16 * MATRIX_LANES;
  NEST_FOR(b, ky, m->k.kernel[0])
    for (t.kx = 0; t.kx < m->k.kernel[1]; t.kx++) {
      t.ky = ky;
      gradient_tile_prefetch(&sums, &large, &row, rows, NEST_IX(ky * m->k.kernel[1] + t.kx));
      matrix_groups(b, &map, blocks, vectors, weights_sum, &t);
    }
  gradient_tile_add(&sums, &large, &row, rows);
  return fn;
}

/* ---- all tiles ---- */
static void weights_panel(const WeightsRows *m, const LargePanel *p, NestFn *const fn[2]) {
  Nest *b = m->l->b;
  const int64_t whole = m->k.s / WIDTH;
  NEST_FOR(b, q, m->blocks) {
    fill_large_panel(m, p, &q);
    if (whole)
      NEST_FOR(b, i, whole) nest_call(b, fn[0], q, i * WHOLE, p->number);
    if (fn[1]) nest_call(b, fn[1], q, NEST_Z + whole * WHOLE, p->number);
  }
}

static bool conv_rows_weights_matrix_build(Lower *l) {
  const Correlation k = weights_rows_correlation(l->node);
  WeightsRows m = weights_rows_of(&k, l->rows, l->target->l2);
  Nest *b = l->b;
  const LoopKind loops = l->threads ? PARALLEL : SERIAL;
  const int64_t panels = k.l / WIDTH;
  const int size[2][2] = {{WIDTH, (int)(k.s % WIDTH)}, {WIDTH, (int)(k.l % WIDTH)}};
  const bool exists[2][2] = {{k.s >= WIDTH, size[0][1] > 0}, {panels > 0, size[1][1] > 0}};
  NestFn *fn[2][2] = {{NULL, NULL}, {NULL, NULL}}; /* [whole or last panel][whole or last tile] */
  m.l = l;
  if (m.blocks > 1) lower_must_add(l);
  if (k.rank > 2) gradient_tile_by_taps(l->out, k.kernel[0] * k.kernel[1]);
  m.turned = lower_scratch_of(
      l, "turned", BF16, 6,
      (int64_t[]){ceil_divide(k.s, WIDTH) * WHOLE, m.blocks, k.small.h, m.steps, MATRIX_LANES, 2 * m.words});
  m.pairs = lower_scratch_of(
      l, "pairs", BF16, 4, (int64_t[]){ceil_divide(k.l, WIDTH), m.rows, m.columns * m.images / 2, 2 * WIDTH});
  b->tiles = (TileShape){.rows = MATRIX_ROWS, .pairs = (int)m.words};
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 2; j++)
      if (exists[1][i] && exists[0][j]) fn[i][j] = weights_tile_function(&m, size[0][j], size[1][i]);
  nest_fn(b, b->name, false);
  m.count = lower_rows(l);
  turn_all_images(&m, loops);
  if (panels)
    NEST_LOOP(b, panel, panels > 1 ? loops : SERIAL, 1, NEST_IX(0), 1, NEST_IX(panels))
      weights_panel(&m, &(LargePanel){panel, WIDTH}, fn[0]);
  if (k.l % WIDTH) weights_panel(&m, &(LargePanel){NEST_Z + panels, k.l % WIDTH}, fn[1]);
  lower_about(l, "batched: tile registers, tiles of %d x %d channels for each tap, %d images per block",
              WIDTH, WIDTH, (int)m.images);
  return true;
}

static bool conv_rows_weights_matrix_takes(const Lower *l) {
  return kernel_whole_batch(l->kernel) && node_is_bf16(l->node) && l->target->tiles > 0;
}

static const char *rows_matrix_refused(const Target *target, const Node *node, int64_t batch) {
  const Correlation k = weights_rows_correlation(node);
  if (k.groups > 1 || k.taps) return "groups";
  if (k.kernel[0] * k.kernel[1] > MOST_TAPS) return "the window";
  if (smaller(k.s, k.l) < MATRIX_LANES / 2) return "too few channels to fill the registers";
  const WeightsRows m = weights_rows_of(&k, batch, target->l2);
  if (m.words < MATRIX_ROWS / 4) return "too few images to fill the registers";
  const int64_t panel = bounded_product(2 * WIDTH * m.rows, m.columns * m.images),
                pairs = bounded_product(panel, ceil_divide(k.l, WIDTH)),
                turned = bounded_product(2 * k.s * k.small.h, k.small.w * m.images * m.blocks);
  return panel > target->l2 || pairs + turned > 8 * target->l2 ? "copies too large for the caches" : NULL;
}

static const char *conv_rows_weights_matrix_refused(const Lower *l, const Choice *choice) {
  (void)choice;
  return rows_matrix_refused(l->target, l->node, l->batch);
}

Cycles rows_weights_by_matrix(const Target *target, const Node *node, int64_t batch, int64_t weight_bytes) {
  /* cycles. PRODUCT: per product; TURNED: per copied element of the small side; PAIRED: per copied element of
   * the large side; ADDED: per gradient of a 1x1 kernel */
  static const double PRODUCT = 18, TURNED = 0.6, PAIRED = 0.3, ADDED = 0.1;
  const Correlation k = weights_rows_correlation(node);
  const WeightsRows m = weights_rows_of(&k, batch, target->l2);
  const double taps = (double)(k.kernel[0] * k.kernel[1]), elements = taps * (double)(k.s * k.l),
               tiles = (double)(ceil_divide(k.s, MATRIX_LANES) * ceil_divide(k.l, MATRIX_LANES)),
               sums = (taps > 1 ? target->rates->turned_weight : ADDED) * elements +
                      cost_gradient_sums(target, &k, weight_bytes);
  Cycles c = {.products = PRODUCT * taps * tiles * (double)(k.small.h * m.steps * m.blocks) / (double)batch,
              .transforms = TURNED * (double)(k.s * k.small.h * k.small.w) +
                            PAIRED * (double)(k.l * m.rows * m.columns) +
                            sums * (double)m.blocks / (double)batch};
  c.total = c.products + c.transforms;
  return c;
}

bool rows_weights_take_matrix(const Target *target, const Node *node, int64_t batch) {
  return node_is_bf16(node) && target->tiles > 0 && !rows_matrix_refused(target, node, batch);
}

static Cycles conv_rows_weights_matrix_cycles(const Lower *l, const Target *target, const Choice *choice) {
  (void)choice;
  return rows_weights_by_matrix(target, l->node, l->batch, l->weight_bytes);
}

const Schedule schedule_conv_rows_weights_matrix = {.name = "batched, in tile registers",
                                                    .families = FAMILY_BIT(FAMILY_CONV_WEIGHTS) |
                                                                FAMILY_BIT(FAMILY_DENSE_WEIGHTS),
                                                    .takes = conv_rows_weights_matrix_takes,
                                                    .refused = conv_rows_weights_matrix_refused,
                                                    .cycles = conv_rows_weights_matrix_cycles,
                                                    .build = conv_rows_weights_matrix_build};
