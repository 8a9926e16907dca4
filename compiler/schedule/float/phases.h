/* phases.h: Geometry for ranking float schedules of convolutions, and the gathers that compute all phases of
 * a transposed convolution. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PHASES_H
#define CNNC_PHASES_H
#include "ops/convolution/correlation.h"

bool no_stride(const Correlation *);
/* The geometry for cost models: a gather, unless the convolution has phases because of a stride. */
Correlation correlation_ranked(const Node *);
/* Functions for a schedule's `takes`. takes_channels: kernels that are neither batched nor depthwise. */
bool takes_channels(const Lower *);
bool takes_groups(const Lower *); /* like takes_channels, with several groups */
bool takes_depthwise(const Lower *);
bool takes_whole_batch(const Lower *);

/* Whether all phases of a transposed convolution have the same number of adjacent taps. If so,
 * winograd_correlation is the gather with stride 1 whose output channels are the filters of all phases, phase
 * after phase. */
bool phases_alike(const Correlation *);
Correlation winograd_correlation(const Node *);      /* that gather, or else the node's own gather */
Correlation joined_correlation(const Correlation *); /* the gather with stride 1 that computes all phases */
/* whether every tap of joined_correlation is a tap of each phase */
bool joined_without_gaps(const Correlation *);
#endif
