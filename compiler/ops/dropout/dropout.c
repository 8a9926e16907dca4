/* dropout.c: dropout (Srivastava et al., 2014): in training each element becomes zero with probability
 * `rate`, and all other elements are divided by 1 - rate; no effect in inference. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/dropout/mask.h"

static const Param params[] = {MASK_PARAMS("0.5")};

static Node *train(Graph *graph, Node *node) { return mask_train(graph, node, &op_dropout_mask); }

const Op op_dropout = {
    MASK,
    .name = "dropout",
    .summary = "drops elements at random in training; no effect in inference",
    .detail = "training: y = 0 with probability rate, else x / (1 - rate)",
    .params = params,
    .example = "dense(128) -> relu -> dropout(0.5)",
    .train = train,
};
