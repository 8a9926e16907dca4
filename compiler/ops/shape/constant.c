/* constant.c: constant, a value that does not depend on inputs: trained numbers such as position embeddings.
 * The value is the same for each image. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/walk.h"
#include "ops/shape/reshape.h"

static const Param params[] = {
    {"shape", PARAM_SHAPE, NULL, "one to three sizes: 7x7x32, or [length, channels]", 0, 0, NULL},
    {"init", PARAM_INIT, "zeros", "initial values; fan_in and fan_out are the number of channels", 0, 0,
     NULL},
    {0}};

static void shape(ShapeContext *context, Node *node) {
  Shape to;
  if (!reshape_sizes(context, node, &to)) return;
  const int64_t channels = shape_extent(to).c;
  node->nweights = 1;
  node->weight = NEW_ARRAY(context->arena, Weight *, 1);
  node->weight[0] = op_weight(context, node, "weight", to.rank, to.dim, "init", 0, channels, channels, true);
  if (node->weight[0]) node->shape = to;
}

static void run(const Eval *eval) {
  const int64_t n = shape_row_elements(eval->node->shape);
  for (int64_t i = 0; i < n; i++) eval->out[i] = eval->weight[0][i];
}

/* Element (y, x, c) of the parameter, which has as many dimensions as its shape in the source. */
static Ref constant_element(Lower *l, Buf *weight, const Ix *y, const Ix *x, const Ix *c) {
  Nest *b = l->b;
  return weight->rank == 1   ? nest_at(b, weight, *c)
         : weight->rank == 2 ? nest_at(b, weight, *x, *c)
                             : nest_at(b, weight, *y, *x, *c);
}

static void copy_constant_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                               const void *context) {
  Buf *const *weight = context;
  lower_store(l, nest_load_part(l->b, constant_element(l, *weight, y, x, c), part, lanes), y, x, c, part,
              lanes);
}

static void lower(Lower *l) {
  Buf *weight = lower_weight(l, 0);
  nest_fn(l->b, l->b->name, false);
  walk_pixels(l, shape_extent(l->node->shape), copy_constant_body, &weight);
}

/* ---- the gradient: the sum of dy over the images ---- */
static void sum_run(const Eval *eval) {
  const int64_t n = shape_row_elements(eval->node->in[0]->shape);
  for (int64_t i = 0; i < n; i++) eval->out[i] += eval->in[0][i];
}

static void sum_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                     const void *context) {
  (void)context;
  const Ref to = constant_element(l, l->out, y, x, c);
  nest_store_part(l->b, to,
                  add(nest_load_part(l->b, to, part, lanes), walk_load(l, l->in[0], y, x, c, part, lanes)),
                  part);
}

static void sum_lower(Lower *l) {
  nest_fn(l->b, l->b->name, false);
  walk_pixels(l, shape_extent(l->node->in[0]->shape), sum_body, NULL);
}

static const Op op_sum = {.name = "constant gradient", .eval = sum_run, .lower = sum_lower};

static void backward(Gradient *gradient, Node *node, Node *dy) {
  if (gradient_trained(gradient, node, 0)) gradient_sum(gradient, &op_sum, node, 0, 1, &dy);
}

const Op op_constant = {
    .name = "constant",
    .group = "combining",
    .summary = "a trained constant tensor, the same for every input",
    .detail = "y = weight. A constant has no input: give it a name, and combine other values with it",
    .params = params,
    .example = "places = constant(7x7x32, init=normal(0.02))",
    .source = true,
    .shape = shape,
    .eval = run,
    .gradient = backward,
    .lower = lower,
};
