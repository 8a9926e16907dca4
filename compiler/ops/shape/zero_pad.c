/* zero_pad.c: zero_pad, a border of zeros. Before a convolution it costs nothing: it becomes its padding. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/shape/box.h"
#include "ops/engine/window.h"

static const Param params[] = {
    {"n", PARAM_BORDER, NULL,
     "zeros on each side: N, [height, width], [top, bottom, left, right]; on a sequence N or [before, after]",
     0, 0, NULL},
    {0}};

static void shape(ShapeContext *context, Node *node) {
  const Extent e = shape_extent(node->in[0]->shape);
  int64_t before[2], after[2];
  if (box_border(context, node, "n", before, after))
    node->shape = window_shape(node, e.h + before[0] + after[0], e.w + before[1] + after[1], e.c);
}

static bool border(const Node *node, int64_t before[2], int64_t after[2]) {
  box_border_of(node, "n", before, after);
  return true;
}

static void run(const Eval *eval) {
  box_place(eval->in[0], shape_extent(eval->node->in[0]->shape), eval->out, shape_extent(eval->node->shape),
            box_inside(eval->node, "n"));
}
static void lower(Lower *l) { box_lower_place(l, box_inside(l->node, "n")); }

static void backward(Gradient *gradient, Node *node, Node *dy) {
  if (gradient_wanted(gradient, node->in[0]))
    gradient_add(gradient, node->in[0],
                 box_gradient_cut(gradient, node, dy, node->in[0]->shape, box_inside(node, "n")));
}

const Op op_zero_pad = {
    .name = "zero_pad",
    .group = "shape",
    .summary = "a border of zeros",
    .detail = "the input with zeros around it",
    .params = params,
    .example = "zero_pad(2)",
    .keeps_spatial = true,
    .reads_once = true,
    .shape = shape,
    .border = border,
    .eval = run,
    .gradient = backward,
    .lower = lower,
};
