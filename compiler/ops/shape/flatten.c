/* flatten.c: flatten, a vector of all elements. By default the elements are in memory order (height, width,
 * channels), which moves no data. With order=chw they are stored channel by channel, as weights from PyTorch
 * or ONNX require. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/walk.h"
#include "ops/shape/reshape.h"

static const Param params[] = {
    {"order", PARAM_CHOICE, "hwc",
     "order of the elements; chw: channel by channel, for weights from PyTorch or ONNX", 0, 0, "hwc chw"},
    {0}};

static const Op op_flatten_planes;

static void shape(ShapeContext *context, Node *node) {
  const Shape in = node->in[0]->shape;
  const Extent e = shape_extent(in);
  (void)context;
  if (!in.rank) return;
  node->shape = shape_with_rows(shape_vector(e.h * e.w * e.c), in);
  if (arg_is(node, "order", "chw") && e.c > 1 && e.h * e.w > 1)
    node->op = &op_flatten_planes; /* for all other shapes, both orders are the same */
}

/* ---- order=hwc: an alias ---- */
static const Op op_back = {.name = "flatten input gradient", .family = FAMILY_ALIAS, .eval = reshape_eval};

static void backward(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_back, node, 1, &dy);
}

#define FLATTEN                                                                                              \
  .name = "flatten", .group = "shape", .traits.keeps_spatial = true, .traits.int8 = INT8_MOVE,               \
  .summary = "turns a value into a vector of all its elements", .params = params,                            \
  .example = "flatten -> dense(10)", .shape = shape,                                                         \
  .detail = "y[(h*W + w)*C + c] = x[h][w][c]; with order=chw, y[(c*H + h)*W + w] = x[h][w][c]"

const Op op_flatten = {FLATTEN, .family = FAMILY_ALIAS, .eval = reshape_eval, .gradient = backward};

/* ---- order=chw: a permutation ---- */
static void planes_run(const Eval *eval) {
  const Extent e = shape_extent(eval->node->in[0]->shape);
  for (int64_t p = 0; p < e.h * e.w; p++)
    for (int64_t c = 0; c < e.c; c++) eval->out[c * e.h * e.w + p] = eval->in[0][p * e.c + c];
}

static void planes_lower(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->in[0]->shape);
  const Ix zero = {0};
  nest_fn(b, b->name, false);
  NEST_FOR(b, c, e.c)
    NEST_FOR(b, y, e.h)
      NEST_FOR(b, x, e.w) {
        const Ix to = (c * e.h + y) * e.w + x;
        lower_store(l, nest_load(b, nest_at(b, l->in[0], y, x, c), 1), &zero, &zero, &to, 1, 1);
      }
}

static void planes_back_run(const Eval *eval) {
  const Extent e = shape_extent(eval->node->shape);
  for (int64_t p = 0; p < e.h * e.w; p++)
    for (int64_t c = 0; c < e.c; c++) eval->out[p * e.c + c] = eval->in[0][c * e.h * e.w + p];
}

static void planes_back_lower(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w)
      NEST_FOR(b, c, e.c)
        lower_store(l, nest_load(b, nest_at(b, l->in[0], 0, 0, (c * e.h + y) * e.w + x), 1), &y, &x, &c, 1,
                    1);
}

static const Op op_planes_back = {
    .name = "flatten planes gradient", .eval = planes_back_run, .lower = planes_back_lower};

static void planes_backward(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_planes_back, node, 1, &dy);
}

static const Op op_flatten_planes = {FLATTEN, .eval = planes_run, .gradient = planes_backward,
                                     .lower = planes_lower};
