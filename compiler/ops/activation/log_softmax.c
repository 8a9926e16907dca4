/* log_softmax.c: the logarithm of softmax, y[c] = x[c] - log(sum over k of exp(x[k])), without rounding small
 * probabilities to 0. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "kernel/map.h"
#include "ops/activation/softmax.h"

static const Param params[] = {{0}};

static void run(const Eval *eval) {
  const Extent e = shape_extent(eval->node->shape);
  for (int64_t p = 0; p < e.h * e.w; p++) {
    const double *x = eval->in[0] + p * e.c;
    double largest, log_sum = softmax_log_sum(x, e.c, &largest);
    for (int64_t c = 0; c < e.c; c++) eval->out[p * e.c + c] = x[c] - largest - log_sum;
  }
}

static Val log_of_sum(Nest *b, Val sum) { return nest_let(b, "log_sum", vlog(sum)); }

static void shifted_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                         const void *context) {
  const SoftmaxRow *row = context;
  lower_store(l, sub(sub(walk_load(l, l->in[0], y, x, c, part, lanes), row->largest), row->of_sum), y, x, c,
              part, lanes);
}

static void lower(Lower *l) { softmax_lower_rows(l, log_of_sum, shifted_body); }

/* ---- input gradient: dx = dy - exp(y) * sum of dy; inputs dy, y ---- */
static void gradient_run(const Eval *eval) {
  const Extent e = shape_extent(eval->node->shape);
  for (int64_t p = 0; p < e.h * e.w; p++) {
    const double *dy = eval->in[0] + p * e.c, *y = eval->in[1] + p * e.c;
    double sum = 0;
    for (int64_t c = 0; c < e.c; c++) sum += dy[c];
    for (int64_t c = 0; c < e.c; c++) eval->out[p * e.c + c] = dy[c] - exp(y[c]) * sum;
  }
}

static Val element(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                   const void *context) {
  (void)context;
  return walk_load(l, l->in[0], y, x, c, part, lanes);
}

static void gradient_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                          const void *context) {
  const Val *sum = context;
  lower_store(l,
              sub(walk_load(l, l->in[0], y, x, c, part, lanes),
                  mul(vexp(walk_load(l, l->in[1], y, x, c, part, lanes)), *sum)),
              y, x, c, part, lanes);
}

static void gradient_lower(Lower *l) { softmax_lower_gradient(l, element, gradient_body); }

static const Op op_gradient = {
    .name = "log_softmax input gradient", .eval = gradient_run, .lower = gradient_lower};

static void backward(Gradient *gradient, Node *node, Node *dy) {
  softmax_backward(gradient, node, dy, &op_gradient);
}

const Op op_log_softmax = {
    .name = "log_softmax",
    .group = "activation",
    .summary = "log-probabilities over the channels, at every pixel",
    .detail = "y[c] = x[c] - log(sum over k of exp(x[k]))",
    .params = params,
    .example = "dense(10) -> log_softmax",
    .traits.softmax = true,
    .traits.scores = SCORES_LOG,
    .traits.keeps_spatial = true,
    .shape = map_shape,
    .eval = run,
    .gradient = backward,
    .lower = lower,
};
