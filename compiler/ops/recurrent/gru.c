/* gru.c: gru, a layer of gated recurrent units (Cho et al., 2014), with the names and parameter order of
 * PyTorch and, with reset=after, its arithmetic. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/recurrent/recurrent.h"

static const Param params[] = {
    {"units", PARAM_INT, NULL, "number of units, the size of h", 0, 0, NULL},
    RECURRENT_DIRECTION,
    RECURRENT_BIAS,
    RECURRENT_INIT,
    {"reset", PARAM_CHOICE, "after",
     "after: r multiplies the product of h and its weights; before: r multiplies h before that product", 0, 0,
     "after before"},
    {0},
};

const Op op_gru = {
    .name = "gru",
    .group = "recurrent",
    .summary = "gated recurrent units over the rows of a sequence",
    .detail = "r, z = sigmoid(W_ih x + b_ih + W_hh h + b_hh); n = tanh(W_in x + b_in + r*(W_hn h + b_hn)); "
              "with reset=before, n = tanh(W_in x + b_in + W_hn (r*h) + b_hn); h' = (1 - z)*n + z*h",
    .params = params,
    .example = "gru(64, last=true) -> dense(12)",
    .shape = recurrent_shape,
    .cost = recurrent_cost,
    .eval = recurrent_eval,
    .parts = recurrent_parts,
    .keep = recurrent_keep,
    .traits.recurrent = true,
    .traits.rounds_itself = true,
    .traits.int8 = INT8_RECURRENT,
    .traits.stream = STREAM_RECURRENT,
};
