/* sampling.h: Sampling of images between pixels, for grid_sample and deformable_attention. Along an axis of
 * several pixels, bilinear sampling uses two: `low` and the next one. On each axis, a pixel has the weight
 * 1 - |distance to the point|, but at least 0; its weight in the sample is the product of its weights on both
 * axes. Nearest sampling uses one pixel, with weight 1; with OUTSIDE_ZEROS, the weight of a pixel outside the
 * image is 0. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SAMPLING_H
#define CNNC_SAMPLING_H
#include "kernel/walk.h"

/* Returns false, after an error, if the value is not an image, or has an axis longer than SAMPLING_FAR. */
bool sampling_takes_image(ShapeContext *, const Node *, const Node *image);
/* maximum number of pixels along an axis, so that floats represent quarters of a pixel */
enum { SAMPLING_FAR = 1 << 22 };
typedef enum Outside { OUTSIDE_ZEROS, OUTSIDE_BORDER, OUTSIDE_REFLECT } Outside;
typedef struct Sampling {
  bool nearest, corners;
  bool unit; /* points are in 0 .. 1, not in -1 .. 1 */
  Outside outside;
} Sampling;

/* ---- reference ---- */
typedef struct SamplePoint { /* a point on one axis */
  int64_t low;
  int corners;                /* number of pixels that the sample reads: 1 or 2 */
  double weight[2], slope[2]; /* slope: derivative of the weight with respect to the coordinate */
} SamplePoint;
SamplePoint sample_point(const Sampling *, double at, int64_t length);
/* An image [h][w][c], of which the functions below use the channels `from` .. to-1. sample_take samples them
 * at a point, and adds `factor` times the sample to its argument `to`. sample_spread adds `factor` times dy
 * times a pixel's weight to each pixel around the point. */
typedef struct SampleImage {
  Extent e;
  int64_t from, to;
} SampleImage;
void sample_take(const SampleImage *, const SamplePoint point[2], double factor, const double *image,
                 double *to);
void sample_spread(const SampleImage *, const SamplePoint point[2], double factor, const double *dy,
                   double *image);
/* Adds to `to`: the sum over the channels of dy times the sample, and the derivatives of this sum with
 * respect to y and x. */
void sample_slopes(const SampleImage *, const SamplePoint point[2], const double *dy, const double *image,
                   double to[3]);

/* ---- the nest ---- */
typedef struct Sample { /* axis 0 is y; at: index of the pixel `low` */
  Lower *l;
  const Sampling *sampling;
  int64_t length[2];
  const Ix *at[2];
  Val weight[2][2], slope[2][2];
} Sample;
typedef void SampleBody(const Sample *, const void *context);
/* Calls the body with the pixels around the point (y, x). The extent is the image's. slopes: whether the body
 * uses Sample.slope. */
void sample_choose(Lower *, const Sampling *, Extent, Val y, Val x, bool slopes, SampleBody,
                   const void *context);
/* The corners of a point, k = 2*row + column. sample_has: whether the sample uses corner k. */
enum { SAMPLE_CORNERS = 4 };
bool sample_has(const Sample *, int k);
Val sample_weight(const Sample *, int k);
/* The image at the point, for `part` channels from c on: `sum` (which may be NULL) plus the weighted sum of
 * the corners. */
Val sample_value(const Sample *, Buf *image, const Val weight[SAMPLE_CORNERS], const Ix *c, int part,
                 int lanes, Val sum);
/* Adds dy times the weights to the channels of the corners. */
void sample_add(const Sample *, Buf *image, const Val weight[SAMPLE_CORNERS], Val dy, const Ix *c, int part,
                int lanes);
/* The products of dy with each corner, summed over the channels `from` .. from+n-1; dy is at [y][x][c]. */
void sample_products(const Sample *, Buf *image, Buf *dy, const Ix *y, const Ix *x, const Ix *from, int64_t n,
                     Val product[SAMPLE_CORNERS]);
/* From the products of dy with the corners (sample_products): dy times the sample, and the derivative of this
 * number with respect to the coordinate on an axis. */
Val sample_total(const Sample *, const Val product[SAMPLE_CORNERS]);
Val sample_slope(const Sample *, int axis, const Val product[SAMPLE_CORNERS]);
#endif
