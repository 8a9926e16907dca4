/* global_maxpool.c: global_maxpool, the largest element of each channel: maxpool with one window over the
 * whole input. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/pooling/pool.h"

static const Param params[] = {{0}};

const Op op_global_maxpool = {
    .name = "global_maxpool",
    .group = "pooling",
    .summary =
        "maximum of each channel: an image becomes 1x1xC, and a sequence becomes a vector of C elements",
    .detail = "y[c] = max over all pixels of x[c]",
    .params = params,
    .example = "global_maxpool -> dense(10)",
    .family = FAMILY_POOL,
    .traits.needs_axes = true,
    .shape = pool_shape_global,
    .eval = maxpool_run,
    .gradient = maxpool_backward,
    .lower = maxpool_lower,
    .traits.int8 = INT8_LARGEST,
};
