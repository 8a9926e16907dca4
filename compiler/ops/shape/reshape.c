/* reshape.c: reshape, the same elements, in the same memory order (height, width, channels), with another
 * shape. No data moves. */
// SPDX-License-Identifier: Apache-2.0
#include "graph/shape.h"
#include "kernel/lower.h"
#include "ops/registry.h"
#include "ops/shape/reshape.h"

static const Param params[] = {
    {"shape", PARAM_SHAPE, NULL,
     "one to three sizes with the same number of elements: 7x7x32, or [length, channels]", 0, 0, NULL},
    {0}};

bool reshape_sizes(ShapeContext *context, const Node *node, Shape *to) {
  const Const *value = arg_const(node, "shape");
  const bool list = value->kind == CONST_LIST || value->kind == CONST_DIMS;
  *to = (Shape){.rank = list ? value->n : 1};
  if (value->kind == CONST_POISON) return false;
  if (to->rank < 1 || to->rank > 3) {
    op_error_at(context, node, "shape", DIAG_wrong_type, "a shape has one to three sizes, not %d", to->rank);
    return false;
  }
  for (int64_t d = 0, n = 1; d < to->rank; d++) {
    to->dim[d] = list ? value->items[d].i : value->i;
    if (to->dim[d] >= 1 && size_multiply(n, to->dim[d], &n) && n <= SHAPE_MOST_ELEMENTS) continue;
    op_error_at(context, node, "shape", to->dim[d] < 1 ? DIAG_bad_size : DIAG_too_large,
                to->dim[d] < 1 ? "a shape has the size %lld, but sizes must be at least 1"
                               : "with the size %lld, the shape exceeds 2147483647 elements",
                (long long)to->dim[d]);
    return false;
  }
  return true;
}

static void shape(ShapeContext *context, Node *node) {
  const Shape in = node->in[0]->shape;
  Shape to;
  if (!in.rank || !reshape_sizes(context, node, &to)) return;
  to = shape_with_rows(to, in);
  const int64_t have = shape_row_elements(in), want = shape_row_elements(to);
  if (have == want) {
    node->shape = to;
    return;
  }
  Arena *arena = context->arena;
  const Shape row = shape_row(in);
  to = shape_row(to);
  Diag *diag = op_error(context, node, DIAG_shape_mismatch, "reshape to %s does not match its %s input",
                        shape_text(arena, to), shape_text(arena, in));
  diag_fact(diag, "%s has %s elements, %s%s has %s", shape_text(arena, to), text_thousands(arena, want),
            in.parts     ? "each row of "
            : in.regions ? "each region of "
                         : "",
            shape_text(arena, row), text_thousands(arena, have));
  op_note_origin(context, diag, node->in[0]);
}

void reshape_eval(const Eval *eval) {
  const int64_t n = shape_row_elements(eval->node->shape);
  for (int64_t i = 0; i < n; i++) eval->out[i] = eval->in[0][i];
}

static const Op op_back = {.name = "reshape input gradient", .family = FAMILY_ALIAS, .eval = reshape_eval};

static void backward(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_back, node, 1, &dy);
}

/* ---- the vectors of regions as the rows of a sequence ---- */
static void regions_run(const Eval *eval) {
  const int64_t n = shape_row_elements(eval->node->shape);
  for (int64_t i = 0; i < n; i++) eval->out[i] = eval->in[0][eval->row * n + i];
}

static const Op op_regions = {
    .name = "region rows input gradient", .family = FAMILY_ALIAS, .eval = regions_run};

static void rows_gradient(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_regions, node, 1, &dy);
}

const Op op_region_rows = {.name = "region rows",
                           .family = FAMILY_ALIAS,
                           .eval = reshape_eval,
                           .gradient = rows_gradient,
                           .traits.int8 = INT8_MOVE};

const Op op_reshape = {
    .name = "reshape",
    .group = "shape",
    .summary = "changes only the shape, not the elements",
    .detail = "elements keep their order: height, then width, then channels",
    .params = params,
    .example = "dense(1568) -> reshape(7x7x32)",
    .family = FAMILY_ALIAS,
    .shape = shape,
    .eval = reshape_eval,
    .gradient = backward,
    .traits.int8 = INT8_MOVE,
};
