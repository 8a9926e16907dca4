/* transpose.c: transpose, the transposed matrix of a sequence: y[c][l] = x[l][c]. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/walk.h"

static const Param params[] = {{0}};

static void shape(ShapeContext *context, Node *node) {
  const Shape in = node->in[0]->shape;
  if (!in.rank) return;
  if (in.rank != 2) {
    Diag *diag = op_error(context, node, DIAG_wrong_shape, "transpose takes sequences, but its input is %s",
                          shape_text(context->arena, in));
    op_note_origin(context, diag, node->in[0]);
    if (in.rank == 3)
      diag_help(diag,
                "reshape([%lld, %lld]) counts its pixels, split_rows takes each row of pixels as a matrix",
                (long long)(in.dim[0] * in.dim[1]), (long long)in.dim[2]);
    else diag_help(diag, "reshape([1, %lld]) makes it a matrix of one row", (long long)in.dim[0]);
    return;
  }
  node->shape = shape_with_rows(shape_sequence(in.dim[1], in.dim[0]), in);
}

static void run(const Eval *eval) {
  const Extent e = shape_extent(eval->node->shape);
  for (int64_t i = 0; i < e.w; i++)
    for (int64_t c = 0; c < e.c; c++) eval->out[i * e.c + c] = eval->in[0][c * e.w + i];
}

/* Computes `rows` rows of the result, channel by channel. The cache lines of these rows stay in the L1 cache
 * from one channel to the next. */
static void turn_tile(Lower *l, const Ix *first, int64_t rows) {
  Nest *b = l->b;
  const Ix zero = {0};
  NEST_FOR(b, c, shape_extent(l->node->shape).c)
    NEST_FOR(b, r, rows) {
      const Ix i = *first + r;
      lower_store(l, nest_load(b, nest_at(b, l->in[0], 0, c, i), 1), &zero, &i, &c, 1, 1);
    }
}

static void lower(Lower *l) {
  enum { TILE = 16 };
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  const int64_t tiles = e.w / TILE;
  const Ix zero = {0}, last = zero + tiles * TILE;
  nest_fn(b, b->name, false);
  if (tiles)
    NEST_LOOP(b, tile, walk_rows(l, e.w * e.c), 1, NEST_IX(0), 1, NEST_IX(tiles)) {
      const Ix first = tile * TILE;
      turn_tile(l, &first, TILE);
    }
  if (e.w % TILE) turn_tile(l, &last, e.w % TILE);
}

static const Op op_back = {.name = "transpose input gradient", .eval = run, .lower = lower};
static void backward(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_back, node, 1, &dy);
}

const Op op_transpose = {
    .name = "transpose",
    .group = "attention",
    .summary = "transposes the matrix of a sequence: LxC becomes CxL",
    .detail = "y[c][l] = x[l][c], separately for each region, head or window",
    .params = params,
    .example = "reshape([49, 64]) -> transpose -> dense(10)",
    .traits.needs_axes = true,
    .traits.int8 = INT8_MOVE,
    .shape = shape,
    .eval = run,
    .gradient = backward,
    .lower = lower,
};
