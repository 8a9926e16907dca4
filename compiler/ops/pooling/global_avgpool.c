/* global_avgpool.c: global_avgpool, the mean of each channel (Lin, Chen and Yan, 2013): avgpool with one
 * window over the whole input. The hidden operator `row mean` has one window per row. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/pooling/pool.h"
#include "ops/registry.h"

static const Param params[] = {{0}};

const Op op_row_mean = {
    .name = "row mean", .family = FAMILY_POOL, .eval = avgpool_run, .lower = avgpool_lower};

const Op op_global_avgpool = {
    .name = "global_avgpool",
    .group = "pooling",
    .summary = "mean of each channel: an image becomes 1x1xC, and a sequence becomes a vector of C elements",
    .detail = "y[c] = mean over all pixels of x[c]",
    .params = params,
    .example = "global_avgpool -> dense(10)",
    .family = FAMILY_POOL,
    .traits.needs_axes = true,
    .shape = pool_shape_global,
    .eval = avgpool_run,
    .gradient = avgpool_backward,
    .lower = avgpool_lower,
    .traits.row_means = &op_row_mean,
    .traits.int8 = INT8_MEAN,
};
