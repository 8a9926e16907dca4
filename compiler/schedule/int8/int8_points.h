/* int8_points.h: Common part of int8 Winograd and Strassen convolutions, which use the driver of
 * conv_points.h; results are exact. Private to int8_winograd.c and int8_strassen.c.
 *
 * The model stores the weights as bytes, as int8_words.c packs them. Each call transforms the weights to
 * points, one bundle of filters after the other. A word of four bytes becomes two words of two int16 each:
 * the even word has the even bytes, the odd word the odd bytes. A row of V (the transformed input) has the
 * even words of a part of the input channels, then the odd words of this part; so does a row of the
 * weights. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_INT8_POINTS_H
#define CNNC_INT8_POINTS_H
#include "schedule/conv_points.h"
#include "schedule/int8/int8_cost.h"

enum { FEWEST_LANES = 4 };

typedef struct Points8 {
  Points p; /* must be first: callbacks of conv_points.c cast a Points * to a Points8 * */
  Lower *l;
  Correlation k;
  Finish finish;
  Buf *weight; /* the weights in the model */
  /* 2 with Strassen: input and output channels are split into halves, and each bundle has filters of both
   * halves. Otherwise 1 */
  int64_t halves;
  int64_t quads; /* number of four-byte words per pixel and half */
  int channels;  /* lanes of the vectors that load these words */
} Points8;

/* Splits the channels into vectors; false: the channels do not fill whole vectors. */
bool points8_fit(Points8 *, const Lower *, const Correlation *, int64_t halves);
int64_t points8_width(const Points8 *); /* number of filters of each half in a bundle */
/* Creates the members of the model and the buffers, with `odd` unused words per row of V. The members points,
 * parts, rows, width and block of `p` must be set before. inner: products are computed as inner products
 * (int8_inner.c). */
void points8_begin(Points8 *, Lower *, int64_t odd, bool inner);
/* Location, in the model's arrays, of the filters in vector v of half `half` of a bundle. points8_vector: the
 * vector that contains these filters; points8_lane: the lane of the first filter. */
Ix points8_vector(const Points8 *, const Ix *bundle, int64_t half, int v);
Ix points8_lane(const Points8 *, int v);
/* Requantizes and stores `sum`, which has the sums of the filters in vector v of half `half` of the bundle,
 * for output pixel (y, x). */
void points8_finish(const Points8 *, Val sum, const Ix *y, const Ix *x, const Ix *bundle, int64_t half,
                    int v);
void points8_about(const Points8 *, const char *name, const char *products);
#endif
