/* rmsnorm.c: rmsnorm, y = x / sqrt(mean of x^2 + epsilon) * weight[c], with the mean over the channels of
 * each pixel (Zhang and Sennrich, 2019). */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "kernel/map.h"
#include "kernel/walk.h"

static const Param params[] = {
    {"epsilon", PARAM_NUMBER, "1e-6", "added to the mean of the squares", 0, 1e6, NULL},
    {"init", PARAM_INIT, "ones", "initial factors", 0, 0, NULL},
    {0}};

static double rms_factor(const Node *node, const double *x, int64_t channels) {
  double sum = 0;
  for (int64_t c = 0; c < channels; c++) sum += x[c] * x[c];
  return 1 / sqrt(sum / (double)channels + arg_number(node, "epsilon"));
}

/* ---- reference ---- */
static void run(const Eval *eval) {
  const Extent e = shape_extent(eval->node->shape);
  for (int64_t p = 0; p < e.h * e.w; p++) {
    const double *x = eval->in[0] + p * e.c, factor = rms_factor(eval->node, x, e.c);
    for (int64_t c = 0; c < e.c; c++) eval->out[p * e.c + c] = x[c] * factor * eval->weight[0][c];
  }
}

/* inputs dy, x: dx = f*w*dy - x * f^3/C * sum of w*dy*x, where f = 1 / sqrt(mean of x^2 + epsilon) */
static void back_run(const Eval *eval) {
  const Extent e = shape_extent(eval->node->shape);
  for (int64_t p = 0; p < e.h * e.w; p++) {
    const double *dy = eval->in[0] + p * e.c, *x = eval->in[1] + p * e.c, *w = eval->weight[0],
                 f = rms_factor(eval->node, x, e.c);
    double dot = 0;
    for (int64_t c = 0; c < e.c; c++) dot += w[c] * dy[c] * x[c];
    for (int64_t c = 0; c < e.c; c++)
      eval->out[p * e.c + c] = f * (w[c] * dy[c] - x[c] * f * f / (double)e.c * dot);
  }
}

static void weight_run(const Eval *eval) {
  const Extent e = shape_extent(eval->node->in[0]->shape);
  for (int64_t p = 0; p < e.h * e.w; p++) {
    const double *dy = eval->in[0] + p * e.c, *x = eval->in[1] + p * e.c, f = rms_factor(eval->node, x, e.c);
    for (int64_t c = 0; c < e.c; c++) eval->out[c] += dy[c] * x[c] * f;
  }
}

/* ---- the nests ---- */
typedef struct RmsPixel {
  Buf *x, *weight;
  /* along: in the backward pass, dx = factor * (w*dy - along*x); in the forward pass NULL */
  Val factor, along;
} RmsPixel;

static Val rms_square(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                      const void *context) {
  const RmsPixel *of = context;
  Val v = walk_load(l, of->x, y, x, c, part, lanes);
  return mul(v, v);
}

static Val rms_dot(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                   const void *context) {
  const RmsPixel *of = context;
  return mul(mul(walk_load(l, of->x, y, x, c, part, lanes), walk_load(l, l->in[0], y, x, c, part, lanes)),
             walk_load(l, of->weight, NULL, NULL, c, part, lanes));
}

static void rms_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                     const void *context) {
  const RmsPixel *of = context;
  Val v =
      mul(walk_load(l, l->in[0], y, x, c, part, lanes), walk_load(l, of->weight, NULL, NULL, c, part, lanes));
  if (of->along) v = sub(v, mul(walk_load(l, of->x, y, x, c, part, lanes), of->along));
  lower_store(l, mul(v, of->factor), y, x, c, part, lanes);
}

static void rms_weight_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                            const void *context) {
  const RmsPixel *of = context;
  const Val product =
      mul(walk_load(l, l->in[0], y, x, c, part, lanes), walk_load(l, of->x, y, x, c, part, lanes));
  walk_put(l, l->out, fma_(product, of->factor, walk_load(l, l->out, NULL, NULL, c, part, lanes)), NULL, NULL,
           c, part, lanes);
}

static Val rms_factor_value(Lower *l, const RmsPixel *of, const Ix *y, const Ix *x, int64_t channels) {
  Nest *b = l->b;
  Val mean = mul(walk_row_sum(l, channels, y, x, rms_square, of), num(b, 1 / (double)channels));
  return nest_let(b, "factor", div_(num(b, 1), vsqrt(add(mean, num(b, arg_number(l->node, "epsilon"))))));
}

static void lower(Lower *l) { /* inputs x, or dy and x */
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  const bool back = l->node->nin == 2;
  const LoopKind kind = l->threads ? walk_rows(l, 2 * e.h * e.w * e.c) : SERIAL;
  RmsPixel of = {.x = l->in[back], .weight = lower_weight(l, 0)};
  nest_fn(b, b->name, false);
  WALK_PIXELS(b, y, x, e, kind) {
    of.factor = rms_factor_value(l, &of, &y, &x, e.c);
    of.along = back ? nest_let(b, "along",
                               mul(mul(walk_row_sum(l, e.c, &y, &x, rms_dot, &of), num(b, 1 / (double)e.c)),
                                   mul(of.factor, of.factor)))
                    : NULL;
    walk_channels(l, e.c, &y, &x, rms_body, &of);
  }
}

static void weight_lower(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->in[0]->shape);
  RmsPixel of = {.x = l->in[1]};
  lower_must_add(l);
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w) {
      of.factor = rms_factor_value(l, &of, &y, &x, e.c);
      walk_channels(l, e.c, &y, &x, rms_weight_body, &of);
    }
}

static const Op op_back = {.name = "rmsnorm input gradient", .eval = back_run, .lower = lower};
static const Op op_weight_gradient = {
    .name = "rmsnorm weight gradient", .eval = weight_run, .lower = weight_lower};

static void backward(Gradient *gradient, Node *node, Node *dy) {
  Node *in[] = {dy, node->in[0]};
  gradient_input(gradient, &op_back, node, 2, in);
  if (gradient_trained(gradient, node, 0)) gradient_sum(gradient, &op_weight_gradient, node, 0, 2, in);
}

static void shape(ShapeContext *context, Node *node) { map_shape_weight(context, node, "weight", false); }

const Op op_rmsnorm = {
    .name = "rmsnorm",
    .group = "normalization",
    .summary = "divides the channels of each pixel by the root of their mean square",
    .detail =
        "y = x / sqrt(mean(x^2) + epsilon) * weight[c]; the mean is computed over the channels of a pixel",
    .params = params,
    .example = "conv(64, 1) -> rmsnorm -> conv(256, 1)",
    .traits.keeps_spatial = true,
    .traits.stream = STREAM_ROWS,
    .shape = shape,
    .eval = run,
    .gradient = backward,
    .lower = lower,
};
