/* depth_to_space.c: depth_to_space, which turns channels into blocks of pixels (Shi et al., 2016: sub-pixel
 * convolution). */
// SPDX-License-Identifier: Apache-2.0
#include "graph/shape.h"
#include "kernel/window.h"
#include "ops/shape/blocks.h"

static const Param params[] = {BLOCKS_PARAMS};

static void shape(ShapeContext *context, Node *node) {
  const Extent in = shape_extent(node->in[0]->shape);
  int64_t factor[2], area;
  if (!blocks_factor(context, node, factor)) return;
  const bool fits = size_multiply(factor[0], factor[1], &area) && in.c % area == 0;
  if (fits) {
    node->shape = window_shape(node, in.h * factor[0], in.w * factor[1], in.c / area);
    return;
  }
  Diag *diag = op_error_at(context, node, "factor", DIAG_groups_mismatch,
                           "factor %s of depth_to_space does not divide the %s of its input",
                           window_size_text(context->arena, node, factor),
                           text_counted(context->arena, in.c, "channel"));
  diag_fact(diag, "channels: %lld / (%lld*%lld) is not an integer", (long long)in.c, (long long)factor[0],
            (long long)factor[1]);
  op_note_origin(context, diag, node->in[0]);
  if (area <= 4096)
    diag_help(diag, "an input of %lld channels gives %lld output channels",
              (long long)((in.c / area + 1) * area), (long long)(in.c / area + 1));
}

static void run(const Eval *eval) { blocks_run(eval, false); }
static void lower(struct Lower *l) { blocks_lower(l, false); }
static void backward(Gradient *gradient, Node *node, Node *dy) { blocks_gradient(gradient, node, dy, false); }

const Op op_depth_to_space = {
    .name = "depth_to_space",
    .group = "shape",
    .summary = "rearranges channels into blocks of pixels",
    .detail = "y[h*f + i][w*f + j][c] = x[h][w][c*f*f + i*f + j]; with order=dcr, y[h*f + i][w*f + j][c] = "
              "x[h][w][(i*f + j)*C + c]; y has C channels",
    .params = params,
    .example = "conv(12, 3x3, pad=same) -> depth_to_space(2)",
    .traits.needs_axes = true,
    .shape = shape,
    .traits.receptive_field = blocks_field,
    .eval = run,
    .gradient = backward,
    .lower = lower,
    .traits.int8 = INT8_MOVE,
    .traits.stream = STREAM_FLATTER,
};
