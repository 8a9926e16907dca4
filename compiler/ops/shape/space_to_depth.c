/* space_to_depth.c: space_to_depth, which turns blocks of pixels into channels: the inverse of
 * depth_to_space. */
// SPDX-License-Identifier: Apache-2.0
#include "graph/shape.h"
#include "kernel/window.h"
#include "ops/shape/blocks.h"

static const Param params[] = {BLOCKS_PARAMS};

static void shape(ShapeContext *context, Node *node) {
  const Extent in = shape_extent(node->in[0]->shape);
  int64_t factor[2];
  if (!blocks_factor(context, node, factor)) return;
  const bool fits[2] = {in.h % factor[0] == 0, in.w % factor[1] == 0};
  if (fits[0] && fits[1]) {
    node->shape = window_shape(node, in.h / factor[0], in.w / factor[1], in.c * factor[0] * factor[1]);
    return;
  }
  Diag *diag = op_error_at(context, node, "factor", DIAG_groups_mismatch,
                           "factor %s of space_to_depth does not divide its %s input",
                           window_size_text(context->arena, node, factor),
                           shape_text(context->arena, node->in[0]->shape));
  for (int axis = 0; axis < 2; axis++) {
    const int64_t size = extent_side(in, axis);
    if (!fits[axis])
      diag_fact(diag, "%s: %lld / %lld leaves %lld", window_axis_name(node, axis), (long long)size,
                (long long)factor[axis], (long long)(size % factor[axis]));
  }
  op_note_origin(context, diag, node->in[0]);
  diag_help(diag, "use crop or zero_pad before it to get whole blocks");
}

static void run(const Eval *eval) { blocks_run(eval, true); }
static void lower(struct Lower *l) { blocks_lower(l, true); }
static void backward(Gradient *gradient, Node *node, Node *dy) { blocks_gradient(gradient, node, dy, true); }

const Op op_space_to_depth = {
    .name = "space_to_depth",
    .group = "shape",
    .summary = "rearranges blocks of pixels into channels",
    .detail = "y[h][w][c*f*f + i*f + j] = x[h*f + i][w*f + j][c]; with order=dcr, y[h][w][(i*f + j)*C + c] = "
              "x[h*f + i][w*f + j][c]",
    .params = params,
    .example = "space_to_depth(2) -> conv(64, 3x3, pad=same)",
    .traits.needs_axes = true,
    .shape = shape,
    .traits.receptive_field = blocks_field,
    .eval = run,
    .gradient = backward,
    .lower = lower,
    .traits.int8 = INT8_MOVE,
    .traits.stream = STREAM_DEEPER,
};
