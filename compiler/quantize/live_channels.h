/* live_channels.h: Removal of dead channels from int8 models: intervals.c computes the range of each channel,
 * live_channels.c determines which channels must be stored, and drop.c creates the graph without dead
 * channels. Private to these files. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_QUANTIZE_LIVE_CHANNELS_H
#define CNNC_QUANTIZE_LIVE_CHANNELS_H
#include "ops/int8/int8.h"

/* ---- intervals.c ---- */
typedef struct Interval {
  int64_t lo, hi;
} Interval;

/* The filters of a convolution or dense layer. filters, channels: counts per group. Weights are stored as
 * [groups * filters][channels][taps]. */
typedef struct Filters {
  int64_t groups, filters, channels, taps;
  bool clipped; /* windows may include padding; its elements are the input's zero point */
} Filters;
bool is_product(const Node *);
Filters filters_of(const Node *product);
Interval sum_interval(const Node *product, const Interval *in, int64_t filter);

/* [node id][channel]: range of the channel for all inputs of the net; NULL: not an int8 value. */
Interval **intervals_of(Arena *, const Graph *);

/* ---- live_channels.c ---- */
typedef struct Channels {
  Arena *arena;
  const Graph *graph;
  Interval **interval;
  int64_t *first; /* by node id: index of the node's first channel in `root`; -1: not an int8 value */
  int64_t all;    /* total number of channels of all values */
  /* Channels that are kept or removed together, such as those before and after a pooling, have one `root`.
   * `needed` and `kept` are indexed by root. */
  int64_t *root;
  bool *needed; /* the channel's stored value has a live user */
  bool *kept;   /* the channel is needed, or kept so that the number of channels suits the schedules */
} Channels;
Channels channels_of(Arena *, const Graph *);
bool channel_constant(const Channels *, const Node *, int64_t channel);
bool channel_needed(const Channels *, const Node *, int64_t channel);
bool channel_kept(const Channels *, const Node *, int64_t channel);
int64_t channels_kept(const Channels *, const Node *);
#endif
