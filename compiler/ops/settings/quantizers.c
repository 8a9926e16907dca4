/* quantizers.c: Arguments of quantization-aware training. */
// SPDX-License-Identifier: Apache-2.0
#include "graph/op.h"
#include "ops/registry.h"

static const Param int8_params[] = {
    {"start", PARAM_INT, "5", "number of epochs before values and weights are rounded", 0, 1e6, NULL},
    {"momentum", PARAM_NUMBER, "0.99", "weight of the old range when a step updates the range of a value", 0,
     1, NULL},
    {"percentile", PARAM_NUMBER, "99.99",
     "each end of the range clips at most (100 - percentile) percent of an image's elements", 50, 100, NULL},
    {0}};

static const Form int8 = {"int8", "quantization-aware training for int8 (Jacob et al., 2018)", int8_params,
                          0};

const Form *const quantize_table[] = {&int8, NULL};
