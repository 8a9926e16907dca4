// TEMPLATE.c: Example of an operator. Copy this file to ops/KIND/NAME.c. docs/dev/adding-an-operator.md has
// the other steps: rows in tables (ops.def, local.mk and others), tests, editors, and `make docs`.
// SPDX-License-Identifier: Apache-2.0
//
// The first comment has the operator's formula, and the paper that defines the operator. This example mixes
// each channel with its mirror image:
//
//     y[h][w][c] = (1 - amount) * x[h][w][c] + amount * x[h][w][C - 1 - c]
//
// An element-wise operator, y = f(x), is shorter: see relu.c, which defines f and its derivative and gets the
// rest from map.h.
#include "kernel/lower.h"

/* Parameters, in the order of positional arguments. cnnc checks the arguments with this table, and generates
 * `--help mirror` and docs/operators.md from it. */
static const Param params[] = {
    {"amount", PARAM_NUMBER, "0.5", "weight of the mirror image", 0, 1,
     NULL}, /* default 0.5, range 0 .. 1; a default of NULL would make the argument required */
    {0},
};

/* Sets the output's shape and adds the weights (op_weight), or reports invalid sizes, with a hint. If an
 * input's shape is unknown because of an earlier error, this function reports nothing. */
static void shape(ShapeContext *context, Node *node) {
  const Shape in = node->in[0]->shape;
  if (!in.rank) return;
  if (shape_extent(in).c < 2) {
    Diag *diag =
        op_error(context, node, DIAG_wrong_shape, "mirror needs two channels or more, but its input is %s",
                 shape_text(context->arena, in));
    op_note_origin(context, diag, node->in[0]);
    diag_help(diag, "put conv(2, 1x1) before it to get two channels");
    return;
  }
  node->shape = in;
}

/* Multiply-adds of one image, for the summary. An operator without multiply-adds omits this function. */
static Cost cost(const Node *node) { return (Cost){.macs = 2 * shape_row_elements(node->shape)}; }

/* The reference implementation, in double, with simple loops. The tests compare the nests with it, so it
 * shares no code with `lower`. */
static void eval(const Eval *eval) {
  const Extent e = shape_extent(eval->node->shape);
  const double amount = arg_number(eval->node, "amount");
  for (int64_t p = 0; p < e.h * e.w; p++)
    for (int64_t c = 0; c < e.c; c++)
      eval->out[p * e.c + c] =
          (1 - amount) * eval->in[0][p * e.c + c] + amount * eval->in[0][p * e.c + e.c - 1 - c];
}

/* Builds the reference schedule: the loops for -O0, and for operators without another schedule. lower_store
 * also applies the nodes that are fused after the operator. For -O2, kernel families have schedules in
 * schedule/. */
static void lower(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  const double amount = arg_number(l->node, "amount");
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w)
      NEST_FOR(b, c, e.c) {
        Val own = mul(num(b, 1 - amount), nest_load(b, nest_at(b, l->in[0], y, x, c), 1)),
            mirrored = mul(num(b, amount), nest_load(b, nest_at(b, l->in[0], y, x, e.c - 1 - c), 1));
        lower_store(l, add(own, mirrored), &y, &x, &c, 1, 1);
      }
}

/* The backward pass consists of hidden operators. Their names contain a space. Each has an eval and a lower;
 * for the gradient of mirror, these are the functions of mirror itself. */
static const Op op_mirror_gradient = {.name = "mirror gradient", .eval = eval, .lower = lower};

static void gradient(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_mirror_gradient, node, 1, &dy);
}

const Op op_mirror = {
    .name = "mirror",
    .group = "shape",
    .summary = "mixes each channel with its mirror image",
    .detail = "y[c] = (1 - amount)*x[c] + amount*x[C - 1 - c]",
    .params = params,
    .example = "mirror(amount=0.25)",
    .traits.keeps_spatial = true,
    .shape = shape,
    .cost = cost,
    .eval = eval,
    .gradient = gradient,
    .lower = lower,
};
