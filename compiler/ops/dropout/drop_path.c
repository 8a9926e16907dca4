/* drop_path.c: drop_path, stochastic depth (Huang et al., 2016): in training the whole value of a sample
 * becomes zero with probability `rate`, and all other samples are divided by 1 - rate. No effect in
 * inference. At the end of a residual branch, drop_path drops that branch for a sample. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/dropout/mask.h"

static const Param params[] = {MASK_PARAMS(NULL)};

static Node *train(Graph *graph, Node *node) { return mask_train(graph, node, &op_drop_path_mask); }

const Op op_drop_path = {
    MASK,
    .name = "drop_path",
    .summary = "drops the whole value of a sample at random in training; no effect in inference",
    .detail = "training: y = 0 with probability rate (one random choice per sample), else x / (1 - rate)",
    .params = params,
    .example = "conv(64, 3x3, pad=same) -> batchnorm -> drop_path(0.1) -> add(x)",
    .train = train,
};
