/* instancenorm.c: instancenorm, mean and variance of each channel of an image (Ulyanov, Vedaldi and
 * Lempitsky, 2016). */
// SPDX-License-Identifier: Apache-2.0
#include "ops/normalisation/standardize.h"

static const Param params[] = {STANDARDIZE_PARAMS};

static Groups groups(const Node *node) {
  (void)node;
  return (Groups){false, 1};
}

static void back_run(const Eval *eval) { standardize_back_run(eval, groups); }
static void back_lower(Lower *l) { standardize_back_lower(l, groups); }
static const Op op_back = {.name = "instancenorm input gradient", .eval = back_run, .lower = back_lower};

static void run(const Eval *eval) { standardize_run(eval, groups); }
static void lower(Lower *l) { standardize_lower(l, groups); }
static void backward(Gradient *gradient, Node *node, Node *dy) {
  standardize_gradient(gradient, node, dy, &op_back);
}
static const Op op_standardized = {
    .name = "instancenorm standardized", .eval = run, .gradient = backward, .lower = lower};

static void whole_backward(Gradient *gradient, Node *node, Node *dy) {
  standardize_affine_gradient(gradient, node, dy, &op_back);
}
static Node *train(Graph *graph, Node *node) { return standardize_train(graph, node, &op_standardized); }

const Op op_instancenorm = {
    .name = "instancenorm",
    .group = "normalisation",
    .summary = "normalisation of each channel over its pixels",
    .detail = "y = (x - mean) / sqrt(variance + epsilon) * weight[c] + bias[c]; mean and variance of a "
              "channel of one image",
    .params = params,
    .example = "conv(32, 3x3, pad=same) -> instancenorm -> relu",

    .shape = standardize_shape,
    .eval = run,
    .gradient = whole_backward,
    .train = train,
    .lower = lower,
};
