/* join_heads.c: join_heads, the inverse of split_heads: rows of the leading axis become channel groups. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/parts/moves.h"

static const Param params[] = {{"n", PARAM_INT, NULL, "number of heads", 0, 0, NULL}, {0}};

static void shape(ShapeContext *context, Node *node) {
  const Shape in = node->in[0]->shape;
  const int64_t n = arg_int(node, "n");
  if (!in.rank) return;
  if (!in.regions && n > 1) {
    Diag *diag = op_error(context, node, DIAG_wrong_shape, "join_heads takes rows, but its input is %s",
                          shape_text(context->arena, in));
    op_note_origin(context, diag, node->in[0]);
    diag_help(diag, "put split_heads(%lld) before it to get rows", (long long)n);
    return;
  }
  if (!parts_divide(context, node, "n", n, shape_rows(in), "rows", "input", node->in[0])) return;
  Shape to = in;
  to.regions = shape_rows(in) / n;
  to.dim[in.rank - 1] *= n;
  to.parts = true;
  node->shape = to.regions > 1 ? to : shape_row(to);
}

static void run(const Eval *eval) { heads_run(eval, false); }
static void lower(Lower *l) { heads_lower(l, false); }

static void back_run(const Eval *eval) { heads_run(eval, true); }
static void back_lower(Lower *l) { heads_lower(l, true); }
static const Op op_back = {
    .name = "join_heads input gradient", .traits.mixes_rows = true, .eval = back_run, .lower = back_lower};
static void backward(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_back, node, 1, &dy);
}

const Op op_join_heads = {
    .name = "join_heads",
    .group = "attention",
    .summary = "turns rows into channel groups (the inverse of split_heads): R*n rows of HxWxC become R rows "
               "of HxWx(n*C)",
    .detail = "channels h*C .. (h+1)*C - 1 of row r are input row r*n + h; if R is 1, the result is a value "
              "without rows",
    .params = params,
    .example = "split_heads(4) -> softmax(axis=length) -> join_heads(4)",
    .traits.mixes_rows = true,
    .traits.int8 = INT8_MOVE,
    .traits.joins_channels = true,
    .traits.reads_anywhere = true,
    .shape = shape,
    .eval = run,
    .gradient = backward,
    .lower = lower,
};
