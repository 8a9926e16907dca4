/* concat.c: concat, values side by side: the channels of the current value, then those of the named ones in
 * order. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/shape/box.h"
#include "ops/engine/map.h"

static const Param params[] = {{"x", PARAM_VALUES, NULL, "values of the same height and width", 0, 0, NULL},
                               {0}};

static int64_t offset_of(const Node *node, int k) { /* the first channel of operand k */
  int64_t c = 0;
  for (int i = 0; i < k; i++) c += shape_extent(node->in[i]->shape).c;
  return c;
}

static void shape(ShapeContext *context, Node *node) {
  const Shape first = node->in[0]->shape;
  for (int k = 0; k < node->nin; k++)
    if (!node->in[k]->shape.rank) return;
  if (node->nin > MOST_INPUTS) {
    op_error(context, node, DIAG_too_many_arguments,
             "concat takes at most 15 values besides the current one");
    return;
  }
  for (int k = 1; k < node->nin; k++) {
    const Shape other = node->in[k]->shape;
    const Extent a = shape_extent(first), b = shape_extent(other);
    if (!op_same_regions(context, node, node->in[0], node->in[k])) return;
    if (first.rank == other.rank && a.h == b.h && a.w == b.w) continue;
    Diag *diag =
        op_error(context, node, DIAG_shape_mismatch, "concat of %s and %s: all but the channels must agree",
                 shape_text(context->arena, first), shape_text(context->arena, other));
    op_note_origin(context, diag, node->in[0]);
    op_note_origin(context, diag, node->in[k]);
    if (first.rank != other.rank)
      diag_help(diag, "flatten makes vectors of both; reshape gives them the same number of dimensions");
    else
      diag_help(diag, "pad=same or zero_pad on one of the two ways, or crop on the other, makes them agree");
    return;
  }
  node->shape = first;
  node->shape.dim[first.rank - 1] = offset_of(node, node->nin);
}

static void run(const Eval *eval) {
  const Node *node = eval->node;
  const Extent out = shape_extent(node->shape);
  for (int k = 0; k < node->nin; k++) {
    const int64_t channels = shape_extent(node->in[k]->shape).c, offset = offset_of(node, k);
    for (int64_t p = 0; p < out.h * out.w; p++)
      for (int64_t c = 0; c < channels; c++)
        eval->out[p * out.c + offset + c] = eval->in[k][p * channels + c];
  }
}

static void copy_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                      const void *context) {
  const int k = *(const int *)context;
  const Ix to = *c + offset_of(l->node, k);
  lower_store(l, walk_load(l, l->in[k], y, x, c, part, lanes), y, x, &to, part, lanes);
}

static void lower(Lower *l) {
  nest_fn(l->b, l->b->name, false);
  for (int k = 0; k < l->node->nin; k++) walk_pixels(l, shape_extent(l->node->in[k]->shape), copy_body, &k);
}

static void backward(Gradient *gradient, Node *node, Node *dy) {
  for (int k = 0; k < node->nin; k++)
    if (gradient_wanted(gradient, node->in[k]))
      gradient_add(gradient, node->in[k],
                   box_gradient_cut(gradient, node, dy, node->in[k]->shape, (Box){0, 0, offset_of(node, k)}));
}

const Op op_concat = {
    .name = "concat",
    .group = "combining",
    .summary = "the channels of the current value and of others, one after the other",
    .detail = "channels of x0, then of x1, ...",
    .params = params,
    .example = "conv(16, 3x3, pad=same) -> concat(skip)",
    .keeps_spatial = true,
    .reads_once = true,
    .shape = shape,
    .join = offset_of,
    .eval = run,
    .gradient = backward,
    .lower = lower,
};

/* ---- what cannot be written into the result by its producer ---- */
MAP_EVAL(copy_eval) { return x[0]; }
MAP_VALUE(copy_map) { return m->x[0]; }

const Op op_copy = {.name = "concat part", MAP_OPERATOR, .map_eval = copy_eval, .map = copy_map};
