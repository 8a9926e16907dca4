/* channel_shuffle.c: channel_shuffle, which interleaves the channels of all groups (Zhang et al., 2018:
 * ShuffleNet); C is the number of channels:
 *
 * y[k*groups + g] = x[g*(C/groups) + k] */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/walk.h"
#include "ops/shape/weave.h"

static const Param params[] = {{"groups", PARAM_INT, NULL, "number of channel groups", 0, 0, NULL}, {0}};

static void shape(ShapeContext *context, Node *node) {
  const Shape in = node->in[0]->shape;
  if (!in.rank) return;
  const int64_t channels = shape_extent(in).c, groups = arg_int(node, "groups");
  if (channels % groups == 0) {
    node->shape = in;
    return;
  }
  Diag *diag = op_error_at(context, node, "groups", DIAG_groups_mismatch,
                           "groups=%lld of channel_shuffle does not divide the %s of its input",
                           (long long)groups, text_counted(context->arena, channels, "channel"));
  op_note_origin(context, diag, node->in[0]);
  diag_help(diag, "use the number of groups of the grouped convolution before it");
}

/* The channels of each pixel are transposed as a matrix with this number of rows. The backward pass
 * transposes them back. */
static int64_t rows_of(const Node *node) {
  const int64_t groups = arg_int(node, "groups");
  return node->hidden ? shape_extent(node->shape).c / groups : groups;
}

static void run(const Eval *eval) {
  const Extent e = shape_extent(eval->node->shape);
  const int64_t rows = rows_of(eval->node), columns = e.c / rows;
  for (int64_t p = 0; p < e.h * e.w; p++)
    for (int64_t c = 0; c < e.c; c++)
      eval->out[p * e.c + c % columns * rows + c / columns] = eval->in[0][p * e.c + c];
}

static void together(Lower *l, int64_t rows, int64_t columns, const Spot *pixel) {
  Spot *from = NEW_ARRAY(l->arena, Spot, rows);
  for (int64_t r = 0; r < rows; r++) from[r] = (Spot){pixel->y, pixel->x, pixel->c + r * columns};
  weave_together(l, rows, columns, from, pixel);
}

static void apart(Lower *l, int64_t rows, int64_t columns, const Spot *pixel) {
  Spot *to = NEW_ARRAY(l->arena, Spot, columns);
  for (int64_t k = 0; k < columns; k++) to[k] = (Spot){pixel->y, pixel->x, pixel->c + k * rows};
  weave_apart(l, columns, rows, pixel, to);
}

static void one_by_one(Lower *l, int64_t rows, int64_t columns, const Spot *pixel) {
  Nest *b = l->b;
  NEST_FOR(b, k, columns)
    NEST_FOR(b, r, rows) {
      const Ix c = k * rows + r;
      lower_store(l, nest_load(b, nest_at(b, l->in[0], pixel->y, pixel->x, r * columns + k), 1), &pixel->y,
                  &pixel->x, &c, 1, 1);
    }
}

static void lower(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  const int64_t rows = rows_of(l->node), columns = e.c / rows;
  nest_fn(b, b->name, false);
  NEST_LOOP(b, y, walk_rows(l, e.h * e.w * e.c), 1, NEST_IX(0), 1, NEST_IX(e.h))
    NEST_FOR(b, x, e.w) {
      const Spot pixel = {y, x, {0}};
      if (weave_fits(l, rows, columns)) together(l, rows, columns, &pixel);
      else if (weave_fits(l, columns, rows)) apart(l, rows, columns, &pixel);
      else one_by_one(l, rows, columns, &pixel);
    }
}

static bool identity(const Node *node) {
  return rows_of(node) == 1 || rows_of(node) == shape_extent(node->shape).c;
}

static const Op op_back = {.name = "channel_shuffle input gradient", .eval = run, .lower = lower};

static void backward(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_back, node, 1, &dy);
}

const Op op_channel_shuffle = {
    .name = "channel_shuffle",
    .group = "shape",
    .summary = "interleaves the channels of all groups",
    .detail = "y[k*groups + g] = x[g*(C/groups) + k]",
    .params = params,
    .example = "conv(48, 1x1, groups=3) -> channel_shuffle(3)",
    .traits.keeps_spatial = true,
    .shape = shape,
    .identity = identity,
    .eval = run,
    .gradient = backward,
    .lower = lower,
    .traits.int8 = INT8_MOVE,
    .traits.stream = STREAM_ROWS,
};
