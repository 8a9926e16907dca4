/* phases.h: Geometry of convolutions for cost models and for `takes` of float schedules, and the gathers that
 * compute all phases of a transposed convolution. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PHASES_H
#define CNNC_PHASES_H
#include "ops/convolution/correlation.h"

bool no_stride(const Correlation *);
/* The geometry for cost models: with stride 1, the correlation as a gather; otherwise the node's
 * correlation. */
Correlation correlation_ranked(const Node *);
/* Functions for a schedule's `takes`. takes_channels: kernels that are neither batched nor depthwise. */
bool takes_channels(const Lower *);
bool takes_groups(const Lower *); /* the kernels of takes_channels that have several groups */
bool takes_depthwise(const Lower *);
bool takes_whole_batch(const Lower *);

/* Whether all phases of a transposed convolution have the same number of adjacent taps. If so,
 * winograd_correlation is the gather with stride 1 whose output channels are the filters of all phases, phase
 * after phase. */
bool phases_alike(const Correlation *);
Correlation winograd_correlation(
    const Node *); /* if phases_alike: that gather; otherwise the node's correlation_gathering */
Correlation joined_correlation(const Correlation *); /* the gather with stride 1 that computes all phases */
/* Whether each phase has all taps of joined_correlation. If not, zeros replace the missing weights. */
bool joined_without_gaps(const Correlation *);
#endif
