/* layernorm.c: layernorm, mean and variance of the channels of each pixel (Ba, Kiros and Hinton, 2016). */
// SPDX-License-Identifier: Apache-2.0
#include "ops/normalisation/standardize.h"

static const Param params[] = {STANDARDIZE_PARAMS};

static Groups groups(const Node *node) { return (Groups){true, shape_extent(node->shape).c}; }

static void back_run(const Eval *eval) { standardize_back_run(eval, groups); }
static void back_lower(Lower *l) { standardize_back_lower(l, groups); }
static const Op op_back = {.name = "layernorm input gradient", .eval = back_run, .lower = back_lower};

static void run(const Eval *eval) { standardize_run(eval, groups); }
static void lower(Lower *l) { standardize_lower(l, groups); }
static void backward(Gradient *gradient, Node *node, Node *dy) {
  standardize_gradient(gradient, node, dy, &op_back);
}
static const Op op_standardized = {.name = "layernorm standardized",
                                   .keeps_spatial = true,
                                   .eval = run,
                                   .gradient = backward,
                                   .lower = lower};

static void whole_backward(Gradient *gradient, Node *node, Node *dy) {
  standardize_affine_gradient(gradient, node, dy, &op_back);
}
static Node *train(Graph *graph, Node *node) { return standardize_train(graph, node, &op_standardized); }

const Op op_layernorm = {
    .name = "layernorm",
    .group = "normalisation",
    .summary = "normalisation over the channels of each pixel",
    .detail = "y = (x - mean) / sqrt(variance + epsilon) * weight[c] + bias[c]; mean and variance of the "
              "channels of a pixel",
    .params = params,
    .example = "depthwise(7, pad=same) -> layernorm -> conv(384, 1x1)",
    .keeps_spatial = true,
    .shape = standardize_shape,
    .eval = run,
    .gradient = whole_backward,
    .train = train,
    .lower = lower,
};
