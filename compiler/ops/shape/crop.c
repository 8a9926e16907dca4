/* crop.c: crop, the input without some rows and columns at its edges. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/shape/region.h"
#include "kernel/window.h"

static const Param params[] = {{"n", PARAM_BORDER, NULL,
                                "number of elements removed on each side: N, [height, width], [top, bottom, "
                                "left, right]; for a sequence N or [before, after]",
                                0, 0, NULL},
                               {0}};

static void shape(ShapeContext *context, Node *node) {
  const Extent e = shape_extent(node->in[0]->shape);
  int64_t before[2], after[2];
  if (!box_border(context, node, "n", before, after)) return;
  const int64_t h = e.h - before[0] - after[0], w = e.w - before[1] - after[1];
  if (h >= 1 && w >= 1) {
    node->shape = window_shape(node, h, w, e.c);
    return;
  }
  Diag *diag = op_error(context, node, DIAG_bad_size, "crop removes all of its %s input",
                        shape_text(context->arena, node->in[0]->shape));
  if (h < 1)
    diag_fact(diag, "height: %lld - %lld - %lld = %lld", (long long)e.h, (long long)before[0],
              (long long)after[0], (long long)h);
  if (w < 1)
    diag_fact(diag, "%s: %lld - %lld - %lld = %lld", window_axis_name(node, 1), (long long)e.w,
              (long long)before[1], (long long)after[1], (long long)w);
  op_note_origin(context, diag, node->in[0]);
}

static void run(const Eval *eval) {
  box_cut(eval->in[0], shape_extent(eval->node->in[0]->shape), eval->out, shape_extent(eval->node->shape),
          box_inside(eval->node, "n"));
}
static void lower(Lower *l) { box_lower_cut(l, box_inside(l->node, "n")); }

static void backward(Gradient *gradient, Node *node, Node *dy) {
  if (gradient_wanted(gradient, node->in[0]))
    gradient_add(gradient, node->in[0],
                 box_gradient_place(gradient, node, dy, node->in[0]->shape, box_inside(node, "n")));
}

static void border(const Node *node, int64_t before[2], int64_t after[2]) {
  box_border_of(node, "n", before, after);
}

const Op op_crop = {
    .name = "crop",
    .group = "shape",
    .summary = "removes elements at the borders",
    .detail = "y[i][j] = x[top + i][left + j]",
    .params = params,
    .example = "crop(2)",
    .traits.keeps_spatial = true,
    .traits.needs_axes = true,
    .shape = shape,
    .eval = run,
    .gradient = backward,
    .lower = lower,
    .traits.int8 = INT8_MOVE,
    .traits.stream = STREAM_CROPPED,
    .traits.border = border,
    .traits.set_border = box_set_border,
};
