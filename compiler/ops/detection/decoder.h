/* decoder.h: Boxes moved and scaled by deltas dx dy dw dh, for decode and proposals. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_DETECTION_DECODER_H
#define CNNC_DETECTION_DECODER_H
#include "ops/detection/box.h"
#include "kernel/walk.h"

/* Scale of the deltas, and the image to which boxes are clipped. */
typedef struct Decoder {
  double weight[BOX];  /* deltas are divided by these */
  const Node *picture; /* NULL: boxes are clipped to 0 only */
} Decoder;

/* ---- reference ---- */
void decoder_run(const Decoder *, const double *box, const double *delta, double *out);

/* ---- in a nest ---- */
typedef struct DecoderTables {
  const Decoder *decoder;
  Buf *factor, *sign, *most;
} DecoderTables;
DecoderTables decoder_tables(Lower *, const Decoder *, int lanes); /* before nest_fn */
/* For a vector of four numbers per box: lanes k and k + 1 of each four, twice: from (a, b, c, d), (a, b,
 * a, b) or (c, d, c, d). For a vector of one box, for all boxes. */
Val decoder_pairs(Val, int lanes, int k);
/* Corners of the boxes of a vector of deltas. Center and side: x, y, x, y and width, height, width, height of
 * each box. */
Val decoder_vector(Lower *, const DecoderTables *, Val delta, Val center, Val side);
/* Both corners of one box along an axis, 0: x. by, grown: its deltas of center and side. */
void decoder_scalar(Lower *, const Decoder *, int axis, Val by, Val grown, Val center, Val side, Val out[2]);

#endif
