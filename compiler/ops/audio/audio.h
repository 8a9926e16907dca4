/* audio.h: Shapes of audio operators, and linear maps over the channels. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_OPS_AUDIO_H
#define CNNC_OPS_AUDIO_H
#include "kernel/walk.h"

#define TURN 6.283185307179586476925 /* 2*pi */

/* Checks that the input is a sequence, or regions that are sequences. samples: the input must have one
 * channel. Returns false after an error, or if the input's shape is unknown. */
bool audio_sequence(ShapeContext *, const Node *, bool samples);
/* The input's shape, but with the given number of channels. */
Shape audio_channels(const Node *, int64_t channels);

/* ---- linear maps over the channels with constant weights ---- */
typedef struct Bank { /* y[o] = sum over i of weight[o][i]*x[i] */
  int64_t inputs, outputs;
  const double *weight; /* [outputs][inputs] */
} Bank;
void bank_eval(const Eval *, Bank);
void bank_eval_transposed(const Eval *, Bank); /* the input gradient, from dy */
void bank_lower(Lower *, Bank, bool transposed);
/* The linear maps that mel and dct compute; export writes them as matrices. */
Bank mel_bank(Arena *, const Node *);
Bank dct_bank(Arena *, const Node *);
/* stft: maps the samples of a frame to its bins. The bins are not multiplied by scale=; real and imaginary
 * parts alternate. */
Bank stft_bank(Arena *, const Node *);
#endif
