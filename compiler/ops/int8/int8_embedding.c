// int8_embedding.c: Rows of an int8 table, selected by float indices; copied without rounding.
// SPDX-License-Identifier: Apache-2.0
#include "ops/index/index.h"
#include "ops/int8/int8.h"

static void eval(const Eval *eval) {
  const Int8Embedding *t = eval->node->detail;
  const Extent e = shape_extent(eval->node->shape);
  for (int64_t p = 0; p < e.h * e.w; p++) {
    const int64_t row = index_of(eval->in[0][p], t->count);
    for (int64_t c = 0; c < e.c; c++) eval->out[p * e.c + c] = t->table[row * e.c + c];
  }
}

typedef struct TableRow {
  Buf *table;
  const Ix *at;
} TableRow;

static void copy_table_row(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                           const void *context) {
  const TableRow *row = context;
  lower_store(l, nest_load_part(l->b, nest_at(l->b, row->table, *row->at, *c), part, lanes), y, x, c, part,
              lanes);
}

static void lower(Lower *l) {
  Nest *b = l->b;
  const Int8Embedding *t = l->node->detail;
  const Extent e = shape_extent(l->node->shape);
  TableRow row = {.table = lower_constants(l, "table", I8, 2, (int64_t[]){t->count, e.c}, t->table)};
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w) NEST_CHOSEN(b, i, nest_load(b, index_of_pixel(l, l->in[0], &y, &x), 1), 0, t->count) {
        row.at = &i;
        walk_channels(l, e.c, &y, &x, copy_table_row, &row);
      }
}

const Op op_int8_embedding = {.name = "int8_embedding",
                              .detail = "out = row of the table",
                              .traits.per_image = true,
                              .traits.keeps_spatial = true,
                              .traits.stream = STREAM_ROWS,
                              .eval = eval,
                              .lower = lower};
