/* decoder.h: Boxes moved and scaled by deltas dx dy dw dh, for decode and proposals. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_DETECTION_DECODER_H
#define CNNC_DETECTION_DECODER_H
#include "ops/detection/box.h"
#include "kernel/walk.h"

/* Scale of the deltas, and the image to which boxes are clipped. */
typedef struct Decoder {
  double weight[BOX];  /* deltas are divided by these weights */
  const Node *picture; /* NULL: coordinates below 0 become 0, and others are unchanged */
} Decoder;

/* ---- reference ---- */
void decoder_run(const Decoder *, const double *box, const double *delta, double *out);

/* ---- in a nest ---- */
typedef struct DecoderTables {
  const Decoder *decoder;
  Buf *factor, *sign, *most;
} DecoderTables;
DecoderTables decoder_tables(Lower *, const Decoder *, int lanes); /* called before nest_fn */
/* Replaces the numbers (a, b, c, d) of each box: by (a, b, a, b) if k is 0, or by (c, d, c, d) if k is 2. If
 * the vector has only one box, this box is repeated until the result has `lanes` lanes. */
Val decoder_pairs(Val, int lanes, int k);
/* Corners of the boxes that result from a vector of deltas. For each box, center has the numbers x, y, x, y,
 * and side has width, height, width, height. */
Val decoder_vector(Lower *, const DecoderTables *, Val delta, Val center, Val side);
/* Decodes a box along one axis (0: x). center, side: of the original box; by, grown: the deltas of the center
 * and of the side; out: start and end of the new box. */
void decoder_scalar(Lower *, const Decoder *, int axis, Val by, Val grown, Val center, Val side, Val out[2]);

#endif
