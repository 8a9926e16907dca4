/* split_heads.c: split_heads: each group of channels (attention head) becomes a row of the leading axis. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/parts/moves.h"

static const Param params[] = {{"n", PARAM_INT, NULL, "number of heads", 0, 0, NULL}, {0}};

static void shape(ShapeContext *context, Node *node) {
  const Shape in = node->in[0]->shape;
  const int64_t n = arg_int(node, "n");
  if (!in.rank || !parts_divide(context, node, "n", n, in.dim[in.rank - 1], "channels", "input", node->in[0]))
    return;
  Shape to = in;
  to.regions = shape_rows(in) * n;
  to.dim[in.rank - 1] /= n;
  to.parts = true;
  node->shape = to;
}

static void run(const Eval *eval) { heads_run(eval, true); }
static void lower(Lower *l) { heads_lower(l, true); }

static void back_run(const Eval *eval) { heads_run(eval, false); }
static void back_lower(Lower *l) { heads_lower(l, false); }
static const Op op_back = {
    .name = "split_heads input gradient", .traits.mixes_rows = true, .eval = back_run, .lower = back_lower};
static void backward(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_back, node, 1, &dy);
}

const Op op_split_heads = {
    .name = "split_heads",
    .group = "attention",
    .summary = "turns channel groups into rows: HxWxC becomes n rows of HxWx(C/n)",
    .detail = "row r*n + h contains channels h*C/n .. (h+1)*C/n - 1 of row r; the operators up to join_heads "
              "compute each row separately",
    .params = params,
    .example = "conv(192, 1) -> split_heads(3) -> softmax(axis=length) -> join_heads(3)",
    .traits.mixes_rows = true,
    .traits.int8 = INT8_MOVE,
    .traits.splits_channels = true,
    .traits.reads_anywhere = true,
    .shape = shape,
    .eval = run,
    .gradient = backward,
    .lower = lower,
};
