/* audio.h: what the operators of the audio front end share. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_OPS_AUDIO_H
#define CNNC_OPS_AUDIO_H
#include "kernel/walk.h"

/* A sequence, or each region of one; `samples`: of one channel. False after an error, or where the input is
 * poison. */
bool audio_sequence(ShapeContext *, const Node *, bool samples);
/* The input's shape with another number of channels. */
Shape audio_channels(const Node *, int64_t channels);

/* ---- linear maps over the channels with constant weights ---- */
typedef struct Bank {
  int64_t inputs, outputs;
  const double *weight; /* [outputs][inputs] */
} Bank;
void bank_eval(const Eval *, Bank);
void bank_eval_transposed(const Eval *, Bank); /* the input gradient, from dy */
void bank_lower(Lower *, Bank, bool transposed);
#endif
