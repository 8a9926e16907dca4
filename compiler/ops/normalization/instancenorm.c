/* instancenorm.c: instancenorm, normalization with mean and variance of each channel of an image (Ulyanov,
 * Vedaldi and Lempitsky, 2016). */
// SPDX-License-Identifier: Apache-2.0
#include "ops/normalization/standardize.h"

static const Param params[] = {STANDARDIZE_PARAMS};

static const Op op_back = {.name = "instancenorm input gradient", STANDARDIZE_BACK};
static const Op op_standardized = {.name = "instancenorm standardized", STANDARDIZE_TRAINED};

static void shape(ShapeContext *context, Node *node) {
  standardize_shape(context, node, (Standardize){false, 1, &op_standardized, &op_back});
}

const Op op_instancenorm = {
    .name = "instancenorm",
    .group = "normalization",
    .summary = "normalization of each channel over its pixels",
    .detail = "y = (x - mean) / sqrt(variance + epsilon) * weight[c] + bias[c]; mean and variance are "
              "computed over all pixels of one channel of one image",
    .params = params,
    .example = "conv(32, 3x3, pad=same) -> instancenorm -> relu",

    .shape = shape,
    STANDARDIZE_OPERATOR,
};
