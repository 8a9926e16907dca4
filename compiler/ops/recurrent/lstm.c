/* lstm.c: lstm, a layer of long short-term memory (Hochreiter and Schmidhuber, 1997; forget gates of Gers et
 * al., 2000; projection of Sak et al., 2014), with the names and parameter order of PyTorch and,
 * without clip, its arithmetic. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/recurrent/recurrent.h"

static const Param params[] = {
    {"units", PARAM_INT, NULL, "number of units: the size of c and, without project, also the size of h", 0,
     0, NULL},
    RECURRENT_DIRECTION,
    {"cell", PARAM_VALUE, "", "initial value of c: a vector; default: zeros", 0, 0, NULL},
    RECURRENT_BIAS,
    {"project", PARAM_INT, "0",
     "size of h after a trained projection; 0: no projection, and h has one element per unit", 0, 1 << 30,
     NULL},
    {"clip", PARAM_NUMBER, "0", "limits c to -clip..clip; 0: no limit", 0, 1e30, NULL},
    RECURRENT_INIT,
    {0},
};

const Op op_lstm = {
    .name = "lstm",
    .group = "recurrent",
    .summary = "long short-term memory over the rows of a sequence",
    .detail =
        "i, f, o = sigmoid(a), g = tanh(a) with a = W_ih x + b_ih + W_hh h + b_hh (separate weights for each "
        "of i, f, g, o); c' = f*c + i*g; h' = o*tanh(c'); with project, h' = W_hr (o*tanh(c'))",
    .params = params,
    .example = "lstm(64) -> lstm(32, last=true) -> dense(10)",
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
