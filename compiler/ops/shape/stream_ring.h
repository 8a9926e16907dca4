/* stream_ring.h: Gather rings: states that keep the last rows of a value, of which dilated windows read few.
 */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_STREAM_RING_H
#define CNNC_STREAM_RING_H
#include "graph/graph.h"

enum { MOST_RING_ROWS = 1 << 22 }; /* positions are floats */

typedef struct RingPlace {
  int index;           /* of its position: the row of the ring that is the oldest one */
  int64_t rows, added; /* rows of the ring; new rows per call, fewer */
} RingPlace;

/* Rows first + t*apart .. + rows - 1 for each tap t, counted from the oldest one; from RingPlace.rows on the
 * new ones. */
typedef struct RingTaps {
  int64_t n, first, apart, rows;
} RingTaps;

/* The state of all positions, with its update. */
Node *ring_positions(Graph *, int n, const RingPlace *);
/* The rows of all taps, one tap after the other. */
Node *ring_gathered(Graph *, Node *value, Node *state, Node *positions, const RingPlace *, const RingTaps *);
/* Appended after all readers of the state. */
void ring_update(Graph *, Node *value, Node *state, Node *positions, const RingPlace *);
#endif
