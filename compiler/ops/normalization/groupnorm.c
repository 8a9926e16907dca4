/* groupnorm.c: groupnorm, normalization with mean and variance of each group of channels, over all pixels of
 * an image (Wu and He, 2018). */
// SPDX-License-Identifier: Apache-2.0
#include "ops/normalization/standardize.h"

static const Param params[] = {
    {"groups", PARAM_INT, NULL, "number of channel groups; each group is normalized separately", 0, 0, NULL},
    STANDARDIZE_PARAMS};

static const Op op_back = {.name = "groupnorm input gradient", STANDARDIZE_BACK};
static const Op op_standardized = {.name = "groupnorm standardized", STANDARDIZE_TRAINED};

static void shape(ShapeContext *context, Node *node) {
  const int64_t channels = shape_extent(node->in[0]->shape).c, parts = arg_int(node, "groups");
  if (!node->in[0]->shape.rank) return;
  if (channels % parts == 0) {
    standardize_shape(context, node, (Standardize){false, channels / parts, &op_standardized, &op_back});
    return;
  }
  Diag *diag = op_error_at(context, node, "groups", DIAG_groups_mismatch,
                           "groups=%lld does not divide the %s of groupnorm's input", (long long)parts,
                           text_counted(context->arena, channels, "channel"));
  int64_t near = parts < channels ? parts : channels;
  while (channels % near) near--;
  op_note_origin(context, diag, node->in[0]);
  diag_help(diag, "%lld divides them", (long long)near);
}

const Op op_groupnorm = {
    .name = "groupnorm",
    .group = "normalization",
    .summary = "normalization of each channel group over its channels and pixels",
    .detail = "y = (x - mean) / sqrt(variance + epsilon) * weight[c] + bias[c]; mean and variance are "
              "computed over all pixels of C/groups channels of one image",
    .params = params,
    .example = "conv(32, 3x3, pad=same) -> groupnorm(8) -> relu",

    .shape = shape,
    STANDARDIZE_OPERATOR,
};
