/* embedding.c: embedding, a trained row for each index: y = weight[index], as in nn.Embedding. An index is
 * truncated and clamped to 0 .. count-1; NaN is 0. The index has no gradient. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/index/index.h"

static const Param params[] = {
    {"count", PARAM_INT, NULL, "number of rows of the table", 1, INDEX_COUNTS, NULL},
    {"channels", PARAM_INT, NULL, "number of elements of each row", 0, 0, NULL},
    {"init", PARAM_INIT, "normal(1)", "initial rows", 0, 0, NULL},
    {0},
};

static void shape(ShapeContext *context, Node *node) {
  if (arg_const(node, "count")->kind == CONST_POISON || arg_const(node, "channels")->kind == CONST_POISON)
    return;
  const int64_t dim[] = {arg_int(node, "count"), arg_int(node, "channels")};
  if (!index_rows_shape(context, node, dim[1])) return;
  node->nweights = 1;
  node->weight = NEW_ARRAY(context->arena, Weight *, 1);
  node->weight[0] = op_weight(context, node, "weight", 2, dim, "init", 0, dim[0], dim[1], true);
  if (!node->weight[0]) node->shape = POISON;
}

static int64_t embedding_rows(const Node *node, int k) { return k == 0 ? arg_int(node, "count") : 0; }

static void run(const Eval *eval) {
  const Extent e = shape_extent(eval->node->shape);
  for (int64_t p = 0; p < e.h * e.w; p++) {
    const int64_t row = index_of(eval->in[0][p], arg_int(eval->node, "count"));
    for (int64_t c = 0; c < e.c; c++) eval->out[p * e.c + c] = eval->weight[0][row * e.c + c];
  }
}

typedef struct Row {
  Buf *table;
  const Ix *at;
} Row;

static void row_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                     const void *context) {
  const Row *row = context;
  lower_store(l, nest_load_part(l->b, nest_at(l->b, row->table, *row->at, *c), part, lanes), y, x, c, part,
              lanes);
}

static void lower(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  const LoopKind kind = walk_rows(l, e.h * e.w * e.c);
  Row row = {.table = lower_weight(l, 0)};
  nest_fn(b, b->name, false);
  NEST_LOOP(b, y, e.h > 1 ? kind : SERIAL, 1, NEST_IX(0), 1, NEST_IX(e.h))
    NEST_LOOP(b, x, e.h > 1 ? SERIAL : kind, 1, NEST_IX(0), 1, NEST_IX(e.w))
      NEST_CHOSEN(b, i, nest_load(b, index_of_pixel(l, l->in[0], &y, &x), 1), 0, arg_int(l->node, "count")) {
        row.at = &i;
        walk_channels(l, e.c, &y, &x, row_body, &row);
      }
}

/* ---- the gradient of the table: inputs dy and the indices ---- */
static void sum_run(const Eval *eval) {
  const Node *of = node_forward(eval->node);
  const Extent e = shape_extent(of->shape);
  for (int64_t p = 0; p < e.h * e.w; p++) {
    const int64_t row = index_of(eval->in[1][p], arg_int(of, "count"));
    for (int64_t c = 0; c < e.c; c++) eval->out[row * e.c + c] += eval->in[0][p * e.c + c];
  }
}

static void add_to_row(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                       const void *context) {
  const Row *row = context;
  const Ref to = nest_at(l->b, row->table, *row->at, *c);
  nest_store_part(l->b, to,
                  add(nest_load_part(l->b, to, part, lanes), walk_load(l, l->in[0], y, x, c, part, lanes)),
                  part);
}

static void sum_lower(Lower *l) {
  Nest *b = l->b;
  const Node *of = node_forward(l->node);
  const Extent e = shape_extent(of->shape);
  lower_must_add(l);
  Row row = {.table = l->out};
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w)
      NEST_CHOSEN(b, i, nest_load(b, index_of_pixel(l, l->in[1], &y, &x), 1), 0, arg_int(of, "count")) {
        row.at = &i;
        walk_channels(l, e.c, &y, &x, add_to_row, &row);
      }
}

static const Op op_sum = {.name = "embedding gradient", .eval = sum_run, .lower = sum_lower};

static void gradient(Gradient *gradient, Node *node, Node *dy) {
  if (gradient_trained(gradient, node, 0))
    gradient_sum(gradient, &op_sum, node, 0, 2, (Node *[]){dy, node->in[0]});
}

const Op op_embedding = {
    .name = "embedding",
    .group = "index",
    .summary = "looks up a trained row of numbers for each index",
    .detail = "y = weight[x]; indices are truncated to integers and clamped to 0 .. count-1; the index NaN "
              "counts as 0; the parameter has the same name and layout as in nn.Embedding",
    .params = params,
    .example = "embedding(30522, 192)",
    .traits.keeps_spatial = true,
    .traits.per_image = true,
    .traits.stream = STREAM_ROWS,
    .traits.index_count = embedding_rows,
    .traits.int8 = INT8_EMBEDDING,
    .shape = shape,
    .eval = run,
    .gradient = gradient,
    .lower = lower,
};
