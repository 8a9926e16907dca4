/* rnn.c: rnn, a recurrent layer without gates (Elman, 1990), with PyTorch's names and parameter order. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/recurrent/recurrent.h"

static const Param params[] = {
    {"units", PARAM_INT, NULL, "number of units, the size of h", 0, 0, NULL},
    RECURRENT_DIRECTION,
    RECURRENT_BIAS,
    RECURRENT_INIT,
    {"activation", PARAM_CHOICE, "tanh", "activation of the sums", 0, 0, "tanh relu"},
    {0},
};

const Op op_rnn = {
    .name = "rnn",
    .group = "recurrent",
    .summary = "a recurrent layer without gates over the rows of a sequence",
    .detail = "h' = act(W_ih x + b_ih + W_hh h + b_hh); act is tanh or relu",
    .params = params,
    .example = "rnn(32) -> dropout(0.2) -> rnn(32, last=true)",
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
