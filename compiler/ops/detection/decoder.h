/* decoder.h: boxes moved and stretched by deltas dx dy dw dh, as decode and proposals have it. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_DETECTION_DECODER_H
#define CNNC_DETECTION_DECODER_H
#include "ops/detection/box.h"
#include "kernel/walk.h"

/* How deltas are read, and to which picture boxes are cut. */
typedef struct Decoder {
  double weight[BOX];  /* deltas are divided by these */
  const Node *picture; /* NULL: boxes are cut to 0 only */
} Decoder;

/* ---- the meaning ---- */
void decoder_run(const Decoder *, const double *box, const double *delta, double *out);

/* ---- in a nest ---- */
typedef struct DecoderTables {
  const Decoder *decoder;
  Buf *factor, *sign, *most;
} DecoderTables;
DecoderTables decoder_tables(Lower *, const Decoder *, int lanes); /* before nest_fn */
/* A vector of numbers of which each box has four: lanes k and k + 1 of each four, twice: of (a, b, c, d) they
 * are (a, b, a, b) or (c, d, c, d). Of a vector of one box, for all boxes. */
Val decoder_pairs(Val, int lanes, int k);
/* Corners of the boxes of a vector of deltas. Center and side: x, y, x, y and width, height, width, height of
 * each box. */
Val decoder_vector(Lower *, const DecoderTables *, Val delta, Val center, Val side);
/* Both corners of one box along an axis, 0: x. by, grown: its deltas of center and side. */
void decoder_scalar(Lower *, const Decoder *, int axis, Val by, Val grown, Val center, Val side, Val out[2]);

#endif
