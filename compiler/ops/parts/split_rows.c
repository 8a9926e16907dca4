/* split_rows.c: split_rows: each row of pixels becomes a row of the leading axis. No data moves. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/parts/moves.h"

static const Param params[] = {{0}};

static void shape(ShapeContext *context, Node *node) {
  const Shape in = node->in[0]->shape;
  if (!in.rank) return;
  if (in.rank != 3 || in.regions) {
    Diag *diag = op_error(context, node, DIAG_wrong_shape, "split_rows takes an image, but its input is %s",
                          shape_text(context->arena, in));
    op_note_origin(context, diag, node->in[0]);
    return;
  }
  node->shape = shape_sequence(in.dim[1], in.dim[2]);
  node->shape.regions = in.dim[0];
  node->shape.parts = true;
}

static const Op op_back = {.name = "split_rows input gradient",
                           .family = FAMILY_ALIAS,
                           .traits.mixes_rows = true,
                           .eval = parts_copy};
static void backward(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_back, node, 1, &dy);
}

const Op op_split_rows = {
    .name = "split_rows",
    .group = "attention",
    .summary = "splits an image into its rows of pixels: HxWxC becomes H rows of WxC",
    .detail = "the elements and their order do not change",
    .params = params,
    .example = "masks = constant(64x49x49, frozen=true) -> split_rows",
    .family = FAMILY_ALIAS,
    .traits.mixes_rows = true,
    .traits.int8 = INT8_MOVE,
    .shape = shape,
    .eval = parts_copy,
    .gradient = backward,
};
