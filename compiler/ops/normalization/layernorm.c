/* layernorm.c: layernorm, normalization with mean and variance of the channels of each pixel (Ba, Kiros and
 * Hinton, 2016). */
// SPDX-License-Identifier: Apache-2.0
#include "ops/normalization/standardize.h"

static const Param params[] = {STANDARDIZE_PARAMS};

static const Op op_back = {.name = "layernorm input gradient", STANDARDIZE_BACK};
static const Op op_standardized = {
    .name = "layernorm standardized", .traits.keeps_spatial = true, STANDARDIZE_TRAINED};

static void shape(ShapeContext *context, Node *node) {
  standardize_shape(context, node,
                    (Standardize){true, shape_extent(node->in[0]->shape).c, &op_standardized, &op_back});
}

const Op op_layernorm = {
    .name = "layernorm",
    .group = "normalization",
    .summary = "normalization over the channels of each pixel",
    .detail = "y = (x - mean) / sqrt(variance + epsilon) * weight[c] + bias[c]; mean and variance are "
              "computed over the channels of a pixel",
    .params = params,
    .example = "depthwise(7, pad=same) -> layernorm -> conv(384, 1x1)",
    .traits.keeps_spatial = true,
    .shape = shape,
    STANDARDIZE_OPERATOR,
    .traits.stream = STREAM_ROWS,
};
