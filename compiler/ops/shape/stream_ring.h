/* stream_ring.h: Gather rings: states that are ring buffers of the last rows of a value. A value gets a
 * gather ring only if a dilated window reads the value, and all its readers together need fewer rows than the
 * ring has. A call copies only the rows that the readers need. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_STREAM_RING_H
#define CNNC_STREAM_RING_H
#include "graph/graph.h"

enum { MOST_RING_ROWS = 1 << 22 }; /* positions are stored as floats, and must be exact */

typedef struct RingPlace {
  int index; /* index of the ring in ring_positions; a position is the index of the oldest row in the ring */
  int64_t rows, added; /* rows: rows of the ring; added: new rows per call; must be at most `rows` */
} RingPlace;

/* The rows that taps read: for each tap t, `rows` rows, starting at first + t*apart. Row 0 is the oldest row
 * of the ring; the new rows have the numbers RingPlace.rows and up. */
typedef struct RingTaps {
  int64_t n, first, apart, rows;
} RingTaps;

/* Appends the state with the positions of all rings, and the update of this state; returns the state. */
Node *ring_positions(Graph *, int n, const RingPlace *);
/* The rows of all taps, one tap after the other. */
Node *ring_gathered(Graph *, Node *value, Node *state, Node *positions, const RingPlace *, const RingTaps *);
/* Appends the update of a ring; call it after the readers of the ring's state were appended. */
void ring_update(Graph *, Node *value, Node *state, Node *positions, const RingPlace *);
#endif
