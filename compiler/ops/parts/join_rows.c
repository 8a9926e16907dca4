/* join_rows.c: join_rows, the inverse of split_rows. No data moves. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/parts/moves.h"

static const Param params[] = {{0}};

static void shape(ShapeContext *context, Node *node) {
  const Shape in = node->in[0]->shape;
  if (!in.rank) return;
  if (in.rank != 2 || !in.regions) {
    Diag *diag =
        op_error(context, node, DIAG_wrong_shape, "join_rows needs rows from split_rows, but its input is %s",
                 shape_text(context->arena, in));
    op_note_origin(context, diag, node->in[0]);
    return;
  }
  node->shape = shape_image(in.regions, in.dim[0], in.dim[1]);
}

static const Op op_back = {.name = "join_rows input gradient",
                           .family = FAMILY_ALIAS,
                           .traits.mixes_rows = true,
                           .eval = parts_copy};
static void backward(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_back, node, 1, &dy);
}

const Op op_join_rows = {
    .name = "join_rows",
    .group = "attention",
    .summary = "the inverse of split_rows: R rows of WxC become RxWxC",
    .detail = "the elements and their order do not change",
    .params = params,
    .example = "split_rows -> softmax(axis=length) -> join_rows",
    .family = FAMILY_ALIAS,
    .traits.mixes_rows = true,
    .traits.int8 = INT8_MOVE,
    .shape = shape,
    .eval = parts_copy,
    .gradient = backward,
};
