// matrix.c: Tiles of a map for registers that hold 16 rows of sums (AMX).
// SPDX-License-Identifier: Apache-2.0
#include "schedule/matrix.h"
#include <math.h>
#include "base/number.h"

enum { FEWEST_COLUMNS = 4, MOST_BLOCKS = 8 }; /* MOST_BLOCKS: maximum number of blocks of a small map */

/* Measured on Sapphire Rapids: cycles of a product whose left operand has `rows` rows. */
static double product_cycles(int64_t rows) { return fmax(10, (double)rows + 2); }

bool matrix_is_row(const MatrixMap *m) { return m->h == 1; }

static int64_t small_columns(const Correlation *k, int64_t pitch) {
  return (k->small.h - 1) * pitch + k->small.w;
}

/* Divides `all` columns into the smallest number of blocks, as narrow as possible. The last block may end
 * some columns after the map. */
static void small_blocks(MatrixMap *m, int64_t all) {
  m->blocks = ceil_divide(all, MATRIX_ROWS);
  m->columns = m->apart = ceil_divide(all, m->blocks);
  if (m->blocks == 1) return;
  m->apart = ceil_divide(all - m->columns, m->blocks - 1);
  m->spare = (m->blocks - 1) * m->apart + m->columns - all;
}

/* Whether one tile computes the whole map. Such a tile reads the weights once for each group of blocks that
 * fits in the registers. So it is preferred even if its products take up to 10% more cycles. */
static bool is_small(const Correlation *k, const MatrixMap *rows, int64_t pitch) {
  static const double MORE = 1.1;
  const int64_t all = small_columns(k, pitch), blocks = ceil_divide(all, MATRIX_ROWS),
                runs = ceil_divide(rows->w, rows->columns);
  return rows->h > 1 && rows->parts[0] * rows->parts[1] == 1 && k->stride[0] == 1 && k->stride[1] == 1 &&
         blocks <= MOST_BLOCKS &&
         (double)blocks * product_cycles(ceil_divide(all, blocks)) <
             MORE * (double)(rows->h * runs) * product_cycles(rows->columns);
}

/* Chooses the blocks of a map of one row that is a single tile. The blocks begin at equal distances, and are
 * widened until the last block ends exactly at the end of the row. If there is no such width, the row is
 * divided into tiles of two blocks. */
static void row_blocks(MatrixMap *m) {
  for (int64_t columns = m->columns; columns <= MATRIX_ROWS && m->blocks > 1; columns++)
    if ((m->w - columns) % (m->blocks - 1) == 0) {
      m->columns = columns;
      m->apart = (m->w - columns) / (m->blocks - 1);
      return;
    }
  if (m->blocks > 2) m->blocks = 2;
}

static void matrix_spans(MatrixMap *m, int64_t runs) {
  const int64_t skip = runs * m->columns - m->w;
  if (m->pitch) {
    m->outer[0] = m->inner[0] = (MatrixSpan){.count = 1, .blocks = m->blocks};
    return;
  }
  if (matrix_is_row(m)) {
    const int64_t tiles = ceil_divide(runs, m->blocks), last = runs - (tiles - 1) * m->blocks;
    const bool whole = tiles == 1 || (last == m->blocks && skip == 0);
    m->outer[0] = (MatrixSpan){0, m->blocks * m->columns, tiles - !whole, m->blocks, 0};
    if (!whole) m->outer[1] = (MatrixSpan){m->w - last * m->columns, 0, 1, last, skip};
    m->inner[0] = (MatrixSpan){.count = 1};
    return;
  }
  const int64_t rest = m->h % m->blocks;
  m->outer[0] = (MatrixSpan){0, m->blocks, m->h / m->blocks, m->blocks, 0};
  if (rest) m->outer[1] = (MatrixSpan){m->h - rest, 0, 1, rest, 0};
  m->inner[0] = (MatrixSpan){0, m->columns, runs - (skip > 0), 0, 0};
  if (skip) m->inner[1] = (MatrixSpan){m->w - m->columns, 0, 1, 0, skip};
}

MatrixMap matrix_map(const Correlation *k, const int64_t outputs[2], const int64_t parts[2], int64_t channels,
                     bool padded) {
  MatrixMap m = {.h = outputs[0] * parts[0],
                 .w = outputs[1] * parts[1],
                 .parts = {parts[0], parts[1]},
                 .vectors = channels > MATRIX_LANES && parts[0] <= 2 ? 2 : 1};
  if (correlation_pointwise(k) && parts[0] * parts[1] == 1) {
    m.w *= m.h;
    m.h = 1;
  }
  const int64_t width = m.w / parts[1], runs = ceil_divide(width, larger(MATRIX_ROWS / parts[1], 1));
  m.columns = m.apart = parts[1] * ceil_divide(width, larger(runs, 1));
  m.blocks = MATRIX_SUMS / m.vectors / parts[0] * parts[0];
  if (m.h == 1 && runs <= MATRIX_SUMS) m.blocks = runs;
  m.blocks = larger(smaller(m.blocks, m.h == 1 ? runs : m.h), 1);
  const int64_t pitch = k->small.w + (k->kernel[1] - 1) * k->dilation[1];
  if (padded && is_small(k, &m, pitch)) {
    m.pitch = pitch;
    small_blocks(&m, small_columns(k, pitch));
    /* With one vector of channels, all blocks fit in the registers. So each weight is read once, and loads
     * from memory overlap with products. */
    if (m.blocks > MATRIX_SUMS / m.vectors && m.blocks <= MATRIX_SUMS) m.vectors = 1;
  }
  if (m.h == 1 && runs <= m.blocks) row_blocks(&m);
  matrix_spans(&m, runs);
  return m;
}

const char *matrix_refused(const MatrixMap *m) {
  return m->columns < FEWEST_COLUMNS || m->columns > MATRIX_ROWS
             ? "too few or too many pixels in a row for a tile"
             : NULL;
}

int matrix_step(int64_t words) {
  int64_t step = smaller(words, MATRIX_ROWS);
  while (words % step) step--;
  return (int)step;
}

double matrix_cycles(const MatrixMap *m, int64_t channels, int64_t steps) {
  double cycles = 0;
  for (int o = 0; o < 2; o++)
    for (int i = 0; i < 2; i++) {
      const int64_t blocks = larger(m->outer[o].blocks, 1), tiles = m->outer[o].count * m->inner[i].count;
      cycles +=
          product_cycles(m->columns) * (double)(blocks * tiles * ceil_divide(channels, MATRIX_LANES) * steps);
    }
  return cycles;
}

Ix matrix_row_of(const MatrixMap *m, const Ix *y, const Ix *t) {
  const Ix row = *y * m->parts[0];
  return m->pitch || matrix_is_row(m) ? row : row + *t;
}

Ix matrix_column_of(const MatrixMap *m, const Ix *x, const Ix *t, const Ix *q) {
  const Ix column = *x * m->parts[1] + *q;
  return m->pitch || matrix_is_row(m) ? column + *t * m->apart : column;
}

Ix matrix_place(const MatrixMap *m, const Ix *t, const Ix *q) { return *t * m->apart + *q; }

int64_t matrix_sums(const MatrixMap *m, int64_t blocks) { return (blocks - 1) * m->apart + m->columns; }

/* Emits `blocks` blocks, from block number `first` on. For a single block, the loop over columns is TILED,
 * because simplification would remove a loop over one block. */
static void matrix_group(Nest *b, const MatrixMap *m, int64_t first, int64_t blocks, int64_t vectors,
                         MatrixSum sum, const void *context) {
  if (blocks == 1) {
    const Ix u = NEST_Z + first;
    NEST_LOOP(b, q, TILED, 1, NEST_IX(0), 1, NEST_IX(m->columns))
      NEST_FOR(b, v, vectors) sum(context, &u, &q, &v);
    return;
  }
  NEST_LOOP(b, n, TILED, 1, NEST_IX(0), 1, NEST_IX(blocks))
    NEST_FOR(b, q, m->columns)
      NEST_FOR(b, v, vectors) sum(context, NEST_IX(first + n), &q, &v);
}

void matrix_groups(Nest *b, const MatrixMap *m, int64_t blocks, int64_t vectors, MatrixSum sum,
                   const void *context) {
  const int64_t most = MATRIX_SUMS / vectors;
  for (int64_t first = 0; first < blocks; first += most)
    matrix_group(b, m, first, smaller(most, blocks - first), vectors, sum, context);
}

MatrixFns matrix_functions(const MatrixMap *m, MatrixBuild build, const void *context) {
  MatrixFns fns = {0};
  for (int o = 0; o < 2; o++)
    for (int i = 0; i < 2; i++)
      if (m->outer[o].count && m->inner[i].count)
        fns.fn[o][i] = build(context, m->outer[o].blocks, m->outer[o].skip + m->inner[i].skip);
  return fns;
}

static Ix span_position(const MatrixMap *m, const MatrixSpan *span, int axis, const Ix *n) {
  return *n * (span->step / m->parts[axis]) + span->first / m->parts[axis];
}

void matrix_row_tiles(Nest *b, const MatrixMap *m, const MatrixFns *fns, int span, const Ix *n,
                      MatrixCall call, const void *context) {
  const Ix at = span_position(m, &m->outer[span], matrix_is_row(m), n), none = {0};
  for (int i = 0; i < 2; i++)
    if (m->inner[i].count)
      NEST_FOR(b, i_, m->inner[i].count) {
        const Ix x = span_position(m, &m->inner[i], 1, &i_);
        if (matrix_is_row(m)) call(context, fns->fn[span][i], &none, &at);
        else call(context, fns->fn[span][i], &at, &x);
      }
}

void matrix_tiles(Nest *b, const MatrixMap *m, const MatrixFns *fns, MatrixCall call, const void *context) {
  for (int o = 0; o < 2; o++)
    if (m->outer[o].count)
      NEST_FOR(b, o_, m->outer[o].count) matrix_row_tiles(b, m, fns, o, &o_, call, context);
}
