/* crop_like.c: crop_like, the center of the input, with the height and width of another value: a crop with
 * sizes from that value. If an odd number of rows or columns is removed, one more is removed at the end than
 * at the start. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/window.h"
#include "ops/shape/region.h"

static const Param params[] = {{"x", PARAM_VALUE, NULL,
                                "a value with the height and width of the output; only its size is used", 0,
                                0, NULL},
                               {0}};

/* h, w: height and width of the result; box: the input position of the result's first element. */
typedef struct Middle {
  Box box;
  int64_t h, w;
} Middle;

static bool same_kind(ShapeContext *context, const Node *node, const Node *like) {
  const Shape in = node->in[0]->shape;
  Arena *arena = context->arena;
  if (in.rank > 1 && in.rank == like->shape.rank) return true;
  if (in.rank == 1) {
    diag_help(op_error_vector(context, node), "a vector has no border");
    return false;
  }
  Diag *diag = op_error(context, node, DIAG_shape_mismatch,
                        "crop_like of %s to the size of %s: both must be images, or both sequences",
                        shape_text(arena, in), shape_text(arena, like->shape));
  op_note_origin(context, diag, node->in[0]);
  op_note_origin(context, diag, like);
  return false;
}

static void shape(ShapeContext *context, Node *node) {
  const Middle *known = node->detail;
  if (known) { /* in training, the rule runs again for an input that may have another number of regions */
    node->shape = window_shape(node, known->h, known->w, shape_extent(node->in[0]->shape).c);
    return;
  }
  const Node *like = node->in[1];
  if (!node->in[0]->shape.rank || !like->shape.rank || !same_kind(context, node, like)) return;
  const Extent e = shape_extent(node->in[0]->shape), to = shape_extent(like->shape);
  if (e.h >= to.h && e.w >= to.w) {
    Middle *middle = NEW(context->arena, Middle);
    *middle = (Middle){{(e.h - to.h) / 2, (e.w - to.w) / 2, 0}, to.h, to.w};
    node->detail = middle;
    node->nin = 1;
    node->shape = window_shape(node, to.h, to.w, e.c);
    return;
  }
  Diag *diag = op_error(context, node, DIAG_bad_size, "crop_like cannot crop to %s from its smaller %s input",
                        shape_text(context->arena, window_shape(node, to.h, to.w, e.c)),
                        shape_text(context->arena, node->in[0]->shape));
  if (e.h < to.h)
    diag_fact(diag, "height: %lld - %lld = %lld", (long long)e.h, (long long)to.h, (long long)(e.h - to.h));
  if (e.w < to.w)
    diag_fact(diag, "%s: %lld - %lld = %lld", window_axis_name(node, 1), (long long)e.w, (long long)to.w,
              (long long)(e.w - to.w));
  op_note_origin(context, diag, node->in[0]);
  op_note_origin(context, diag, like);
  if (e.h <= to.h && e.w <= to.w) diag_help(diag, "begin the chain with the larger value, which is cropped");
  else diag_help(diag, "use zero_pad to enlarge the input");
}

static const Box *box_of(const Node *node) { return &((const Middle *)node->detail)->box; }

static void run(const Eval *eval) {
  box_cut(eval->in[0], shape_extent(eval->node->in[0]->shape), eval->out, shape_extent(eval->node->shape),
          *box_of(eval->node));
}
static void lower(Lower *l) { box_lower_cut(l, *box_of(l->node)); }

static bool identity(const Node *node) { return shape_equal(node->shape, node->in[0]->shape); }

static void backward(Gradient *gradient, Node *node, Node *dy) {
  if (gradient_wanted(gradient, node->in[0]))
    gradient_add(gradient, node->in[0],
                 box_gradient_place(gradient, node, dy, node->in[0]->shape, *box_of(node)));
}

static void border(const Node *node, int64_t before[2], int64_t after[2]) {
  const Extent e = shape_extent(node->in[0]->shape);
  const Middle *middle = node->detail;
  before[0] = middle->box.y;
  before[1] = middle->box.x;
  after[0] = e.h - middle->h - before[0];
  after[1] = e.w - middle->w - before[1];
}

static void set_border(Arena *arena, Node *node, const int64_t before[2], const int64_t after[2]) {
  Middle *middle = NEW(arena, Middle);
  const Extent e = shape_extent(node->in[0]->shape);
  *middle = (Middle){{before[0], before[1], 0}, e.h - before[0] - after[0], e.w - before[1] - after[1]};
  node->detail = middle;
}

const Op op_crop_like = {
    .name = "crop_like",
    .group = "shape",
    .summary = "removes the borders of the input, so that it gets the height and width of another value",
    .detail = "an input of height H becomes H2 high: floor((H - H2)/2) rows are removed at the top, and "
              "ceil((H - H2)/2) rows at the bottom; columns are removed in the same way",
    .params = params,
    .example = "crop_like(decoded) -> concat(decoded)",
    .traits.keeps_spatial = true,
    .traits.needs_axes = true,
    .shape = shape,
    .identity = identity,
    .eval = run,
    .gradient = backward,
    .lower = lower,
    .traits.stream = STREAM_CROPPED,
    .traits.border = border,
    .traits.set_border = set_border,
};
