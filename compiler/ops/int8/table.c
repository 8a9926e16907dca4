// table.c: any function of one number as a table of its 256 values.
// SPDX-License-Identifier: Apache-2.0
#include "ops/int8/int8.h"

static void eval(const Eval *eval) {
  const Int8Table *t = eval->node->detail;
  const int64_t n = shape_row_elements(eval->node->shape), channels = shape_extent(eval->node->shape).c;
  for (int64_t i = 0; i < n; i++)
    eval->out[i] = t->value[t->channels > 1 ? i % channels : 0][(int)eval->in[0][i] - INT8_MIN];
}

static void lower(Lower *l) {
  const Int8Table *t = l->node->detail;
  const Extent e = shape_extent(l->node->shape);
  Nest *b = l->b;
  Buf *table = lower_constants(l, "table", I8, 2, (int64_t[]){t->channels, 256}, t->value);
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w)
      NEST_FOR(b, c, e.c)
        NEST_CHOSEN(b, q, add(int8_load(l, l->in[0], &y, &x, &c), num_i32(b, -INT8_MIN)), 0, 256) {
          const Ix none = {0}, row = t->channels > 1 ? c : none;
          lower_store(l, nest_load(b, nest_at(b, table, row, q), 1), &y, &x, &c, 1, 1);
        }
}

const Op op_int8_table = {.name = "int8_table",
                          .detail = "out = table[in + 128]",
                          .alone = true,
                          .in_bands = true,
                          .keeps_spatial = true,
                          .eval = eval,
                          .lower = lower};
