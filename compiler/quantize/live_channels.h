/* live_channels.h: which channels of a net of 8 bits do nothing. intervals.c finds what each channel lies
 * between, live_channels.c which of them have to be stored, drop.c makes the graph without the others.
 * Private to these. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_QUANTIZE_LIVE_CHANNELS_H
#define CNNC_QUANTIZE_LIVE_CHANNELS_H
#include "ops/int8/int8.h"

/* ---- intervals.c ---- */
typedef struct Interval {
  int64_t lo, hi;
} Interval;

/* The filters of a convolution or dense layer; filters and channels are those of one group. Weights lie as
 * [groups * filters][channels][taps]. */
typedef struct Filters {
  int64_t groups, filters, channels, taps;
  bool clipped; /* a window may reach beyond the input: padding stands for 0, its q is the input's zero */
} Filters;
bool is_product(const Node *);
Filters filters_of(const Node *product);
Interval sum_interval(const Node *product, const Interval *in, int64_t filter);

/* What each channel of a value of 8 bits lies between, for every input of the net. By node id, by channel;
 * NULL: no value of 8 bits. */
Interval **intervals_of(Arena *, const Graph *);

/* ---- live_channels.c ---- */
typedef struct Channels {
  Arena *arena;
  const Graph *graph;
  Interval **interval;
  int64_t *first; /* by node id: its first channel among those of all values; -1: no value of 8 bits */
  int64_t all;    /* channels of all values */
  /* Channels that stay or go together, as those before and behind a pooling, have one `root`: the next two
   * are by root. */
  int64_t *root;
  bool *needed; /* somebody needs what is stored */
  bool *kept;   /* it stays: it is needed, or its layer has a count of channels that schedules take */
} Channels;
Channels channels_of(Arena *, const Graph *);
int64_t channel_count(const Node *);
bool channel_constant(const Channels *, const Node *, int64_t channel);
bool channel_needed(const Channels *, const Node *, int64_t channel);
bool channel_kept(const Channels *, const Node *, int64_t channel);
int64_t channels_kept(const Channels *, const Node *);
#endif
