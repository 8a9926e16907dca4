/* relative_bias.c: relative_bias, a trained attention bias for each relative position of two pixels in a
 * window (Liu et al., 2021: Swin):
 *
 * y[n][i][j] = weight[(yi - yj + h - 1)*(2w - 1) + xi - xj + w - 1][n]
 *
 * for head n and a window of h x w pixels, where pixel i has row yi and column xi. */
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "ops/attention/attention.h"
#include "kernel/walk.h"
#include "kernel/window.h"

static const Param params[] = {
    {"window", PARAM_WINDOW, NULL,
     "height and width of a window in pixels; each pixel is one position of the sequence", 0, 0, NULL},
    {"heads", PARAM_INT, NULL, "number of heads of the attention", 0, 0, NULL},
    {"init", PARAM_INIT, "normal(0.02)", "initial biases", 0, 0, NULL},
    {0}};

void bias_window(const Node *node, int64_t size[2]) {
  const Const *window = arg_const(node, "window");
  for (int axis = 0; axis < 2; axis++) size[axis] = window->items[window->n == 2 ? axis : 0].i;
}

static void shape(ShapeContext *context, Node *node) {
  int64_t size[2];
  if (arg_const(node, "window")->kind == CONST_POISON) return;
  bias_window(node, size);
  const int64_t heads = arg_int(node, "heads"), length = bounded_product(size[0], size[1]);
  if (length > 1 << 15) {
    op_error_at(context, node, "window", DIAG_too_large,
                "relative_bias of %lldx%lld pixels; the limit is 32,768 pixels", (long long)size[0],
                (long long)size[1]);
    return;
  }
  const int64_t dim[] = {(2 * size[0] - 1) * (2 * size[1] - 1), heads};
  node->nweights = 1;
  node->weight = NEW_ARRAY(context->arena, Weight *, 1);
  node->weight[0] = op_weight(context, node, "weight", 2, dim, "init", 0, heads, heads, true);
  if (node->weight[0]) node->shape = shape_image(heads, length, length);
}

/* ---- reference ---- */
int64_t bias_row(const int64_t size[2], int64_t i, int64_t j) {
  return (i / size[1] - j / size[1] + size[0] - 1) * (2 * size[1] - 1) + i % size[1] - j % size[1] + size[1] -
         1;
}

static void run(const Eval *eval) {
  const Extent e = shape_extent(eval->node->shape);
  int64_t size[2];
  bias_window(eval->node, size);
  for (int64_t k = 0; k < e.h * e.w * e.c; k++)
    eval->out[k] = eval->weight[0][bias_row(size, k / e.c % e.w, k % e.c) * e.h + k / e.c / e.w];
}

static void sum_run(const Eval *eval) {
  const Extent e = shape_extent(eval->node->in[0]->shape);
  int64_t size[2];
  bias_window(eval->node, size);
  for (int64_t k = 0; k < e.h * e.w * e.c; k++)
    eval->out[bias_row(size, k / e.c % e.w, k % e.c) * e.h + k / e.c / e.w] += eval->in[0][k];
}

/* ---- the nests ---- */
static void each_pair(Lower *l, Extent e, Buf *weight, bool back) {
  Nest *b = l->b;
  int64_t size[2];
  bias_window(l->node, size);
  const int64_t h = size[0], w = size[1];
  NEST_FOR(b, n, e.h)
    NEST_FOR(b, yi, h)
      NEST_FOR(b, xi, w)
        NEST_FOR(b, yj, h)
          NEST_FOR(b, xj, w) {
            const Ix i = yi * w + xi, j = yj * w + xj;
            const Ref at_ = nest_at(b, weight, (yi - yj + (h - 1)) * (2 * w - 1) + xi - xj + (w - 1), n);
            if (back) nest_store(b, at_, add(nest_load(b, at_, 1), walk_load(l, l->in[0], &n, &i, &j, 1, 1)));
            else lower_store(l, nest_load(b, at_, 1), &n, &i, &j, 1, 1);
          }
}

static void lower(Lower *l) {
  Buf *weight = lower_weight(l, 0);
  nest_fn(l->b, l->b->name, false);
  each_pair(l, shape_extent(l->node->shape), weight, false);
}

static void sum_lower(Lower *l) {
  lower_must_add(l);
  nest_fn(l->b, l->b->name, false);
  each_pair(l, shape_extent(l->node->in[0]->shape), l->out, true);
}

static const Op op_sum = {.name = "relative_bias gradient", .eval = sum_run, .lower = sum_lower};

static void backward(Gradient *gradient, Node *node, Node *dy) {
  if (gradient_trained(gradient, node, 0)) gradient_sum(gradient, &op_sum, node, 0, 1, &dy);
}

const Op op_relative_bias = {
    .name = "relative_bias",
    .group = "attention",
    .summary = "a trained attention bias for each relative position of two pixels in a window",
    .detail = "y[n][i][j] = weight[(yi - yj + h - 1)*(2w - 1) + xi - xj + w - 1][n], where pixel i has row "
              "yi and column xi. The result is headsxLxL with L = h*w. relative_bias has no input: give the "
              "result a name, and pass it to attention as bias=",
    .params = params,
    .example = "b = relative_bias(7x7, 3)",
    .source = true,
    .shape = shape,
    .eval = run,
    .gradient = backward,
    .lower = lower,
};
